"""Faults on the way to a database, each provoked on a real socket."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.finding import Finding, first_failure
from core.graph.reachability import REACHABILITY, reach
from local.emulators.azure.certificates import Certificates, loopback_certificates
from tests.support.sockets import certificate_for, closed_port, silent_port

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def bolt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The first half of Bolt's handshake; whatever does not begin so is hung up on, as Neo4j does without TLS."""
    if await reader.readexactly(4) != bytes.fromhex("6060b017"):
        return
    await reader.readexactly(16)
    writer.write(bytes([0, 0, 8, 5]))
    await writer.drain()
    await reader.read()


async def old_bolt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(20)
    writer.write(bytes(4))
    await writer.drain()
    await reader.read()


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(4)
    writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
    await writer.drain()
    await reader.read()


async def something_else(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 smtp ready\r\n")
    await writer.drain()
    await reader.read()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


def server_context(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return loopback_certificates(tmp_path_factory.mktemp("certificates"))


def failed_at(findings: list[Finding], link: str) -> str:
    """The whole sentence of the one link that failed; those before it hold, those behind it are not reached."""
    assert [finding.link for finding in findings] == list(REACHABILITY)
    states = [finding.state for finding in findings]
    at = REACHABILITY.index(link)
    assert states == ["ok"] * at + ["failed"] + ["not reached"] * (len(states) - at - 1)
    return findings[at].sentence()


async def test_a_server_that_speaks_bolt_is_reached() -> None:
    async with listening(bolt) as port:
        findings = await reach(f"bolt://127.0.0.1:{port}", seconds=5)
    assert first_failure(findings) is None
    assert findings[-1].says == "Bolt 5.8."


async def test_an_unknown_host() -> None:
    said = failed_at(await reach("neo4j+s://no-such-host.invalid", seconds=5), "DNS")
    assert "no-such-host.invalid is unknown" in said


async def test_a_refused_port() -> None:
    with closed_port() as port:
        said = failed_at(await reach(f"bolt://127.0.0.1:{port}", seconds=5), "TCP")
    assert "refuses the connection: nothing listens there. Start the database, or correct the port" in said


async def test_a_port_that_a_firewall_drops() -> None:
    with silent_port() as port:
        said = failed_at(await reach(f"bolt://127.0.0.1:{port}", seconds=0.3), "TCP")
    assert "does not answer within 0.3 s" in said
    assert "firewall" in said


@pytest.mark.parametrize(("scheme", "better"), [("neo4j+s", "neo4j://"), ("bolt+ssc", "bolt://")])
async def test_a_scheme_with_tls_where_the_database_has_none(scheme: str, better: str) -> None:
    async with listening(bolt) as port:
        said = failed_at(await reach(f"{scheme}://127.0.0.1:{port}", seconds=5), "TLS")
    assert "speaks Bolt without TLS" in said
    assert f"Write {better}" in said


async def test_a_scheme_without_tls_where_the_database_wants_it(certificates: Certificates) -> None:
    async with listening(bolt, server_context(certificates.server)) as port:
        said = failed_at(await reach(f"neo4j://127.0.0.1:{port}", seconds=5), "TLS")
    assert "wants TLS" in said
    assert "Write neo4j+s://" in said


async def test_a_certificate_that_no_known_authority_signed(certificates: Certificates) -> None:
    async with listening(bolt, server_context(certificates.server)) as port:
        said = failed_at(await reach(f"bolt+s://127.0.0.1:{port}", seconds=5), "TLS")
        assert "signed by no authority" in said
        assert "bolt+ssc://" in said
        assert first_failure(await reach(f"bolt+ssc://127.0.0.1:{port}", seconds=5)) is None


@pytest.mark.parametrize(
    ("name", "days", "cause"), [("graph.example.com", 7, "is for another name"), ("localhost", -1, "has expired")]
)
async def test_a_certificate_of_a_known_authority_that_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, days: int, cause: str
) -> None:
    made = certificate_for(tmp_path, name, ends=datetime.timedelta(days=days))
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    async with listening(bolt, server_context(made.server)) as port:
        said = failed_at(await reach(f"bolt+s://localhost:{port}", seconds=5), "TLS")
    assert cause in said


@pytest.mark.parametrize("scheme", ["bolt", "neo4j+s"])
async def test_the_http_port_of_neo4j(scheme: str) -> None:
    async with listening(http) as port:
        findings = await reach(f"{scheme}://127.0.0.1:{port}", seconds=5)
    failure = first_failure(findings)
    assert failure is not None
    assert (failure.link, "speaks HTTP, not Bolt" in failure.says, "7687" in failure.remedy) == ("Bolt", True, True)


@pytest.mark.parametrize("serve", [something_else, hangs_up])
async def test_a_service_that_is_no_neo4j(serve: Serve) -> None:
    async with listening(serve) as port:
        said = failed_at(await reach(f"bolt://127.0.0.1:{port}", seconds=2), "Bolt")
    assert "Bolt" in said


async def test_a_database_that_is_too_old() -> None:
    async with listening(old_bolt) as port:
        said = failed_at(await reach(f"bolt://127.0.0.1:{port}", seconds=5), "Bolt")
    assert "no version of Bolt from 4.2 on" in said
