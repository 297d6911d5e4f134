"""What this server asks of others, where the other answers as unkindly as it can."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import core.fetch
from core.credentials.credential import ClientCredentials
from core.credentials.token_endpoint import by_client_credentials
from core.errors import IssuerUnavailable, SettingsError, TokenUnavailable
from core.fetch import FetchFailed, fetch, post_form
from core.from_settings import token_door
from core.identity.keysets import KeySet
from core.settings import Settings
from databricks_app.pats import PatVerifier
from local.emulators.azure.certificates import Certificates, loopback_certificates
from tests.support.waiting import GENEROUS_SECONDS

TIMEOUT = 0.5
METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
OK = b"HTTP/1.1 200 OK\r\n"

Answer = Callable[[asyncio.StreamWriter], Any]


def whole(answer: bytes) -> Answer:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return send


def endless(begin: bytes, piece: bytes, pause: float = 0.0) -> Answer:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return send


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


HUGE: dict[str, Answer] = {
    "a body without end": endless(OK + b"\r\n", b"x" * 65536),
    "chunks without end": endless(OK + b"transfer-encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "a size that is a lie": endless(OK + b"content-length: 99999999999\r\n\r\n", b"x" * 65536),
    "headers without end": endless(OK, b"x-more: " + b"x" * 1000 + b"\r\n"),
    "a header line without end": endless(OK + b"x-more: ", b"x" * 65536),
    "a status line without end": endless(b"HTTP/1.1 200 ", b"x" * 65536),
}
SLOW: dict[str, Answer] = {
    "silence": silent,
    "a byte of its status at a time": endless(b"HTTP/1.1 200 ", b"x", 0.05),
    "a header at a time": endless(OK, b"x-more: x\r\n", 0.05),
    "a byte of its body at a time": endless(OK + b"content-length: 100000\r\n\r\n", b"x", 0.05),
}
WRONG: dict[str, Answer] = {
    "no HTTP": whole(b"\x15\x03\x01\x00\x02\x02\x28"),
    "nothing": whole(b""),
    "half of its body": whole(OK + b"content-length: 100\r\n\r\n{"),
    "interim answers without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


def redirect(status: int, where: str) -> Answer:
    return whole(f"HTTP/1.1 {status} Elsewhere\r\nlocation: {where}\r\ncontent-length: 0\r\n\r\n".encode())


class Misbehaving:
    """A server that answers every request as ``answer`` does; ``asked`` counts its connections."""

    answer: Answer
    asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self.answer(writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def inner() -> AsyncIterator[tuple[Misbehaving, str]]:
    """What only this machine can reach: nobody may be led there."""
    server = Misbehaving()
    server.answer = whole(OK + b"content-length: 15\r\n\r\n" + b'{"keys": "own"}')
    async with await asyncio.start_server(server.serve, "127.0.0.2", 0) as listening:
        yield server, f"http://127.0.0.2:{listening.sockets[0].getsockname()[1]}/"


@pytest.fixture
async def outer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Misbehaving, str]]:
    monkeypatch.setattr("core.fetch.TIMEOUT", TIMEOUT)
    server = Misbehaving()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    yield server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()


async def everyone_fails(url: str) -> None:
    """Everything that asks somebody asks ``url``, and fails with its own error."""
    client = ClientCredentials(
        kind="client_credentials", token_endpoint=url + "/token", client_id="c", client_secret=SecretStr("canary-fetch")
    )
    with pytest.raises(FetchFailed):
        await fetch(url + "/jwks")
    with pytest.raises(IssuerUnavailable):
        await KeySet(url, url + "/jwks", fetch=fetch).find("kid")
    with pytest.raises(IssuerUnavailable):
        await KeySet(url, None, fetch=fetch).find("kid")
    with pytest.raises(TokenUnavailable):
        await by_client_credentials(client)
    with pytest.raises(IssuerUnavailable):
        await PatVerifier(url).verify("dapi0123456789abcdef01234567")


async def no_thread_is_held(seconds: float = GENEROUS_SECONDS) -> None:
    """The threads that asked are free again: none waits for the rest of an answer, which would be for ever."""
    async with asyncio.timeout(seconds):
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0) for _ in range(24)))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_anywhere(
    outer: tuple[Misbehaving, str], inner: tuple[Misbehaving, str], status: int
) -> None:
    (server, url), (hidden, secret_url) = outer, inner
    for where in (secret_url, METADATA, "https://10.0.0.1/", "file:///etc/passwd", "/jwks", "//127.0.0.2/"):
        server.answer = redirect(status, where)
        await everyone_fails(url)
    assert hidden.asked == 0


@pytest.mark.parametrize("kind", [*HUGE, *SLOW, *WRONG])
async def test_an_answer_that_is_huge_slow_or_wrong_costs_little_time_and_no_thread(
    outer: tuple[Misbehaving, str], kind: str
) -> None:
    server, url = outer
    server.answer = {**HUGE, **SLOW, **WRONG}[kind]
    begun = time.monotonic()
    outcomes = await asyncio.gather(*(fetch(url + "/jwks") for _ in range(24)), return_exceptions=True)
    assert all(isinstance(outcome, FetchFailed) for outcome in outcomes)
    assert time.monotonic() - begun < GENEROUS_SECONDS
    await no_thread_is_held()


async def test_a_connection_that_opens_after_its_time_holds_no_thread(
    outer: tuple[Misbehaving, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url = outer
    server.answer = WRONG["interim answers without end"]
    look_up = socket.getaddrinfo

    def slow_name_server(*arguments: Any, **options: Any) -> Any:
        time.sleep(2 * TIMEOUT)
        return look_up(*arguments, **options)

    monkeypatch.setattr("core.fetch.socket.getaddrinfo", slow_name_server)
    outcomes = await asyncio.gather(*(fetch(url + "/jwks") for _ in range(24)), return_exceptions=True)
    assert all(isinstance(outcome, FetchFailed) for outcome in outcomes)
    await no_thread_is_held()


async def test_everyone_who_asks_gives_up_in_time(outer: tuple[Misbehaving, str]) -> None:
    server, url = outer
    server.answer = SLOW["a header at a time"]
    async with asyncio.timeout(GENEROUS_SECONDS):
        await everyone_fails(url)


async def test_a_handshake_without_end_holds_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.fetch.TIMEOUT", TIMEOUT)
    hello = b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + b"\x00"

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for byte in itertools.chain(hello, itertools.repeat(0)):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as listening:
        url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/jwks"
        outcomes = await asyncio.gather(*(fetch(url) for _ in range(24)), return_exceptions=True)
        assert all(isinstance(outcome, FetchFailed) for outcome in outcomes)
        await no_thread_is_held(seconds=5)


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Certificates]:
    yield loopback_certificates(tmp_path)
    monkeypatch.undo()
    core.fetch._opener.cache_clear()


async def test_a_certificate_must_be_of_a_trusted_authority_and_for_that_name(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, context = Misbehaving(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.answer = whole(OK + b"content-length: 2\r\n\r\n{}")
    context.load_cert_chain(certificates.server)
    async with await asyncio.start_server(server.serve, "0.0.0.0", 0, ssl=context) as listening:
        port = listening.sockets[0].getsockname()[1]
        core.fetch._opener.cache_clear()
        with pytest.raises(FetchFailed, match="cannot be reached"):
            await fetch(f"https://127.0.0.1:{port}/jwks")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
        core.fetch._opener.cache_clear()
        assert await fetch(f"https://127.0.0.1:{port}/jwks") == b"{}"
        assert (await post_form(f"https://localhost:{port}/token", {"a": "b"})).body == b"{}"
        asked = server.asked
        with pytest.raises(FetchFailed, match="cannot be reached"):
            await fetch(f"https://127.0.0.2:{port}/jwks")
        assert server.asked == asked


class Names:
    """A name server that says what it is told; ``connected`` has the addresses that were connected to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = iter(answers)
        self.connected: list[str] = []
        monkeypatch.setattr("core.fetch.socket.getaddrinfo", self.look_up)
        monkeypatch.setattr("core.fetch.socket.socket", self.opened)

    def look_up(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(self.answers)]

    def opened(self, *_: Any) -> Names:
        return self

    def settimeout(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass

    def shutdown(self, how: int) -> None:
        pass

    def connect(self, there: tuple[str, int]) -> None:
        self.connected.append(there[0])
        raise ConnectionRefusedError


@pytest.mark.parametrize(
    "addresses",
    [["169.254.169.254"], ["fe80::1"], ["93.184.216.34", "169.254.169.254"], ["127.0.0.1"], ["168.63.129.16"]],
)
async def test_a_name_that_stands_for_an_unsafe_address_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    names = Names(monkeypatch, addresses)
    with pytest.raises(FetchFailed, match=r"its (address|name)"):
        await fetch("https://issuer.example/jwks")
    assert names.connected == []


async def test_what_is_connected_to_is_what_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, ["93.184.216.34"], ["169.254.169.254"])
    with pytest.raises(FetchFailed, match="cannot be reached"):
        await fetch("https://issuer.example/jwks")
    assert names.connected == ["93.184.216.34"]


