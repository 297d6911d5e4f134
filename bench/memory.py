"""What a statement with ten million rows does to the server's memory: ``python -m bench.memory [--rows N]``.

Prints the resident memory of ``neo4j-m2m serve`` before and after such statements; and, to compare, that of a process
that fetches all rows and cuts afterwards, as a server without a limit must. That one gets a tenth, for safety.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time

import psutil
from mcp.client.client import Client

from local.console import Console
from local.database import embedded_database
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings

STATEMENT = "UNWIND range(1, $rows) AS i RETURN i, 'row ' + toString(i) AS text"

FETCH_ALL = """
import os, sys, neo4j
uri, rows = sys.argv[1], int(sys.argv[2])
with neo4j.GraphDatabase.driver(uri, auth=("neo4j", os.environ["SECRET"])) as driver:
    records = driver.execute_query(sys.argv[3], rows=rows, database_="neo4j", routing_="r").records[:1000]
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


def megabytes(pid: int) -> float:
    """The resident memory of the process ``pid``."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


async def ask(url: str, pid: int, rows: int) -> None:
    async with Client(url) as client:
        await client.call_tool("read-cypher", {"query": STATEMENT, "params": {"rows": 10}})
        print(f"neo4j-m2m serve, after ten rows:               {megabytes(pid):7.0f} MB")
        for attempt in range(1, 4):
            started = time.perf_counter()
            result = await client.call_tool("read-cypher", {"query": STATEMENT, "params": {"rows": rows}})
            seconds = time.perf_counter() - started
            answer = result.structured_content
            if not answer["truncated"]:
                raise RuntimeError("the answer was not cut")
            print(
                f"neo4j-m2m serve, asked for {rows:,} ({attempt}): {megabytes(pid):9.0f} MB, "
                f"{answer['row_count']} rows in {seconds:.2f} s"
            )


def run(database: EmbeddedNeo4j, rows: int) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_")}
    secret = database.password.get_secret_value()
    served = environ | {"NEO4J_URI": database.uri, "NEO4J_PASSWORD": secret, "NEO4J_DATABASE": "neo4j"}
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=served) as process:
        try:
            url = json.loads(next(iter(process.stdout or ())))["url"]
            asyncio.run(ask(url, process.pid, rows))
        finally:
            process.terminate()
    few = rows // 10
    fetch_all = [sys.executable, "-c", FETCH_ALL, database.uri, str(few), STATEMENT]
    peak = subprocess.run(fetch_all, capture_output=True, text=True, check=True, env=environ | {"SECRET": secret})
    print(f"fetch all, then cut, asked for {few:,}:      {int(peak.stdout):7d} MB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    with embedded_database(LocalSettings.from_environ({}), Console()) as database:
        run(database, arguments.rows)


if __name__ == "__main__":
    main()
