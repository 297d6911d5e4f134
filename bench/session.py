"""An agent's session with a cold server and a database 20 ms away: ``python -m bench.session [--brief]``.

The agent says hello, lists the tools, asks for the schema, reads five different things, sends a statement that is
wrong, and sends it again mended. Each server starts for it, in turn. What it reads is counted in bytes and tokens.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

from bench.caller import CallFailed, McpAnswer
from bench.figures import Comparison, Goal, Measurement, Table
from bench.parts import alone
from bench.rivals import Competitor, competitors
from bench.tokens import tokens_of
from local.neo4j import EmbeddedNeo4j
from tests.support.tcp_proxy import TcpProxy

DISTANCE = 0.020
READS = (
    "MATCH (a:Airport) RETURN count(a) AS airports",
    "MATCH (a:Airport {faa: 'JFK'}) RETURN a.name AS name, a.lat AS lat, a.lon AS lon",
    "MATCH (:Airport {faa: 'JFK'})-[r:ROUTE]->(b:Airport) RETURN b.faa AS faa ORDER BY faa LIMIT 20",
    "MATCH (a:Airport)-[r:ROUTE]->() RETURN a.faa AS faa, count(r) AS routes ORDER BY routes DESC LIMIT 5",
    "MATCH (:Airport {faa: 'LGA'})-[:ROUTE]->(b:Airport) WHERE b.alt > 1000 RETURN b.name AS name, b.alt AS alt",
)
WRONG = "MATCH (a:Airport {faa: 'EWR'} RETURN a.name AS name"
MENDED = "MATCH (a:Airport {faa: 'EWR'}) RETURN a.name AS name"

STEPS = ("tools", "schema", *(f"read {number + 1}" for number in range(len(READS))), "wrong", "mended")
WHOLE, NO_SCHEMA = "the whole session", "the session without the schema"
LIMIT = "the first read connects and logs in: turns that every server pays once"


class Session:
    """What one session was like: milliseconds and turns of each step, and what the agent read."""

    def __init__(self, competitor: Competitor, proxy: TcpProxy) -> None:
        self.competitor = competitor
        self.took: dict[str, float] = {}
        self.turns: dict[str, int] = {}
        self.read: dict[str, str] = {}
        self.size = 0
        self.schema_failed = ""
        self._proxy = proxy

    def hold(self) -> None:
        """Hold the session, once.

        Raises:
            CallFailed: A read failed, or the wrong statement was answered.
        """
        tool, schema_tool = self.competitor.tool, self.competitor.schema_tool
        with self.competitor.caller() as caller:
            self._step("tools", lambda: caller.request("tools/list"))
            schema = self._step("schema", lambda: caller.call(schema_tool))
            self.schema_failed = schema.text if schema.failed else ""
            for number, statement in enumerate((*READS, WRONG, MENDED)):

                def ask(statement: str = statement) -> McpAnswer:
                    return caller.call(tool, query=statement, params={})

                answer = self._step(STEPS[2 + number], ask)
                if answer.failed != (statement == WRONG):
                    raise CallFailed(f"{self.competitor.name}, {STEPS[2 + number]}: {answer.text[:200]}")

    def _step(self, name: str, once: Callable[[], McpAnswer]) -> McpAnswer:
        before, begun = self._proxy.turns, time.perf_counter()
        answer = once()
        self.took[name] = (time.perf_counter() - begun) * 1000
        self.turns[name] = self._proxy.turns - before
        self.read[name] = answer.text or json.dumps(answer.result)
        self.size += answer.size
        return answer


async def sessions(database: EmbeddedNeo4j, rounds: int) -> dict[str, list[Session]]:
    """The sessions with each server."""
    password = database.password.get_secret_value()
    names = [one.name for one in competitors(database.uri, password)]
    found: dict[str, list[Session]] = {name: [] for name in names}
    for turn in range(rounds + 1):  # the first is not counted: the database plans each statement for the first time
        for name in names[turn % len(names) :] + names[: turn % len(names)] if turn else names[:1]:
            async with TcpProxy.to(database.uri) as proxy:
                proxy.delay = DISTANCE / 2
                competitor = next(one for one in competitors(proxy.uri, password, bare=True) if one.name == name)
                session = Session(competitor, proxy)
                with ExitStack() as stack:
                    await asyncio.to_thread(stack.enter_context, competitor.running())
                    await asyncio.to_thread(session.hold)
                if turn:
                    found[name].append(session)
    return found


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """The session as a whole, its steps, and what the agent reads in it."""
    found = asyncio.run(sessions(database, 1 if brief else 5))
    unable = {name: "its schema needs APOC" for name, held in found.items() if held[0].schema_failed}
    able = {name: held for name, held in found.items() if name not in unable}
    title = "An agent's session, cold, database 20 ms away"
    without = {name: [sum(one.took.values()) - one.took["schema"] for one in held] for name, held in found.items()}
    turns = {
        name: statistics.median(sum(one.turns.values()) - one.turns["schema"] for one in held)
        for name, held in found.items()
    }
    findings: list[Measurement] = [
        Comparison(title, NO_SCHEMA, "ms", without, turns, goals=[Goal("ratio", 1, LIMIT)]),
        Comparison(
            title,
            WHOLE,
            "ms",
            {name: [sum(one.took.values()) for one in held] for name, held in able.items()},
            {name: statistics.median(sum(one.turns.values()) for one in held) for name, held in able.items()},
            unable,
        ),
    ]
    for step in STEPS:
        who = able if step == "schema" else found
        took = {name: [one.took[step] for one in held] for name, held in who.items()}
        waited = {name: statistics.median(one.turns[step] for one in held) for name, held in who.items()}
        findings.append(Comparison(title, step, "ms", took, waited, unable if step == "schema" else {}))
    return [*findings, what_is_read(found)]


def what_is_read(found: dict[str, list[Session]]) -> Table:
    """The bytes that arrive and the tokens that the agent reads."""
    rows: list[list[str | float | int | None]] = []
    for name, held in found.items():
        last = held[-1]
        listing, schema, rest = tokens_of(
            [
                last.read["tools"],
                last.read["schema"],
                "".join(text for step, text in last.read.items() if step not in ("tools", "schema")),
            ]
        )
        rows.append([name, last.size, listing, None if last.schema_failed else schema, rest])
    return Table(
        "What the agent is given in a session",
        ["server", "bytes in all", "tokens of the tools", "tokens of the schema", "tokens of the seven answers"],
        rows,
        "Tokens are those of o200k_base. This server's answers mark text from the graph as data, and its tools have "
        "output schemas and say what they refuse; both cost tokens. Its tools are five, the canary's are many.",
    )


if __name__ == "__main__":
    alone(measure, __doc__)
