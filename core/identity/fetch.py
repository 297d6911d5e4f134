"""Fetches the small documents that issuers publish, their metadata and their keys, off the event loop.

The standard library does it: its TLS context costs 25 ms at the first fetch, where an httpx2 client costs 46, and it
holds no connection pool that would be bound to one event loop, or be found broken when a frozen function wakes up.
"""

from __future__ import annotations

import asyncio
import functools
import time
import urllib.request
from collections.abc import Awaitable, Callable
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from core.identity.issuers import is_loopback

__all__ = ["Fetch", "FetchFailed", "fetch"]

TIMEOUT = 5.0
"""Seconds that one fetch may take."""

SIZE_LIMIT = 262_144
"""Bytes that a document may have."""

Fetch = Callable[[str], Awaitable[bytes]]
"""Gives what is at a URL, or raises `FetchFailed`."""


class FetchFailed(Exception):
    """The document could not be had. The text says why, without any part of an answer."""


async def fetch(url: str) -> bytes:
    """What is at ``url``: https, or http on the loopback interface; no redirect is followed.

    Raises:
        FetchFailed: It cannot be reached, does not answer 200 in time, or the document is too large.
    """
    try:
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.to_thread(_fetch, url)
    except TimeoutError:
        raise FetchFailed(f"no answer within {TIMEOUT:g} seconds") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Where keys come from is the operator's choice; an answer cannot send us elsewhere."""

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
        # A proxy is used where the environment names one, but never for what is on this machine.
        handlers.append(urllib.request.ProxyHandler())
    handlers.append(urllib.request.HTTPSHandler())
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _fetch(url: str) -> bytes:
    deadline = time.monotonic() + TIMEOUT
    parts = urlsplit(url)
    loopback = is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise FetchFailed("it is not at an https:// address")
    opener = _opener(loopback=loopback)
    request = urllib.request.Request(url, headers={"accept": "application/json", "user-agent": "neo4j-m2m"})  # noqa: S310
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            if response.status != 200:
                raise FetchFailed(f"it answered with status {response.status}")
            body = bytearray()
            while chunk := response.read1(65_536):
                body += chunk
                if len(body) > SIZE_LIMIT:
                    raise FetchFailed(f"its answer exceeds {SIZE_LIMIT} bytes")
                if time.monotonic() > deadline:
                    raise FetchFailed(f"no whole answer within {TIMEOUT:g} seconds")
            return bytes(body)
    except HTTPError as error:
        error.close()
        raise FetchFailed(f"it answered with status {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise FetchFailed(f"it cannot be reached ({type(error).__name__})") from None
