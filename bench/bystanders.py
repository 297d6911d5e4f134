"""Who else wants something while a server is attacked: another caller, and programs that ask the database itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import neo4j

from bench.attacks import ONE, PING
from local.neo4j import EmbeddedNeo4j

__all__ = ["HEADERS", "PAUSE", "Waits", "bystanders"]

HEADERS = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}

PAUSE = 0.05

_BARE_DRIVERS = 4
"""Neo4j serves many connections with few threads, so a long answer on one delays some of the others, and not all."""


@dataclass
class Waits:
    """The longest waits, in seconds: another caller's for ``RETURN 1`` and a ping, a bare driver's for ``RETURN 1``."""

    worst: float = 0.0
    ping: float = 0.0
    bare: float = 0.0
    failed: str = ""


@asynccontextmanager
async def bystanders(url: str, auth: httpx2.Auth, database: EmbeddedNeo4j) -> AsyncIterator[Waits]:
    """Ask ``url``, and the database itself past every server, while the context lasts."""
    waits = Waits()
    login = (database.username, database.password.get_secret_value())

    async def ask(client: httpx2.AsyncClient, body: bytes) -> float:
        begun = time.perf_counter()
        answer = await client.post(url, content=body, headers=HEADERS)
        if answer.status_code != 200 or answer.json()["result"].get("isError"):
            waits.failed = answer.text[:200]
        return time.perf_counter() - begun

    async def read_on(client: httpx2.AsyncClient) -> None:
        while True:
            waits.worst = max(waits.worst, await ask(client, ONE))
            await asyncio.sleep(PAUSE)

    async def ping_on(client: httpx2.AsyncClient) -> None:
        while True:
            waits.ping = max(waits.ping, await ask(client, PING))
            await asyncio.sleep(PAUSE)

    async def past_the_server() -> None:
        async with neo4j.AsyncGraphDatabase.driver(database.uri, auth=login) as driver:
            while True:
                before = time.perf_counter()
                await driver.execute_query("RETURN 1")
                waits.bare = max(waits.bare, time.perf_counter() - before)
                await asyncio.sleep(PAUSE)

    async def all_of_them() -> None:
        async with httpx2.AsyncClient(trust_env=False, timeout=60, auth=auth) as client:
            await ask(client, ONE)
            begun.set()
            await asyncio.gather(read_on(client), ping_on(client), *(past_the_server() for _ in range(_BARE_DRIVERS)))

    begun = asyncio.Event()
    asking = asyncio.ensure_future(all_of_them())
    await begun.wait()
    try:
        yield waits
    finally:
        await asyncio.sleep(2 * PAUSE)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
