"""The application as a plain ASGI app, without a lifespan: nothing has to be started before the first request.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html .
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from core.application import Application
from core.deadline import Deadline
from core.http import Request, Response, plain

__all__ = ["AsgiApp", "PlatformRequest", "Scope"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PlatformRequest:
    """What a platform says of a request: its id, until when it has to be answered, and who calls, if it knows."""

    request_id: str
    deadline: Deadline | None = None
    platform_claims: Mapping[str, Any] = field(default_factory=dict)


class AsgiApp:
    """Serves an `Application` to any ASGI server or adapter.

    A client that goes away while its request is served cancels the work, and with it the statement in the database.
    """

    def __init__(self, application: Application, platform: Callable[[Scope], PlatformRequest] | None = None) -> None:
        """``platform`` finds in a scope what the platform says of the request; it is asked when that arrives."""
        self._application = application
        self._platform = platform or (lambda scope: PlatformRequest(str(uuid.uuid4())))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request.

        Raises:
            RuntimeError: The scope is of another type; for ``lifespan`` that is how an app says that it has none.
        """
        if scope["type"] != "http":
            raise RuntimeError(f"this application serves http only, not {scope['type']}")
        settings = self._application.settings
        platform = self._platform(scope)
        try:
            async with asyncio.timeout(settings.timeout):
                body = await _read_body(receive, settings.body_limit)
        except TimeoutError:
            await _send(send, plain(408, f"The request had not arrived whole after {settings.timeout:g} seconds."))
            return
        if body is None:
            return
        work = self._application.handle(_request(scope, body, platform))
        # While an oversized body still arrives, looking out for the client's leaving would read it to its end.
        try:
            response = await (work if len(body) > settings.body_limit else _unless_gone(work, receive))
        except asyncio.CancelledError:
            # The ASGI server stops and has given its calls their time; the client is platform instead of cut off.
            response = plain(503, "This server is stopping. Send the call again.")
        if response is not None:
            await _send(send, response)


def _request(scope: Scope, body: bytes, platform: PlatformRequest) -> Request:
    return Request(
        method=scope["method"],
        path=scope["path"],
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body,
        request_id=platform.request_id,
        deadline=platform.deadline,
        platform_claims=platform.platform_claims,
    )


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """The body, cut one byte past ``limit``; None if the client went away before it was whole."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            return bytes(body[: limit + 1])
        if not message.get("more_body", False):
            return bytes(body)


async def _unless_gone(work: Awaitable[Response], receive: Receive) -> Response | None:
    """The outcome of ``work``, or None if the client went away first; the work is cancelled then."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, response: Response) -> None:
    headers = {**response.headers, "content-length": str(len(response.body))}
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": response.body})
