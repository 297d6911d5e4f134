"""The proxy in front of an app, as real HTTP: it wants a token of the workspace, and says in headers who calls.

What is documented is done as documented. What is not can be switched: what becomes of such headers as a client sent
itself, whether the client's token is handed on, whether personal access tokens are admitted. Whether the real proxy
lets anybody read the metadata by which clients find the workspace's tokens is not documented; this one does.

Source: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/http-headers .
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

import httpx2

from core.identity.resource_metadata import WELL_KNOWN, challenge
from local.databricks.workspace import ApiError, Workspace

__all__ = ["AppsProxy"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_Headers = list[tuple[bytes, bytes]]

_SECONDS = 120.0
_OWN = (b"x-real-ip", b"x-request-id")
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"upgrade", b"te"})


class AppsProxy:
    """The proxy of the app at ``app_url``, for whoever is in ``can_use``; it may be changed while it serves.

    ``spoofed`` is what becomes of forwarded headers that a client sent: ``strip`` takes them away, ``append`` puts the
    proxy's own behind them. ``user_authorization`` hands on the token of a caller as ``X-Forwarded-Access-Token``.
    """

    def __init__(
        self,
        workspace: Workspace,
        app_url: str,
        can_use: set[str],
        *,
        spoofed: Literal["strip", "append"] = "strip",
        hands_on_authorization: bool = True,
        user_authorization: bool = False,
        admits_pats: bool = True,
    ) -> None:
        self.app_url = app_url
        self.can_use = can_use
        self.spoofed = spoofed
        self.hands_on_authorization = hands_on_authorization
        self.user_authorization = user_authorization
        self.admits_pats = admits_pats
        self._workspace = workspace

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request.

        Raises:
            RuntimeError: The scope is not one of HTTP; for ``lifespan`` that says that there is none.
        """
        if scope["type"] != "http":
            raise RuntimeError(f"the proxy of an app serves http only, not {scope['type']}")
        status, headers, body = await self._answer(scope, receive)
        headers = [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive) -> tuple[int, _Headers, bytes]:
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        headers: _Headers = [(name.lower(), value) for name, value in scope["headers"]]
        host = next((value for name, value in headers if name == b"host"), b"localhost")
        token = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
        caller = None
        if not scope["path"].startswith(WELL_KNOWN):
            try:
                caller = self._caller(token)
            except ApiError:
                metadata = f"http://{host.decode('latin-1')}{WELL_KNOWN}/mcp"
                said = (b"www-authenticate", challenge(resource_metadata=metadata).encode("latin-1"))
                return 401, [said, (b"content-type", b"text/plain")], b"Unauthorized\n"
            if caller not in self.can_use:
                return 403, [(b"content-type", b"text/plain")], b"Forbidden\n"
        sent = self._forwarded(headers, host, caller, token)
        return await self._pass_on(scope, sent, bytes(body))

    def _caller(self, token: list[str]) -> str:
        if len(token) != 1 or (not self.admits_pats and token[0].lower().startswith("bearer dapi")):
            raise ApiError(401, "UNAUTHENTICATED", "There is no token.")
        return self._workspace.caller(token[0])

    def _forwarded(self, headers: _Headers, host: bytes, caller: str | None, token: list[str]) -> _Headers:
        """The headers that the app gets."""
        gone = {b"host"} | _HOP_BY_HOP | (set() if self.hands_on_authorization else {b"authorization"})
        kept = [(name, value) for name, value in headers if name not in gone]
        if self.spoofed == "strip":
            kept = [(name, value) for name, value in kept if name not in _OWN and not name.startswith(b"x-forwarded-")]
        said = {"x-forwarded-host": host.decode("latin-1"), "x-real-ip": "127.0.0.1", "x-request-id": str(uuid.uuid4())}
        if caller is not None:
            said["x-forwarded-user"] = f"{uuid.uuid5(uuid.NAMESPACE_URL, caller).int % 10**16}@{self._workspace.id}"
            said["x-forwarded-preferred-username"] = caller
            if self._workspace.is_user(caller):
                said["x-forwarded-email"] = caller
            if self.user_authorization:
                said["x-forwarded-access-token"] = token[0].partition(" ")[2]
        return [*kept, *((name.encode(), value.encode("latin-1")) for name, value in said.items())]

    async def _pass_on(
        self, scope: MutableMapping[str, Any], headers: _Headers, body: bytes
    ) -> tuple[int, _Headers, bytes]:
        path = scope["raw_path"].decode("ascii")
        query = scope["query_string"].decode("ascii")
        url = f"{self.app_url}{path}{'?' + query if query else ''}"
        try:
            async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=_SECONDS) as client:
                # What httpx2 adds to a request on its own would not be the client's.
                client.headers.clear()
                response = await client.request(scope["method"], url, headers=headers, content=body or None)
        except httpx2.TimeoutException:
            return 504, [(b"content-type", b"text/plain")], b"upstream request timeout\n"
        except httpx2.HTTPError:
            return 502, [(b"content-type", b"text/plain")], b"App Not Available\n"
        return response.status_code, list(response.headers.raw), response.content
