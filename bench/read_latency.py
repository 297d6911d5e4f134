"""What a read costs a caller whose database is 0, 5, 20 and 50 ms away: ``python -m bench.read_latency [--brief]``.

A proxy before the database counts round trips and delays each way by half the distance. The same statement again, a
statement seen for the first time, the first call of a cold process, and then its first schema: for the bare driver and
for each MCP server, which take turns.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from itertools import count

import neo4j

from bench.caller import McpCaller
from bench.figures import OURS, Comparison, Goal, Measurement
from bench.parts import alone
from bench.rivals import Competitor, competitors, ours
from local.neo4j import EmbeddedNeo4j
from tests.support.tcp_proxy import TcpProxy

__all__ = [
    "AGAIN",
    "DRIVER",
    "FIRST",
    "NEW",
    "NO_TURNS",
    "STATEMENT",
    "Measured",
    "Once",
    "cold_driver",
    "measure",
    "new_statement",
    "reading",
    "warm_driver",
]

DRIVER = "bare Python driver"
DISTANCES = (0, 5, 20, 50)
STATEMENT = "MATCH (a:Airport {faa: $faa})-[r:ROUTE]->(b:Airport) RETURN b.faa AS faa, r.carrier AS carrier LIMIT 10"
PARAMETERS = {"faa": "JFK"}

AGAIN, NEW = "The same statement again", "A statement seen for the first time"
FIRST, SCHEMA = "First call of a cold process", "Schema, cold, after one read"

NO_TURNS = "the proxy counts each time that the server waits for the database; what is beyond one is the server's"
GOALS = {
    AGAIN: [
        Goal("turns", 1, NO_TURNS),
        Goal("ratio", 1.15, "HTTP, JSON, policy and audit of one call are added to the driver's turn", against=DRIVER),
    ],
    NEW: [Goal("turns", 1, NO_TURNS)],
    FIRST: [Goal("turns", 3, "Bolt needs its handshake and its login before the statement")],
    SCHEMA: [
        Goal("turns", 4, NO_TURNS),
        Goal("median", 500, "the database samples nodes for each label and type; that is its time, not the distance's"),
    ],
}

NOTES = {
    NEW: "The database plans such a statement first, whoever sends it: at short distances, most of the time.",
    FIRST: "The time is that of the call. The turns count from the start of the process: the other servers connect as "
    "they start, before anybody calls; this one connects when it is first called, as a function must.",
}

Once = Callable[[], object]
_novel = count()


class Measured:
    """Samples in milliseconds and turns, by the work and then by who did it."""

    def __init__(self, distance: int) -> None:
        self.distance = distance
        self.samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.turns: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.silent: dict[str, dict[str, str]] = defaultdict(dict)

    async def add(self, work: str, name: str, proxy: TcpProxy, once: Once) -> None:
        """Do ``once`` and note it; who cannot do it stays silent."""
        before = proxy.turns
        begun = time.perf_counter()
        try:
            await asyncio.to_thread(once)
        except Exception as error:  # noqa: BLE001 - another server's failure is a finding, not this program's end
            self.silent[work][name] = _reason(error)
            return
        self.samples[work][name].append((time.perf_counter() - begun) * 1000)
        self.turns[work][name].append(proxy.turns - before)

    def findings(self) -> Iterator[Comparison]:
        for work in (AGAIN, NEW, FIRST, SCHEMA):
            if self.samples[work]:
                turns = {name: statistics.median(told) for name, told in self.turns[work].items()}
                yield Comparison(
                    work,
                    f"database {self.distance} ms away",
                    "ms",
                    {name: list(samples) for name, samples in self.samples[work].items()},
                    turns,
                    self.silent[work],
                    GOALS[work] if self.distance == 20 else [],
                    x=self.distance,
                    note=NOTES.get(work, ""),
                )


def _reason(error: Exception) -> str:
    text = str(error)
    if "apoc" in text.lower():
        return "needs APOC, which no registry has for this version of Neo4j"
    return f"failed: {text.splitlines()[0][:100] if text else type(error).__name__}"


def new_statement() -> str:
    """A text that no server has seen, and that differs in more than a number."""
    return STATEMENT.replace("LIMIT 10", f"ORDER BY faa SKIP 0 LIMIT {10 + next(_novel)}")


def warm_driver(driver: neo4j.Driver, statement: Callable[[], str]) -> Once:
    def once() -> None:
        with driver.session(database="neo4j", default_access_mode="READ") as session:
            list(session.run(statement(), PARAMETERS))

    return once


def cold_driver(stack: ExitStack, uri: str, password: str) -> Once:
    """Opens a driver and reads; ``stack`` closes it later, since no caller waits for its goodbye."""

    def once() -> None:
        driver = neo4j.GraphDatabase.driver(uri, auth=("neo4j", password), telemetry_disabled=True)
        warm_driver(stack.enter_context(driver), lambda: STATEMENT)()

    return once


def reading(caller: McpCaller, tool: str) -> tuple[Once, Once]:
    """Reads the same again, and reads something new."""
    return lambda: caller.read(tool, STATEMENT, PARAMETERS), lambda: caller.read(tool, new_statement(), PARAMETERS)


async def warm(stack: AsyncExitStack, database: EmbeddedNeo4j, measured: list[Measured], rounds: int) -> None:
    """Everybody reads, in turn: the same again and something new, at each distance."""
    password = database.password.get_secret_value()
    proxy = await stack.enter_async_context(TcpProxy.to(database.uri))
    driver = neo4j.GraphDatabase.driver(proxy.uri, auth=("neo4j", password), telemetry_disabled=True)
    stack.enter_context(driver)
    everybody = [(DRIVER, proxy, warm_driver(driver, lambda: STATEMENT), warm_driver(driver, new_statement))]
    for competitor in competitors(database.uri, password):
        proxy = await stack.enter_async_context(TcpProxy.to(database.uri))
        behind = _behind(competitor, proxy, password)
        running = ExitStack()
        await asyncio.to_thread(running.enter_context, behind.running())
        stack.push_async_callback(asyncio.to_thread, running.close)
        caller = await asyncio.to_thread(running.enter_context, behind.caller())

        everybody.append((behind.name, proxy, *reading(caller, behind.tool)))
    for _, _, again, new in everybody:
        for once in (again, new, again):
            await asyncio.to_thread(once)
    for told in measured:
        for _ in range(rounds):
            for name, proxy, again, new in everybody:
                proxy.delay = told.distance / 2000
                await asyncio.to_thread(again)  # connections that were idle for long are opened again
                for _ in range(4):
                    await told.add(AGAIN, name, proxy, again)
                for _ in range(4):
                    await told.add(NEW, name, proxy, new)


def _behind(competitor: Competitor, proxy: TcpProxy, password: str, *, bare: bool = False) -> Competitor:
    return next(one for one in competitors(proxy.uri, password, bare=bare) if one.name == competitor.name)


async def cold(database: EmbeddedNeo4j, measured: list[Measured], starts: int) -> None:
    """Everybody starts and answers a first read, then a schema, in turn."""
    password = database.password.get_secret_value()
    names = competitors(database.uri, password)
    async with TcpProxy.to(database.uri) as proxy:  # the processes are cold, the database is not
        await first_calls(Measured(0), ours(proxy.uri, password, bare=True), proxy)
    for told in measured:
        for _ in range(starts):
            async with TcpProxy.to(database.uri) as proxy:
                proxy.delay = told.distance / 2000
                with ExitStack() as opened:
                    await told.add(FIRST, DRIVER, proxy, cold_driver(opened, proxy.uri, password))
            for competitor in names:
                async with TcpProxy.to(database.uri) as proxy:
                    proxy.delay = told.distance / 2000
                    await first_calls(told, _behind(competitor, proxy, password, bare=True), proxy)


async def first_calls(told: Measured, competitor: Competitor, proxy: TcpProxy) -> None:
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, competitor.running())
        caller = await asyncio.to_thread(stack.enter_context, competitor.caller())
        started = proxy.turns
        await told.add(FIRST, competitor.name, proxy, lambda: caller.read(competitor.tool, STATEMENT, PARAMETERS))
        if competitor.name in told.turns[FIRST]:
            told.turns[FIRST][competitor.name][-1] += started  # some connect as they start

        def schema() -> None:
            answer = caller.call(competitor.schema_tool)
            if answer.failed:
                raise RuntimeError(answer.text)

        await told.add(SCHEMA, competitor.name, proxy, schema)


async def _measure(database: EmbeddedNeo4j, brief: bool) -> list[Measurement]:
    measured = [Measured(distance) for distance in ((20,) if brief else DISTANCES)]
    async with AsyncExitStack() as stack:
        await warm(stack, database, measured, 1 if brief else 4)
    await cold(database, measured, 1 if brief else 3)
    works = [one for told in measured for one in told.findings()]
    if any(OURS not in one.samples for one in works):
        raise RuntimeError(f"this server did not answer: {[told.silent for told in measured]}")
    return sorted(works, key=lambda one: list(GOALS).index(one.title))


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """The four kinds of calls at each distance."""
    return asyncio.run(_measure(database, brief))


if __name__ == "__main__":
    alone(measure, __doc__)
