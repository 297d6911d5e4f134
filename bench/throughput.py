"""What calls cost without distance: ``python -m bench.throughput [--brief]``.

A small read by one caller, calls a second with sixteen callers and what they cost the processor, 500 rows of four
values, and the resident memory of each server after that. The servers take turns.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench.caller import McpCaller
from bench.figures import Comparison, Goal, Measurement
from bench.parts import alone
from bench.rivals import Competitor, competitors, megabytes, processor_seconds
from local.neo4j import EmbeddedNeo4j
from local.neo4j.data_directory import DataDirectory
from local.neo4j.state import read_state

CALLERS = 16
SMALL = "MATCH (a:Airport {faa: $faa}) RETURN a.name AS name"
ROWS = "UNWIND range(1, 500) AS i RETURN i, i * 0.5 AS half, 'row ' + toString(i) AS text, i % 2 = 0 AS even"

CPU = (
    "one process of Python uses one core; the processor time of a call is in the table below. A third of it is the "
    "database driver's, a tenth the MCP SDK's, the rest HTTP, JSON-RPC, guard, policy, limits and audit. The rival is "
    "compiled, uses every core, and leaves more of the work to the database"
)
NOTE = (
    "Processor time is what all cores together worked for a call, with sixteen callers at once. The official server "
    "asks the database four times for each read, this one once."
)
GOALS = {
    "one": Goal("ratio", 0.6, CPU),
    "many": Goal("ratio", 1.3, CPU, most=False),
    "rows": Goal("ratio", 0.8, "reading Bolt records in Python, and writing each answer as text and as structure"),
    "memory": Goal(
        "median",
        80,
        "imports: of the MCP SDK's models 29 MB, of the interpreter 14, of the database driver 10, of asyncio 8, of "
        "cryptography 7, as psutil tells them on Python 3.11",
    ),
}


def milliseconds(once: Callable[[], object], calls: int) -> list[float]:
    took = []
    for _ in range(calls):
        begun = time.perf_counter()
        once()
        took.append((time.perf_counter() - begun) * 1000)
    return took


def calls_a_second(competitor: Competitor, callers: list[McpCaller], calls: int) -> float:
    """All ``callers`` read ``calls`` times each, at once."""

    def read(caller: McpCaller) -> None:
        for _ in range(calls):
            caller.read(competitor.tool, SMALL, {"faa": "JFK"})

    with ThreadPoolExecutor(len(callers)) as pool:
        begun = time.perf_counter()
        list(pool.map(read, callers))
        return len(callers) * calls / (time.perf_counter() - begun)


def _database_pid(database: EmbeddedNeo4j) -> int:
    state = read_state(DataDirectory(database.data_dir).state_file)
    if state is None or state.jvm is None:
        raise RuntimeError(f"the database in {database.data_dir} does not run")
    return state.jvm.pid


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """Small reads, long answers and memory."""
    rounds, calls, each = (1, 10, 5) if brief else (5, 100, 50)
    one, many, rows, memory, idle, used, used_in_all = (defaultdict[str, list[float]](list) for _ in range(7))
    database_pid = _database_pid(database)
    with ExitStack() as stack:
        everybody = []
        for competitor in competitors(database.uri, database.password.get_secret_value()):
            process = stack.enter_context(competitor.running())
            idle[competitor.name].append(megabytes(process))
            callers = [stack.enter_context(competitor.caller()) for _ in range(CALLERS)]
            everybody.append((competitor, process, callers))
            for caller in callers:
                caller.read(competitor.tool, SMALL, {"faa": "JFK"})
            callers[0].read(competitor.tool, ROWS)
            calls_a_second(competitor, callers, each)
        for _ in range(rounds):
            for competitor, process, callers in everybody:
                name, tool, first = competitor.name, competitor.tool, callers[0]

                def small(first: McpCaller = first, tool: str = tool) -> None:
                    first.read(tool, SMALL, {"faa": "JFK"})

                def long(first: McpCaller = first, tool: str = tool) -> None:
                    first.read(tool, ROWS)

                small()
                one[name] += milliseconds(small, calls)
                rows[name] += milliseconds(long, calls // 5)
                before = processor_seconds(process.pid), processor_seconds(database_pid)
                many[name].append(calls_a_second(competitor, callers, each))
                server = (processor_seconds(process.pid) - before[0]) / (CALLERS * each) * 1000
                used[name].append(server)
                behind = (processor_seconds(database_pid) - before[1]) / (CALLERS * each) * 1000
                used_in_all[name].append(server + behind)
                memory[name].append(megabytes(process))
    small_read, answer, resident = "A small read", "A long answer", "Resident memory"
    processor = "Processor time of a small read, 16 callers"
    return [
        Comparison(small_read, "loopback, 1 caller", "ms", one, goals=[GOALS["one"]]),
        Comparison(small_read, "loopback, 16 callers", "calls/s", many, goals=[GOALS["many"]], less_is_better=False),
        Comparison(processor, "the server", "ms", used),
        Comparison(processor, "the server and the database", "ms", used_in_all, note=NOTE),
        Comparison(answer, "500 rows of 4 values, 1 caller", "ms", rows, goals=[GOALS["rows"]]),
        Comparison(resident, "as its port answers", "MB", idle),
        Comparison(resident, "after these calls", "MB", memory, goals=[GOALS["memory"]]),
    ]


if __name__ == "__main__":
    alone(measure, __doc__)
