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
from core.http import BodyLate, ClientGone, Request, Response, as_asked, plain
from core.misconfigured import Misconfigured
from core.settings import Settings

__all__ = ["AsgiApp", "Message", "PlatformRequest", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PlatformRequest:
    """What a platform says about a request: its id, the deadline for its answer, and who calls, if known."""

    request_id: str
    deadline: Deadline | None = None
    platform_claims: Mapping[str, Any] = field(default_factory=dict)


class AsgiApp:
    """Serves an `Application` to any ASGI server or adapter.

    A client that goes away while its request is served cancels the work, and with it the statement in the database.
    """

    def __init__(
        self, application: Application | Misconfigured, platform: Callable[[Scope], PlatformRequest] | None = None
    ) -> None:
        """``platform`` reads from a scope what the platform says about the request; called when the request arrives."""
        self._application = application
        self._settings = application.settings if isinstance(application, Application) else Settings.model_validate({})
        self._platform = platform or (lambda scope: PlatformRequest(str(uuid.uuid4())))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request.

        Raises:
            RuntimeError: The scope is of another type; for ``lifespan`` an app says so that it has no lifespan.
        """
        if scope["type"] != "http":
            raise RuntimeError(f"this application serves http only, not {scope['type']}")
        body = _Body(receive, self._settings.body_limit, self._settings.timeout)
        request = _request(scope, body, self._platform(scope))
        work = self._application.handle(request)
        try:
            response = await _unless_gone(work, body, receive)
        except asyncio.CancelledError:
            # The ASGI server is stopping and the time for its calls is over: answer, instead of just cutting off.
            response = plain(503, "This server is stopping. Send the call again.")
        if response is not None:
            await _send(send, as_asked(response, request.method, request.headers))


class _Body:
    """The body of one request, read when it is asked for."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self.whole = asyncio.Event()

    async def read(self) -> bytes:
        """The body, cut one byte past the limit.

        Raises:
            BodyLate, ClientGone: as `Request.read`.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    body += message.get("body", b"")
                    if len(body) > self._limit:
                        # `whole` stays unset: to look out for the client's leaving would read the rest.
                        return bytes(body[: self._limit + 1])
                    if not message.get("more_body", False):
                        self.whole.set()
                        return bytes(body)
        except TimeoutError:
            raise BodyLate from None


def _request(scope: Scope, body: _Body, platform: PlatformRequest) -> Request:
    return Request(
        method=scope["method"],
        path=scope["path"],
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
        body=b"",
        arriving=body.read,
        request_id=platform.request_id,
        deadline=platform.deadline,
        platform_claims=platform.platform_claims,
    )


async def _unless_gone(work: Awaitable[Response], body: _Body, receive: Receive) -> Response | None:
    """The outcome of ``work``, or None if the client went away first; the work is then cancelled."""
    leaving = asyncio.timeout(None)
    try:
        async with leaving:
            gone = asyncio.create_task(_disconnected(body, receive, leaving))
            try:
                return await work
            finally:
                gone.cancel()
    except TimeoutError:
        if leaving.expired():
            return None
        raise


async def _disconnected(body: _Body, receive: Receive, leaving: asyncio.Timeout) -> None:
    await body.whole.wait()
    while (await receive())["type"] != "http.disconnect":
        pass
    leaving.reschedule(0)


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
