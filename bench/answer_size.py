"""How large answers are, in bytes and in tokens: ``python -m bench.answer_size [--brief]``.

It asks the sample graph, and for embeddings a graph of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import neo4j

from bench.figures import Measurement, Table
from bench.parts import alone
from bench.questions import AskTool, asking
from bench.tokens import tokens_of
from local.console import Console
from local.neo4j import EmbeddedNeo4j

DIMENSIONS = 1536
CHUNKS = 20


def fill(database: EmbeddedNeo4j) -> None:
    """Store chunks of text with embeddings, and an index of these."""
    auth = (database.username, database.password.get_secret_value())
    numbers = random.Random(1)
    chunks = [
        {"text": f"text {number}", "embedding": [numbers.uniform(-1, 1) for _ in range(DIMENSIONS)]}
        for number in range(CHUNKS)
    ]
    with neo4j.GraphDatabase.driver(database.uri, auth=auth) as driver:
        driver.execute_query(
            "CREATE VECTOR INDEX chunks IF NOT EXISTS FOR (c:Chunk) ON (c.embedding) "
            "OPTIONS {indexConfig: {`vector.dimensions`: 1536, `vector.similarity_function`: 'cosine'}}"
        )
        driver.execute_query("UNWIND $chunks AS chunk CREATE (c:Chunk) SET c = chunk", chunks=chunks)
        driver.execute_query("CALL db.awaitIndexes(60)")


class Sizes:
    """Texts by what they answer."""

    def __init__(self, ask: AskTool) -> None:
        self._ask = ask
        self.texts: dict[str, str] = {}

    async def call(self, title: str, tool: str, **arguments: Any) -> None:
        """Keep a tool's answer, as text and as structure."""
        result = await self._ask(tool, **arguments)
        self.texts[f"{title}, text"] = result["content"][0]["text"]
        structure = json.dumps(result["structuredContent"], ensure_ascii=False, separators=(",", ":"))
        self.texts[f"{title}, structure"] = structure

    async def listing(self) -> None:
        """Keep the list of the tools."""
        self.texts["tools/list"] = json.dumps((await self._ask(None))["tools"], separators=(",", ":"))


async def of_sample(database: EmbeddedNeo4j) -> dict[str, str]:
    """Answers about the sample graph."""
    async with asking(database) as ask:
        asked = Sizes(ask)
        await asked.listing()
        await asked.call("get-schema", "get-schema")
        await asked.call("get-schema detail=names", "get-schema", detail="names")
        await asked.call("list-procedures", "list-procedures")
        await asked.call("list-procedures kind=functions", "list-procedures", kind="functions")
        await asked.call("ten airports", "read-cypher", query="MATCH (a:Airport) RETURN a LIMIT 10")
        await asked.call("no rows", "read-cypher", query="MATCH (a:Airprot) RETURN a")
    return asked.texts


async def of_chunks(database: EmbeddedNeo4j) -> dict[str, str]:
    """Answers with embeddings."""
    query, vector = "MATCH (c:Chunk) RETURN c LIMIT 5", [1.0] * DIMENSIONS
    async with asking(database) as ask:
        asked = Sizes(ask)
        await asked.call("five nodes with embeddings", "read-cypher", query=query)
        await asked.call("five nodes with embeddings, whole", "read-cypher", query=query, whole_vectors=True)
        await asked.call("ten hits of search-index", "search-index", index="chunks", vector=vector)
        await asked.call("ten hits, whole", "search-index", index="chunks", vector=vector, whole_vectors=True)
    return asked.texts


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """The bytes and tokens of each answer."""
    texts = asyncio.run(of_sample(database))
    if not brief:
        with tempfile.TemporaryDirectory() as folder, EmbeddedNeo4j(Path(folder), console=Console()) as chunks:
            fill(chunks)
            texts |= asyncio.run(of_chunks(chunks))
    counted = tokens_of(list(texts.values()))
    rows: list[list[str | float | int | None]] = [
        [title, len(text.encode()), tokens] for (title, text), tokens in zip(texts.items(), counted, strict=True)
    ]
    note = "Clients show the agent the text or the structure, not both. Tokens are those of o200k_base."
    return [Table("The size of answers", ["answer", "bytes", "tokens"], rows, note)]


if __name__ == "__main__":
    alone(measure, __doc__)
