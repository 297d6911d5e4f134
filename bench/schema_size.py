"""A schema of 10, 200 and 2,000 labels: ``python -m bench.schema_size [--brief]``.

Measures how long ``get-schema`` takes in a process that has not read it, the round trips, and the bytes and tokens
that the agent gets. The graph is made for it: each label has a few nodes with four properties, and a relationship type
leads from each to the next. The other servers need APOC, which no registry has for this version of Neo4j.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import neo4j

from bench.figures import Measurement, Table
from bench.parts import alone
from bench.questions import asking
from bench.tokens import tokens_of
from local.console import Console
from local.neo4j import EmbeddedNeo4j
from tests.support.tcp_proxy import TcpProxy

LABELS = (10, 200, 2_000)
DISTANCE = 0.020


def grow(database: EmbeddedNeo4j, first: int, last: int) -> None:
    """Add the labels from ``first`` to before ``last``."""
    auth = (database.username, database.password.get_secret_value())
    with neo4j.GraphDatabase.driver(database.uri, auth=auth, telemetry_disabled=True) as driver:
        for start in range(first, last, 100):
            parts = [
                f"CREATE (a{n}:Label{n:04} {{name: 'a', size: {n}, weight: 0.5, made: date()}})-[:LEADS_{n:04}]->"
                f"(:Label{(n + 1) % last:04} {{name: 'b'}})"
                for n in range(start, min(start + 100, last))
            ]
            for _ in range(3):
                driver.execute_query("\n".join(parts))


async def read(database: EmbeddedNeo4j, times: int) -> list[str | float | int | None]:
    """Milliseconds and turns of the schema; bytes and tokens of what the agent gets unasked, and of the names."""
    took, turns, texts = [], 0, []
    for _ in range(times):
        async with TcpProxy.to(database.uri) as proxy:
            proxy.delay = DISTANCE / 2
            async with asking(database, uri=proxy.uri) as ask:
                await ask("read-cypher", query="RETURN 1 AS one")
                before, begun = proxy.turns, time.perf_counter()
                unasked = await ask("get-schema")
                took.append((time.perf_counter() - begun) * 1000)
                turns = proxy.turns - before
                names = await ask("get-schema", detail="names")
                texts = [result["content"][0]["text"] for result in (unasked, names)]
    sizes = [
        size for text, tokens in zip(texts, tokens_of(texts), strict=True) for size in (len(text.encode()), tokens)
    ]
    return [*(round(value) for value in (statistics.median(took), min(took), max(took))), turns, *sizes]


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """The schema of each graph, which is grown in a database of its own."""
    rows: list[list[str | float | int | None]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedNeo4j(data_dir=Path(folder), console=Console()) as grown,
    ):
        there = 0
        for labels in LABELS[:1] if brief else LABELS:
            grow(grown, there, labels)
            there = labels
            asyncio.run(read(grown, 1))  # the database plans its statements for the first time
            rows.append([f"{labels:,}", *asyncio.run(read(grown, 1 if brief else 3))])
    columns = ["labels", "median ms", "least", "most", "turns", "bytes", "tokens", "bytes of names", "tokens of names"]
    note = (
        "Unasked, the agent gets properties and patterns too, or names and counts where that would be long; what is "
        "longer still is cut. The names alone are asked for with `detail=names`."
    )
    return [Table("The schema of a graph of many labels, cold, database 20 ms away", columns, rows, note)]


if __name__ == "__main__":
    alone(measure, __doc__)
