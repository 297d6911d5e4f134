"""What calls cost without distance: ``python -m bench.throughput [--brief]``.

A small read by one caller, calls a second with sixteen callers, 500 rows of four values, and the resident memory of
each server after that. The servers take turns.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench.caller import Caller
from bench.figures import Comparison, Finding, Goal
from bench.parts import alone
from bench.rivals import Competitor, competitors, megabytes
from local.neo4j import EmbeddedNeo4j

CALLERS = 16
SMALL = "MATCH (a:Airport {faa: $faa}) RETURN a.name AS name"
ROWS = "UNWIND range(1, 500) AS i RETURN i, i * 0.5 AS half, 'row ' + toString(i) AS text, i % 2 = 0 AS even"

CPU = "one core: Python's work on HTTP, JSON-RPC, schemas and audit of each call; the rival is compiled"
GOALS = {
    "one": Goal("ratio", 0.6, CPU),
    "many": Goal("ratio", 1.3, CPU, most=False),
    "rows": Goal("ratio", 0.8, "reading Bolt records in Python, and writing each answer as text and as structure"),
    "memory": Goal("median", 80, "what the MCP SDK, pydantic and cryptography take once imported"),
}


def milliseconds(once: Callable[[], object], calls: int) -> list[float]:
    took = []
    for _ in range(calls):
        begun = time.perf_counter()
        once()
        took.append((time.perf_counter() - begun) * 1000)
    return took


def calls_a_second(competitor: Competitor, callers: list[Caller], calls: int) -> float:
    """All ``callers`` read ``calls`` times each, at once."""

    def read(caller: Caller) -> None:
        for _ in range(calls):
            caller.read(competitor.tool, SMALL, {"faa": "JFK"})

    with ThreadPoolExecutor(len(callers)) as pool:
        begun = time.perf_counter()
        list(pool.map(read, callers))
        return len(callers) * calls / (time.perf_counter() - begun)


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Finding]:
    """Small reads, long answers and memory."""
    rounds, calls, each = (1, 10, 5) if brief else (5, 100, 25)
    one, many, rows, memory, idle = (defaultdict[str, list[float]](list) for _ in range(5))
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
        for _ in range(rounds):
            for competitor, process, callers in everybody:
                name, tool, first = competitor.name, competitor.tool, callers[0]

                def small(first: Caller = first, tool: str = tool) -> None:
                    first.read(tool, SMALL, {"faa": "JFK"})

                def long(first: Caller = first, tool: str = tool) -> None:
                    first.read(tool, ROWS)

                small()
                one[name] += milliseconds(small, calls)
                rows[name] += milliseconds(long, calls // 5)
                many[name].append(calls_a_second(competitor, callers, each))
                memory[name].append(megabytes(process))
    small_read, answer, resident = "A small read", "A long answer", "Resident memory"
    return [
        Comparison(small_read, "loopback, 1 caller", "ms", one, goals=[GOALS["one"]]),
        Comparison(small_read, "loopback, 16 callers", "calls/s", many, goals=[GOALS["many"]], less_is_better=False),
        Comparison(answer, "500 rows of 4 values, 1 caller", "ms", rows, goals=[GOALS["rows"]]),
        Comparison(resident, "as its port answers", "MB", idle),
        Comparison(resident, "after these calls", "MB", memory, goals=[GOALS["memory"]]),
    ]


if __name__ == "__main__":
    alone(measure, __doc__)