@pytest.mark.parametrize(
    "url", [METADATA, "https://169.254.169.254/", "https://[fd00:ec2::254]/", "https://2852039166/", "https://[::]/"]
)
async def test_an_unsafe_address_is_refused_however_it_is_written_and_through_a_proxy_too(
    url: str, inner: tuple[Misbehaving, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, proxy_url = inner
    monkeypatch.setenv("https_proxy", proxy_url)
    core.fetch._opener.cache_clear()
    with pytest.raises(FetchFailed):
        await fetch(url)
    assert proxy.asked == 0
    with pytest.raises(FetchFailed):
        await fetch("https://issuer.example/")
    assert proxy.asked == 1
    monkeypatch.undo()
    core.fetch._opener.cache_clear()


async def test_only_listed_hosts_are_asked_if_the_operator_lists_them(outer: tuple[Misbehaving, str]) -> None:
    server, url = outer
    server.answer = whole(OK + b"content-length: 2\r\n\r\n{}")
    assert await fetch(url, hosts=frozenset({"127.0.0.1"})) == b"{}"
    asked = server.asked
    with pytest.raises(FetchFailed, match="NEO4J_M2M_IDENTITY_HOSTS"):
        await fetch(url, hosts=frozenset({"login.example"}))
    client = ClientCredentials(
        kind="client_credentials", token_endpoint=url + "/token", client_id="c", client_secret=SecretStr("canary-fetch")
    )
    with pytest.raises(TokenUnavailable, match="NEO4J_M2M_IDENTITY_HOSTS"):
        await by_client_credentials(client, frozenset({"login.example"}))
    assert server.asked == asked


def test_the_setting_takes_names_of_hosts_only() -> None:
    read = Settings.from_environ({"NEO4J_M2M_IDENTITY_HOSTS": "Login.Example.com, *.id.example.org,127.0.0.1"})
    assert read.identity_hosts == {"login.example.com", "*.id.example.org", "127.0.0.1"}
    for wrong in ("*", "https://login.example.com", "a.*.b", "host/path", "*.*"):
        with pytest.raises(SettingsError, match="NEO4J_M2M_IDENTITY_HOSTS"):
            Settings.from_environ({"NEO4J_M2M_IDENTITY_HOSTS": wrong})


async def test_the_setting_holds_for_the_keys_of_issuers(outer: tuple[Misbehaving, str]) -> None:
    server, url = outer
    issuers = f'[[issuer]]\nname = "i"\nplatform = "oidc"\nissuer = "{url}"\naudience = "a"\n'
    door = token_door(Settings(issuers=issuers, identity_hosts=frozenset({"login.example"})))
    assert door._verifier is not None
    with pytest.raises(IssuerUnavailable):
        await door._verifier._accepted[url].keys.find("kid")
    assert server.asked == 0
