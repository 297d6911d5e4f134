"""How large answers are, in bytes and in tokens: ``python -m bench.answer_size``.

It asks the sample graph, and for embeddings a graph of its own. Tokens are those of ``o200k_base``, counted where the
package ``rs-bpe``, which brings that vocabulary, is installed; it is no dependency of this project.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import neo4j

from core.application import Application
from core.http import Request
from core.identity.principal import Principal
from core.settings import Settings
from local.console import Console
from local.database import embedded_database
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings

DIMENSIONS = 1536
CHUNKS = 20
VERSION = ("mcp-protocol-version", "2025-11-25")


def token_counter() -> Callable[[str], int] | None:
    """Counts the tokens of a text; None where no vocabulary is installed."""
    try:
        encoding = importlib.import_module("rs_bpe.bpe").openai.o200k_base()
    except ImportError:
        return None
    return lambda text: len(encoding.encode(text))


async def anybody(request: Request) -> Principal:
    """Admits every caller: this measures answers, not proofs of identity."""
    return Principal(platform="local", kind="local", id="local", name="bench", proved_by="loopback")


class Asked:
    """An application, whose answers are printed with their sizes."""

    def __init__(self, database: EmbeddedNeo4j, count: Callable[[str], int] | None) -> None:
        self._application = Application(
            Settings(
                neo4j_uri=database.uri,
                neo4j_username=database.username,
                neo4j_password=database.password,
                neo4j_database=database.database,
            ),
            anybody,
        )
        self._count = count

    async def listing(self) -> None:
        """Print the size of ``tools/list``."""
        self._print("tools/list", json.dumps((await self._result("tools/list", {}))["tools"], separators=(",", ":")))

    async def call(self, title: str, tool: str, **arguments: Any) -> None:
        """Print the size of a tool's answer, as text and as structure."""
        result = await self._result("tools/call", {"name": tool, "arguments": arguments})
        self._print(f"{title}, text", result["content"][0]["text"])
        structure = json.dumps(result["structuredContent"], ensure_ascii=False, separators=(",", ":"))
        self._print(f"{title}, structure", structure)

    async def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        headers = (VERSION, ("content-type", "application/json"), ("host", "127.0.0.1"))
        request = Request("POST", "/mcp", headers, body, "bench")
        response = await self._application.handle(request)
        result: dict[str, Any] = json.loads(response.body)["result"]
        return result

    def _print(self, title: str, text: str) -> None:
        tokens = "" if self._count is None else f" {self._count(text):8,} tokens"
        print(f"{title:55} {len(text.encode()):9,} B{tokens}")

    async def close(self) -> None:
        """Close the connections."""
        await self._application.close()


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


async def ask_sample(database: EmbeddedNeo4j, count: Callable[[str], int] | None) -> None:
    """Print the sizes of answers about the sample graph."""
    asked = Asked(database, count)
    await asked.listing()
    await asked.call("get-schema", "get-schema")
    await asked.call("get-schema detail=names", "get-schema", detail="names")
    await asked.call("list-procedures", "list-procedures")
    await asked.call("list-procedures kind=functions", "list-procedures", kind="functions")
    await asked.call("ten airports", "read-cypher", query="MATCH (a:Airport) RETURN a LIMIT 10")
    await asked.call("no rows", "read-cypher", query="MATCH (a:Airprot) RETURN a")
    await asked.close()


async def ask_chunks(database: EmbeddedNeo4j, count: Callable[[str], int] | None) -> None:
    """Print the sizes of answers with embeddings."""
    fill(database)
    asked = Asked(database, count)
    query = "MATCH (c:Chunk) RETURN c LIMIT 5"
    vector = [1.0] * DIMENSIONS
    await asked.call("five nodes with embeddings", "read-cypher", query=query)
    await asked.call("five nodes with embeddings, whole", "read-cypher", query=query, whole_vectors=True)
    await asked.call("ten hits of search-index", "search-index", index="chunks", vector=vector)
    await asked.call("ten hits, whole", "search-index", index="chunks", vector=vector, whole_vectors=True)
    await asked.close()


def main() -> None:
    """Measure, and print."""
    console, count = Console(), token_counter()
    if count is None:
        console.say("Without tokens: `pip install rs-bpe` brings a vocabulary.")
    with embedded_database(LocalSettings.from_environ({}), console) as database:
        asyncio.run(ask_sample(database, count))
    with tempfile.TemporaryDirectory() as folder, EmbeddedNeo4j(data_dir=Path(folder), console=console) as database:
        asyncio.run(ask_chunks(database, count))


if __name__ == "__main__":
    main()
