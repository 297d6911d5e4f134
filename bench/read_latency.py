"""What a warm read costs a caller whose database is 20 ms away: ``python -m bench.read_latency [--calls N]``.

Prints, for the bare driver and for each MCP server, the median and 95th percentile of a one-hop read by an indexed
property, and how many round trips to the database it took: a proxy counts them, delaying each way by half the distance.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import httpx2
import neo4j
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from bench.rivals import Competitor, competitors
from local.console import Console
from local.database import embedded_database
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings
from tests.support.tcp_proxy import TcpProxy

STATEMENT = "MATCH (a:Airport {faa: $faa})-[r:ROUTE]->(b:Airport) RETURN b.faa AS faa, r.carrier AS carrier LIMIT 10"
PARAMETERS = {"faa": "JFK"}
DISTANCE = 0.020
WARM_UP = 3


async def measure(name: str, proxy: TcpProxy, calls: int, once: Callable[[], Awaitable[object]]) -> None:
    """Call ``once`` a few times to warm up and ``calls`` times to be measured; print a line."""
    for _ in range(WARM_UP):
        await once()
    proxy.turns = 0
    took = []
    for _ in range(calls):
        started = time.perf_counter()
        await once()
        took.append((time.perf_counter() - started) * 1000)
    worst = statistics.quantiles(took, n=20)[-1]
    print(f"{name:<36} {statistics.median(took):8.1f} {worst:8.1f} {proxy.turns / calls:8.1f}", flush=True)


async def measure_driver(proxy: TcpProxy, database: EmbeddedNeo4j, calls: int) -> None:
    auth = (database.username, database.password.get_secret_value())
    async with neo4j.AsyncGraphDatabase.driver(proxy.uri, auth=auth, telemetry_disabled=True) as driver:

        async def auto_commit() -> None:
            async with driver.session(database="neo4j", default_access_mode="READ") as session:
                result = await session.run(STATEMENT, PARAMETERS)
                [record async for record in result]

        async def execute_query() -> None:
            await driver.execute_query(STATEMENT, PARAMETERS, database_="neo4j", routing_="r")

        await measure("bare driver, auto-commit", proxy, calls, auto_commit)
        await measure("bare driver, execute_query", proxy, calls, execute_query)


async def measure_server(competitor: Competitor, proxy: TcpProxy, calls: int) -> None:
    with competitor.running():
        async with (
            httpx2.AsyncClient(auth=competitor.credentials, timeout=30) as http,
            Client(streamable_http_client(competitor.url, http_client=http), mode="legacy") as client,
        ):

            async def once() -> None:
                result = await client.call_tool(competitor.tool, {"query": STATEMENT, "params": PARAMETERS})
                if result.is_error or "carrier" not in str(result.content):
                    raise RuntimeError(f"{competitor.name} did not answer: {str(result.content)[:300]}")

            await measure(competitor.name, proxy, calls, once)


async def run(database: EmbeddedNeo4j, calls: int) -> None:
    async with TcpProxy.to(database.uri) as proxy:
        proxy.delay = DISTANCE / 2
        print(f"one-hop read, database {DISTANCE * 1000:.0f} ms away, {calls} calls each")
        print(f"{'':<36} {'median ms':>8} {'95 % ms':>8} {'turns':>8}")
        await measure_driver(proxy, database, calls)
        for competitor in competitors(proxy.uri, database.password.get_secret_value()):
            await measure_server(competitor, proxy, calls)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=100)
    arguments = parser.parse_args()
    with embedded_database(LocalSettings.from_environ({}), Console()) as database:
        asyncio.run(run(database, arguments.calls))


if __name__ == "__main__":
    main()
