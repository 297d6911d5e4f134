"""Small HTTP requests that the server itself makes, off the event loop: for issuers' documents, and for tokens.

The standard library makes them: its TLS context costs 25 ms at the first request, an httpx2 client costs 46. It also
has no connection pool that is bound to one event loop, or that may be broken when a frozen function wakes up.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

__all__ = ["Fetch", "FetchFailed", "HttpAnswer", "fetch", "get", "is_loopback", "post_form"]

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


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine's own loopback interface, the only place where plain HTTP is safe."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


async def fetch(url: str) -> bytes:
    """The document at ``url``: https, or http on the loopback interface; no redirect is followed.

    Raises:
        FetchFailed: It cannot be reached, does not answer 200 in time, or the document is too large.
    """
    answer = await _in_time(_Asked(url))
    if answer.status != 200:
        raise FetchFailed(f"it answered with status {answer.status}")
    return answer.body


async def get(url: str, headers: Mapping[str, str]) -> HttpAnswer:
    """The answer to a GET of ``url`` (as in `fetch`) with ``headers``; only an answer with status 200 has a body.

    Raises:
        FetchFailed: It cannot be reached, does not answer in time, or the answer is too large.
    """
    return await _in_time(_Asked(url, headers=headers))


async def post_form(url: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """The answer to ``fields``, sent as a form to ``url`` (as in `fetch`), whatever its status.

    Raises:
        FetchFailed: It cannot be reached, does not answer in time, or the answer is too large.
    """
    return await _in_time(_Asked(url, urlencode(fields).encode(), headers or {}))


@dataclass(frozen=True, slots=True)
class _Asked:
    url: str
    form: bytes | None = None
    headers: Mapping[str, str] | None = None


async def _in_time(asked: _Asked) -> HttpAnswer:
    try:
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.to_thread(_ask, asked)
    except TimeoutError:
        raise FetchFailed(f"no answer within {TIMEOUT:g} seconds") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The operator chooses which host is asked; an answer cannot send this server elsewhere."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, *args: Any) -> None:
        return None


@functools.cache
def _opener(*, loopback: bool) -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _NoRedirects(),
    ]
    if loopback:
        handlers.append(urllib.request.HTTPHandler())
    else:
        # A proxy is used if the environment names one, but never for this machine itself.
        handlers.append(urllib.request.ProxyHandler())
    handlers.append(urllib.request.HTTPSHandler())
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _ask(asked: _Asked) -> HttpAnswer:
    deadline = time.monotonic() + TIMEOUT
    parts = urlsplit(asked.url)
    loopback = is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise FetchFailed("it is not at an https:// address")
    headers = {"accept": "application/json", "user-agent": "neo4j-m2m", **(asked.headers or {})}
    request = urllib.request.Request(asked.url, data=asked.form, headers=headers)  # noqa: S310
    try:
        with _opener(loopback=loopback).open(request, timeout=TIMEOUT) as response:
            return HttpAnswer(response.status, _body(response, deadline))
    except HTTPError as error:
        with error:
            # An issuer's refusal is an answer, too: its body says what is wrong.
            return HttpAnswer(error.code, _body(error, deadline) if asked.form is not None else b"")
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
    return bytes(body)
