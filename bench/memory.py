"""What a statement with up to ten million rows does to a server: ``python -m bench.memory [--brief]``.

Measures how long each answer takes and how much memory the server has afterwards. The others get no more than a
hundred thousand rows, for safety, as does not a process that fetches a million rows and cuts afterwards, as a server
without a limit must.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack

from bench.figures import OURS, Measurement, Table
from bench.parts import alone
from bench.rivals import competitors, megabytes
from local.neo4j import EmbeddedNeo4j

STATEMENT = "UNWIND range(1, $rows) AS i RETURN i, 'row ' + toString(i) AS text"
ASKED = (10, 1_000, 100_000, 1_000_000, 10_000_000)
MOST_FOR_OTHERS = 100_000

FETCH_ALL = """
import os, sys, time, neo4j
uri, rows = sys.argv[1], int(sys.argv[2])
begun = time.perf_counter()
with neo4j.GraphDatabase.driver(uri, auth=("neo4j", os.environ["SECRET"])) as driver:
    records = driver.execute_query(sys.argv[3], rows=rows, database_="neo4j", routing_="r").records[:1000]
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.perf_counter() - begun, int(peak.split()[1]) // 1024)
"""


def fetched_all(database: EmbeddedNeo4j, rows: int) -> tuple[float, int]:
    """Seconds and megabytes of a process that fetches everything."""
    environ = {**os.environ, "SECRET": database.password.get_secret_value()}
    command = [sys.executable, "-c", FETCH_ALL, database.uri, str(rows), STATEMENT]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout.split()
    return float(said[0]), int(said[1])


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """Seconds, bytes and megabytes by the rows that are asked for."""
    rows: list[list[str | float | int | None]] = []
    with ExitStack() as stack:
        everybody = []
        for competitor in competitors(database.uri, database.password.get_secret_value()):
            process = stack.enter_context(competitor.running())
            everybody.append((competitor, process, stack.enter_context(competitor.caller())))
        for asked in (10, 10_000) if brief else ASKED:
            for competitor, process, caller in everybody:
                if competitor.name != OURS and asked > MOST_FOR_OTHERS:
                    continue
                begun = time.perf_counter()
                answer = caller.call(competitor.tool, query=STATEMENT, params={"rows": asked})
                seconds = round(time.perf_counter() - begun, 2)
                cut = bool(re.search(r'"truncated"\s*:\s*true', answer.text))
                if competitor.name == OURS and cut != (asked > 1_000):
                    raise RuntimeError(f"of {asked} rows the answer said {answer.text[:200]}")
                said = answer.text[:60] if answer.failed else "cut" if cut else ""
                rows.append([f"{asked:,}", competitor.name, seconds, answer.size, round(megabytes(process)), said])
    asked = 100_000 if brief else 1_000_000
    seconds, peak = fetched_all(database, asked)
    rows.append([f"{asked:,}", "a process that fetches all, then cuts", round(seconds, 2), None, peak, ""])
    return [
        Table(
            "Rows asked for",
            ["rows asked for", "server", "seconds", "bytes of the answer", "MB afterwards", "what it said"],
            rows,
            "This server cuts at 1,000 rows and says so. The others were asked for at most 100,000 rows.",
        )
    ]


if __name__ == "__main__":
    alone(measure, __doc__)
