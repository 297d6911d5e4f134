"""Small HTTP requests that the server itself makes, off the event loop: for issuers' documents, and for tokens.

The standard library makes them: its TLS context costs 25 ms at the first request, an httpx2 client costs 46. It also
has no connection pool that is bound to one event loop, or that may be broken when a frozen function wakes up.

What is asked is what the operator configured, or what an issuer's metadata says. So that neither a mistake there nor a
name server leads this server to what only it can reach: no redirect is followed, a connection is opened only to an
address that was checked (`core.addresses`), and the operator may list the hosts that may be asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

from core.addresses import Hosts, UnsafeAddress, is_listed, is_loopback, require_safe

__all__ = ["Fetch", "FetchFailed", "HttpAnswer", "fetch", "get", "post_form"]

TIMEOUT = 5.0
"""Seconds that one request may take."""

SIZE_LIMIT = 262_144
"""Maximum bytes of an answer."""

Fetch = Callable[[str], Awaitable[bytes]]
"""Fetches the document at a URL, or raises `FetchFailed`."""


class FetchFailed(Exception):
    """There is no usable answer. The text says why, and quotes no part of an answer."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer: the HTTP status and the body."""

    status: int
    body: bytes


async def fetch(url: str, *, hosts: Hosts = None) -> bytes:
    """The document at ``url``: https, or http on the loopback interface; no redirect is followed.

    ``hosts`` are those that may be asked, as in `core.addresses.is_listed`.

    Raises:
        FetchFailed: It cannot be reached or must not be asked, does not answer 200 in time, or the document is too
            large.
    """
    answer = await _in_time(_Asked(url, hosts=hosts))
    if answer.status != 200:
        raise FetchFailed(f"it answered with status {answer.status}")
    return answer.body


async def get(url: str, headers: Mapping[str, str]) -> HttpAnswer:
    """The answer to a GET of ``url`` (as in `fetch`) with ``headers``; only an answer with status 200 has a body.

    Raises:
        FetchFailed: It cannot be reached, does not answer in time, or the answer is too large.
    """
    return await _in_time(_Asked(url, headers=headers))


async def post_form(
    url: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None, *, hosts: Hosts = None
) -> HttpAnswer:
    """The answer to ``fields``, sent as a form to ``url`` (as in `fetch`), whatever its status.

    Raises:
        FetchFailed: It cannot be reached or must not be asked, does not answer in time, or the answer is too large.
    """
    return await _in_time(_Asked(url, urlencode(fields).encode(), headers or {}, hosts=hosts))


class _Line:
    """The connection of one request, which can be cut from another thread, also before it is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._was_cut = False

    def hold(self, connection: socket.socket) -> None:
        """From now on `cut` cuts ``connection``.

        Raises:
            TimeoutError: `cut` was called already: nobody waits for this connection.
        """
        with self._lock:
            self._socket = connection
            if self._was_cut:
                raise TimeoutError

    def cut(self) -> None:
        """Let the thread that waits for an answer go on: it must not wait for a server that sends a byte a second."""
        with self._lock:
            self._was_cut = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class _Asked:
    url: str
    form: bytes | None = None
    headers: Mapping[str, str] | None = None
    hosts: Hosts = None
    line: _Line = field(default_factory=_Line)


async def _in_time(asked: _Asked) -> HttpAnswer:
    try:
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.to_thread(_ask, asked)
    except TimeoutError:
        raise FetchFailed(f"no answer within {TIMEOUT:g} seconds") from None
    finally:
        asked.line.cut()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The operator chooses which host is asked; an answer cannot send this server elsewhere."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, *args: Any) -> None:
        return None


class _Request(urllib.request.Request):
    def __init__(self, asked: _Asked) -> None:
        headers = {"accept": "application/json", "user-agent": "neo4j-m2m", **(asked.headers or {})}
        super().__init__(asked.url, data=asked.form, headers=headers)
        self.line = asked.line
        self.there = urlsplit(asked.url)

    @property
    def through_proxy(self) -> bool:
        """Whether a proxy is asked to connect; then it is the proxy that looks up the name."""
        return self.host != self.there.netloc


def _connected(request: _Request, address: tuple[str, int], timeout: float, *_source: object) -> socket.socket:
    """A connection to ``address``, after each address that its name stands for was checked."""
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    if not request.through_proxy:
        for *_, there in found:
            require_safe(request.there.hostname or "", str(there[0]))
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, there in found:
        connection = socket.socket(family, kind, protocol)
        try:
            request.line.hold(connection)
            connection.settimeout(timeout)
            connection.connect(there)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


class _Plain(HTTPConnection):
    def __init__(self, host: str, *, request: _Request, **options: Any) -> None:
        super().__init__(host, **options)
        self._create_connection = functools.partial(_connected, request)


class _Secure(HTTPSConnection):
    def __init__(self, host: str, *, request: _Request, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(host, context=context, **options)
        self._create_connection = functools.partial(_connected, request)
        self._tls, self._name, self._line = context, request.there.hostname, request.line

    def connect(self) -> None:
        """As the standard library's, but the handshake can be cut, too."""
        HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name, do_handshake_on_connect=False)
        self._line.hold(self.sock)
        self.sock.do_handshake()


class _PlainHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Open the connection of a `_Request`."""
        return self.do_open(functools.partial(_Plain, request=req), req)  # type: ignore[arg-type]


class _SecureHandler(urllib.request.HTTPSHandler):
    def __init__(self) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(context=self._tls)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Open the connection of a `_Request`."""
        return self.do_open(functools.partial(_Secure, request=req, context=self._tls), req)  # type: ignore[arg-type]


@functools.cache
def _opener(*, loopback: bool) -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _NoRedirects(),
        _SecureHandler(),
    ]
    if not loopback:
        # A proxy is used if the environment names one, but never for this machine itself.
        handlers.append(urllib.request.ProxyHandler())
    handlers.append(_PlainHandler())
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _ask(asked: _Asked) -> HttpAnswer:
    deadline = time.monotonic() + TIMEOUT
    parts = urlsplit(asked.url)
    host = parts.hostname or ""
    loopback = is_loopback(host)
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise FetchFailed("it is not at an https:// address")
    if not is_listed(host, asked.hosts):
        raise FetchFailed("its host is not in NEO4J_M2M_IDENTITY_HOSTS")
    try:
        require_safe(host, host)
        with _opener(loopback=loopback).open(_Request(asked), timeout=TIMEOUT) as response:
            return HttpAnswer(response.status, _body(response, deadline))
    except HTTPError as error:
        with error:
            # An issuer's refusal is an answer, too: its body says what is wrong.
            return HttpAnswer(error.code, _body(error, deadline) if asked.form is not None else b"")
    except UnsafeAddress as error:
        raise FetchFailed(str(error)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise FetchFailed(f"it cannot be reached ({type(error).__name__})") from None


def _body(response: HTTPResponse | HTTPError, deadline: float) -> bytes:
    body = bytearray()
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > SIZE_LIMIT:
            raise FetchFailed(f"its answer exceeds {SIZE_LIMIT} bytes")
        if time.monotonic() > deadline:
            raise FetchFailed(f"no whole answer within {TIMEOUT:g} seconds")
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and len(body) < int(declared):
        raise FetchFailed("its answer is not whole")
    return bytes(body)
