"""Where the way to a database ends, link by link: name, TCP, TLS, Bolt. For the operator, never for a caller.

The driver says ``ServiceUnavailable`` for all of it. Here each step is taken apart from the others, with the bytes that
the driver would send first, so that a wrong port, a wrong scheme and a server that is down are told apart.

Sources: https://neo4j.com/docs/bolt/current/bolt/handshake/ (magic, versions),
https://neo4j.com/docs/python-manual/current/connect-advanced/ (schemes), RFC 8446 section 5.1 (TLS records).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.finding import Finding, with_rest

__all__ = ["REACHABILITY", "reach"]

REACHABILITY = ("DNS", "TCP", "TLS", "Bolt")
"""The links that `reach` looks at, in their order."""

BOLT_PORT = 7687

_GREETING = bytes.fromhex("6060b01700080805000204040000000000000000")
"""Bolt's magic number, then the versions 5.0 to 5.8 and 4.2 to 4.4."""

_TLS_ALERT = b"\x15\x03"
_NO_VERSION = bytes(4)

_SELF_SIGNED = (18, 19, 20, 21)
_EXPIRED = 10
_WRONG_NAME = (62, 64)
"""Verification errors: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/ ."""


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    seconds: float

    @property
    def secure(self) -> bool:
        return "+" in self.scheme

    @property
    def base(self) -> str:
        return self.scheme.partition("+")[0]

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


async def reach(uri: str, *, seconds: float) -> list[Finding]:
    """What is found at each of `REACHABILITY` on the way to ``uri``; each step may take ``seconds``.

    Nothing is logged in. Never raises for what a network can do.
    """
    parts = urlsplit(uri)
    target = _Target(parts.scheme, parts.hostname or "", parts.port or BOLT_PORT, seconds)
    findings: list[Finding] = []
    for step in (_resolve, _connect, _speak):
        found = await step(target)
        findings += found
        if any(finding.state == "failed" for finding in found):
            break
    return with_rest(findings, REACHABILITY)


async def _resolve(target: _Target) -> list[Finding]:
    try:
        async with asyncio.timeout(target.seconds):
            found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return [_failed("DNS", f"The name {target.host} was not resolved within {target.seconds:g} s.", _LOOK_AT_DNS)]
    except (OSError, UnicodeError):
        return [_failed("DNS", f"The host {target.host} is unknown: its name cannot be resolved.", _LOOK_AT_HOST)]
    addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
    return [Finding("DNS", "ok", f"{target.host} is {', '.join(addresses[:3])}.")]


_LOOK_AT_HOST = (
    "Correct the host in NEO4J_URI or in the secret. The name of an Aura instance that was deleted is gone; a private "
    "name needs this server in the network that knows it."
)
_LOOK_AT_DNS = "Look at the name server of this server's network."


async def _connect(target: _Target) -> list[Finding]:
    try:
        _, writer = await _opened(target)
    except TimeoutError:
        return [
            _failed(
                "TCP",
                f"{target.address} does not answer within {target.seconds:g} s.",
                "A firewall or security group drops the packets, or the route is missing: open the way out of this "
                "server's network to that port. A paused Aura instance has to be resumed.",
            )
        ]
    except ConnectionRefusedError:
        return [
            _failed(
                "TCP",
                f"{target.address} refuses the connection: nothing listens there.",
                f"Start the database, or correct the port (Bolt's is {BOLT_PORT}).",
            )
        ]
    except OSError as error:
        why = error.strerror or type(error).__name__
        return [_failed("TCP", f"{target.address} cannot be reached: {why}.", "Look at this server's network.")]
    await _close(writer)
    return [Finding("TCP", "ok", f"{target.address} accepts connections.")]


async def _speak(target: _Target) -> list[Finding]:
    return await (_speak_tls(target) if target.secure else _speak_plainly(target))


async def _speak_tls(target: _Target) -> list[Finding]:
    context = _context(verified=target.scheme.endswith("+s"))
    try:
        said = await _greeted(target, context)
    except ssl.SSLCertVerificationError as error:
        return [_failed("TLS", *_bad_certificate(target, error))]
    except (OSError, TimeoutError):
        return [await _no_tls(target)]
    tls = Finding("TLS", "ok", "The certificate holds." if target.scheme.endswith("+s") else "TLS, not verified.")
    return [tls, _bolt(target, said)]


