"""How many connections to the database callers cause: ``python -m bench.connections [--brief]``.

Callers, each with a connection of its own to the server, call at once; a proxy before the database counts. One process
of each server has up to 1,000 callers; then ten processes of this one share them. What this machine does not run is
calculated, and the table shows how.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench.figures import OURS, Measurement, Table
from bench.parts import alone
from bench.rivals import Competitor, competitors, ours
from core.settings import Settings
from local.neo4j import EmbeddedNeo4j
from tests.support.tcp_proxy import TcpProxy

DISTANCE = 0.020
CALLS = 2
STATEMENT = "RETURN 1 AS one"
POOL = Settings.from_environ({}).pool_size

_Row = list[str | float | int | None]


def call_all(processes: list[Competitor], callers: int) -> tuple[float, int]:
    """``callers`` call at once, spread over ``processes``; the seconds that it took, and the calls that failed."""

    def one(number: int) -> int:
        competitor = processes[number % len(processes)]
        failed = 0
        try:
            with competitor.caller() as caller:
                for _ in range(CALLS):
                    failed += caller.call(competitor.tool, query=STATEMENT).failed
        except Exception:  # noqa: BLE001 - a server that cannot take so many is what this looks for
            return CALLS
        return failed

    begun = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        failed = sum(pool.map(one, range(callers)))
    return time.perf_counter() - begun, failed


async def measured(database: EmbeddedNeo4j, name: str, processes: int, callers: list[int]) -> list[_Row]:
    """The most connections that were open while ``callers`` called, for each number of them."""
    password = database.password.get_secret_value()
    rows: list[_Row] = []
    async with TcpProxy.to(database.uri) as proxy:
        proxy.delay = DISTANCE / 2
        with ExitStack() as stack:
            if name == OURS:
                those = [ours(proxy.uri, password, bare=True) for _ in range(processes)]
            else:
                those = [one for one in competitors(proxy.uri, password) if one.name == name]
            for competitor in those:
                await asyncio.to_thread(stack.enter_context, competitor.running())
            for number in callers:
                calling = asyncio.ensure_future(asyncio.to_thread(call_all, those, number))
                most = 0
                while not calling.done():
                    most = max(most, proxy.open)
                    await asyncio.sleep(0.005)
                seconds, failed = calling.result()
                rows.append([name, processes, number, most, failed, round(seconds, 1), "measured"])
    return rows


def calculated() -> list[_Row]:
    """What follows for more callers, by the rule that the measured rows show."""
    rows: list[_Row] = [
        [OURS, processes, 10_000, processes * POOL, None, None, f"{processes} × the pool of {POOL}"]
        for processes in (1, 10, 100)
    ]
    note = "one call at a time in each environment: 1 connection each"
    rows += [[f"{OURS} on Lambda", number, number, number, None, None, note] for number in (10, 1_000, 10_000)]
    return rows


async def _measure(database: EmbeddedNeo4j, brief: bool) -> list[Measurement]:
    rows: list[_Row] = []
    for competitor in competitors(database.uri, database.password.get_secret_value()):
        numbers = [10] if brief else [10, 100, 1_000] if competitor.name == OURS else [10, 100]
        rows += await measured(database, competitor.name, 1, numbers)
    rows += await measured(database, OURS, 2 if brief else 10, [20] if brief else [100, 1_000])
    for row in rows:
        if row[0] == OURS and int(row[3] or 0) > int(row[1] or 0) * POOL:
            raise RuntimeError(f"more connections than the pool allows: {row}")
    columns = ["server", "processes", "callers at once", "connections", "calls that failed", "seconds", "how"]
    note = (
        f"A process of this server opens at most {POOL} connections (NEO4J_M2M_POOL_SIZE), whoever calls; all "
        "callers here are one principal, who cannot take the last ones from others. Lambda gives an environment one "
        "call at a time, and `tests/aws_lambda/test_environments.py` holds it to one connection."
    )
    return [Table("Connections to the database", columns, [*rows, *calculated()], note)]


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """The connections, by server and callers."""
    return asyncio.run(_measure(database, brief))


if __name__ == "__main__":
    alone(measure, __doc__)
