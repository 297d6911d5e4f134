"""Turns to the database with TLS and with routing: ``python -m bench.schemes [--brief]``.

The same reads as in `bench.read_latency`, with the database 20 ms away, over each scheme of its address: this server
and the bare driver take turns. The embedded database speaks no TLS, so a proxy of this machine ends it in front of the
database. The proxy that counts and delays is before that one, and sees what the network sees.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import neo4j

from bench.figures import OURS, Comparison, Goal, Measurement
from bench.parts import alone
from bench.read_latency import (
    AGAIN,
    DRIVER,
    FIRST,
    NEW,
    NO_TURNS,
    STATEMENT,
    Measured,
    Once,
    cold_driver,
    new_statement,
    reading,
    warm_driver,
)
from bench.rivals import ours
from local.emulators.azure.certificates import loopback_certificates
from local.neo4j import EmbeddedNeo4j
from tests.support.tcp_proxy import TcpProxy

__all__ = ["SCHEMES", "counted", "measure", "trusted_certificate"]

SCHEMES = {"bolt": 3, "bolt+s": 4, "neo4j": 4, "neo4j+s": 5}
"""The turns of a first read: Bolt's handshake, its login, the statement; one more for TLS, one more for routing."""

DISTANCE = 20

NOTES = {
    FIRST: "`+s` is TLS, whose handshake is one turn; `neo4j` asks for the routing table first, which is one more. "
    "The certificate is verified: `SSL_CERT_FILE` names its authority to each measured process. The opening of the TCP "
    "connection, a turn more for every scheme, is not counted.",
    AGAIN: "A routing table is asked for again when it has expired, after five minutes if the database is not told "
    "otherwise; no such call is among these.",
}


@contextmanager
def trusted_certificate() -> Iterator[ssl.SSLContext]:
    """A certificate for a server on the loopback interface.

    This process, and those that it starts, trust its authority as long as the context lasts.
    """
    with tempfile.TemporaryDirectory(prefix="neo4j-m2m-bench-") as place:
        made = loopback_certificates(Path(place))
        certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.load_cert_chain(made.server)
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = str(made.authority)
        try:
            yield certificate
        finally:
            os.environ.pop("SSL_CERT_FILE", None)
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before


@asynccontextmanager
async def counted(uri: str, scheme: str, certificate: ssl.SSLContext) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A way to the database at ``uri`` that counts and delays, and its address with ``scheme``."""
    async with AsyncExitStack() as stack:
        if scheme.endswith("+s"):
            front = await stack.enter_async_context(TcpProxy.to(uri, tls=certificate))
            uri = front.uri
        proxy = await stack.enter_async_context(TcpProxy.to(uri))
        proxy.delay = DISTANCE / 2000
        yield proxy, proxy.uri.replace("bolt", scheme, 1)


async def cold(database: EmbeddedNeo4j, certificate: ssl.SSLContext, measured: dict[str, Measured]) -> None:
    """A new driver and a new process of this server read for the first time, over each scheme."""
    password = database.password.get_secret_value()
    for scheme, told in measured.items():
        async with counted(database.uri, scheme, certificate) as (proxy, uri):
            with ExitStack() as opened:
                await told.add(FIRST, DRIVER, proxy, cold_driver(opened, uri, password))
        async with counted(database.uri, scheme, certificate) as (proxy, uri):
            with ExitStack() as stack:
                again, _ = await _served(stack, uri, password)
                await told.add(FIRST, OURS, proxy, again)


async def _served(stack: ExitStack, uri: str, password: str) -> tuple[Once, Once]:
    """Reads through this server, which runs as a function does until ``stack`` is left."""
    server = ours(uri, password, bare=True)
    await asyncio.to_thread(stack.enter_context, server.running())
    return reading(await asyncio.to_thread(stack.enter_context, server.caller()), server.tool)


async def warm(
    database: EmbeddedNeo4j, certificate: ssl.SSLContext, measured: dict[str, Measured], rounds: int
) -> None:
    """The same statement again and new ones, over each scheme, in turn."""
    password = database.password.get_secret_value()
    async with AsyncExitStack() as ways:
        stack = ways.enter_context(ExitStack())
        everybody = []
        for scheme, told in measured.items():
            proxy, uri = await ways.enter_async_context(counted(database.uri, scheme, certificate))
            driver = neo4j.GraphDatabase.driver(uri, auth=("neo4j", password), telemetry_disabled=True)
            stack.enter_context(driver)
            reads = (warm_driver(driver, lambda: STATEMENT), warm_driver(driver, new_statement))
            everybody.append((told, DRIVER, proxy, *reads))
            proxy, uri = await ways.enter_async_context(counted(database.uri, scheme, certificate))
            everybody.append((told, OURS, proxy, *await _served(stack, uri, password)))
        for _, _, _, again, new in everybody:
            for once in (again, new, again):
                await asyncio.to_thread(once)
        for _ in range(rounds):
            for told, name, proxy, again, new in everybody:
                for _ in range(4):
                    await told.add(AGAIN, name, proxy, again)
                for _ in range(4):
                    await told.add(NEW, name, proxy, new)
        await asyncio.to_thread(stack.close)


def findings(measured: dict[str, Measured]) -> list[Measurement]:
    """One table for each work, one row for each scheme.

    Raises:
        RuntimeError: Somebody did not answer.
    """
    silent = {scheme: dict(told.silent) for scheme, told in measured.items() if told.silent}
    if any(reasons for told in silent.values() for reasons in told.values()):
        raise RuntimeError(f"not everybody answered: {silent}")
    return [
        Comparison(
            f"{work}, by scheme, database {DISTANCE} ms away",
            f"`{scheme}://`",
            "ms",
            dict(told.samples[work]),
            {name: statistics.median(turns) for name, turns in told.turns[work].items()},
            goals=[Goal("turns", SCHEMES[scheme] if work == FIRST else 1, NO_TURNS)],
            note=NOTES.get(work, ""),
        )
        for work in (FIRST, AGAIN, NEW)
        for scheme, told in measured.items()
    ]


async def _measure(database: EmbeddedNeo4j, brief: bool) -> list[Measurement]:
    measured = {scheme: Measured(DISTANCE) for scheme in SCHEMES}
    with trusted_certificate() as certificate:
        await cold(database, certificate, {"bolt": Measured(DISTANCE)})  # the first process reads its files
        for _ in range(1 if brief else 5):
            await cold(database, certificate, measured)
        await warm(database, certificate, measured, 1 if brief else 5)
    return findings(measured)


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """First, repeated and new reads over each scheme."""
    return asyncio.run(_measure(database, brief))


if __name__ == "__main__":
    alone(measure, __doc__)