async def _speak_plainly(target: _Target) -> list[Finding]:
    try:
        said = await _greeted(target, None)
    except (OSError, TimeoutError):
        said = b""
    if said[:2] == _TLS_ALERT or (not said and await _speaks_tls(target)):
        return [
            _failed(
                "TLS",
                f"{target.address} wants TLS, and the scheme {target.scheme}:// sends none.",
                f"Write {target.base}+s:// (or {target.base}+ssc:// for a certificate that no authority has signed).",
            )
        ]
    return [Finding("TLS", "ok", "None, as the scheme says."), _bolt(target, said)]


def _bolt(target: _Target, said: bytes) -> Finding:
    if said.startswith(b"HTTP"):
        return _failed(
            "Bolt",
            f"{target.address} speaks HTTP, not Bolt.",
            f"Write Bolt's port, which is {BOLT_PORT} unless it was changed; 7474 and 7473 are Neo4j's HTTP ports.",
        )
    if len(said) < len(_NO_VERSION):
        return _failed(
            "Bolt",
            f"{target.address} does not answer as Bolt does: it is another service, or Neo4j has not started yet.",
            f"Correct host and port in NEO4J_URI or in the secret (Bolt's port is {BOLT_PORT}).",
        )
    if said == _NO_VERSION:
        return _failed(
            "Bolt",
            f"{target.address} speaks no version of Bolt from 4.2 on.",
            "Use Neo4j 4.4 or newer; if it is newer than this server, update this server.",
        )
    if said[:2] != _NO_VERSION[:2]:
        return _failed("Bolt", f"{target.address} answers, but not in Bolt.", f"Bolt's port is {BOLT_PORT}.")
    return Finding("Bolt", "ok", f"Bolt {said[3]}.{said[2]}.")


def _bad_certificate(target: _Target, error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    if error.verify_code in _SELF_SIGNED:
        return (
            f"The certificate of {target.address} is signed by no authority that this server knows.",
            f"Give the database a certificate of a public authority, or write {target.base}+ssc:// to accept any "
            "certificate (then whoever is in between can read along).",
        )
    if error.verify_code in _WRONG_NAME:
        return (
            f"The certificate of {target.address} is for another name.",
            "Write the host as the certificate names it.",
        )
    if error.verify_code == _EXPIRED:
        return f"The certificate of {target.address} has expired.", "Renew it, and look at this server's clock."
    return f"The certificate of {target.address} does not hold: {error.verify_message}.", "Renew it."


async def _no_tls(target: _Target) -> Finding:
    try:
        said = await _greeted(target, None)
    except (OSError, TimeoutError):
        said = b""
    if _bolt(target, said).state == "ok":
        return _failed(
            "TLS",
            f"{target.address} speaks Bolt without TLS, and the scheme {target.scheme}:// wants TLS.",
            f"Write {target.base}:// for a database on this machine or in a private network, or turn on TLS in the "
            "database (server.bolt.tls_level).",
        )
    if said.startswith(b"HTTP"):
        return _bolt(target, said)
    return _failed("TLS", f"{target.address} does not answer as TLS does.", f"Correct the port: Bolt's is {BOLT_PORT}.")


async def _speaks_tls(target: _Target) -> bool:
    try:
        _, writer = await _opened(target, _context(verified=False))
    except (OSError, TimeoutError):
        return False
    await _close(writer)
    return True


async def _greeted(target: _Target, context: ssl.SSLContext | None) -> bytes:
    """The first four bytes of the answer to Bolt's greeting; fewer if the other side closes before."""
    reader, writer = await _opened(target, context)
    try:
        async with asyncio.timeout(target.seconds):
            writer.write(_GREETING)
            await writer.drain()
            return await reader.readexactly(len(_NO_VERSION))
    except asyncio.IncompleteReadError as error:
        return error.partial
    finally:
        await _close(writer)


async def _opened(
    target: _Target, context: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(target.seconds):
        name = target.host if context is not None else None
        return await asyncio.open_connection(target.host, target.port, ssl=context, server_hostname=name)


async def _close(writer: asyncio.StreamWriter) -> None:
    # Aborted, not closed: the other side may be in the middle of a handshake that nobody wants to finish.
    writer.transport.abort()


def _context(*, verified: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _failed(link: str, says: str, remedy: str) -> Finding:
    return Finding(link, "failed", says, remedy)
