"""One HTTP request in, one response out: the messages of MCP's Streamable HTTP transport, and where it is served.

A leaf: everything else may import this module, and it imports nothing but `core.deadline`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from core.deadline import Deadline

__all__ = [
    "HEALTH_PATH",
    "JSON_HEADERS",
    "MCP_PATH",
    "REFUSED",
    "BodyLate",
    "ClientGone",
    "Request",
    "Response",
    "as_asked",
    "bearer_token",
    "plain",
]

MCP_PATH = "/mcp"
HEALTH_PATH = "/health"

JSON_HEADERS = {"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"}

REFUSED = -32010
"""The JSON-RPC error code of a request that is refused before its message is read; the HTTP status says which way.

The specification of 2026-07-28 leaves -32000 to -32019 to implementations.
"""

_INTERNAL_ERROR = -32603


class BodyLate(Exception):
    """The body of a request had not arrived whole when its time was up."""


class ClientGone(Exception):
    """The client went away before its request had arrived whole."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, as any platform can give it.

    ``headers`` are the raw pairs, names in lower case, duplicates kept: so a header that was sent twice can be noticed.
    ``body`` may end one byte past the body limit; the rest of a longer one need not be read. ``arriving`` reads it if
    it has not arrived yet, so that a caller who proves nothing is refused before that.
    ``request_id`` is the platform's id of the request; ``deadline`` comes from the platform where it has one.
    ``platform_claims`` is what the platform itself says about the request: no client can write anything there.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    request_id: str
    deadline: Deadline | None = None
    arriving: Callable[[], Awaitable[bytes]] | None = field(default=None, repr=False)
    platform_claims: Mapping[str, Any] = field(default_factory=dict, repr=False)

    async def read(self) -> bytes:
        """The body, whole or one byte past the limit.

        Raises:
            BodyLate: It had not arrived in time.
            ClientGone: The client went away before it had arrived.
        """
        return self.body if self.arriving is None else await self.arriving()

    def header(self, name: str) -> str | None:
        """The first value of the header ``name`` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; ``headers`` have lower-case names. ``reason`` says in a sentence why a request is refused."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reason: str | None = None


def bearer_token(request: Request) -> SecretStr | None:
    """The bearer token of ``request``; None if it has none."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return SecretStr(token.strip()) if scheme.lower() == "bearer" and token.strip() else None


def plain(status: int, reason: str, allow: str | None = None) -> Response:
    """A refusal with its ``reason``, as text; ``allow`` names the allowed methods. `as_asked` makes it JSON."""
    headers = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    if allow:
        headers["allow"] = allow
    return Response(status, headers, f"{reason}\n".encode(), reason)


def as_asked(response: Response, method: str, headers: Iterable[tuple[str, str]]) -> Response:
    """``response`` in the form that whoever sent ``method`` and ``headers`` (lower case) reads.

    MCP clients show their agent the message of a JSON-RPC error, whatever the HTTP status is, and hide any other body.
    So a refusal of a POST is a JSON-RPC error with the same status and headers, unless the client asks for text; people
    who use a browser or curl get a sentence. The error's id is null: a refused message is not read.
    """
    if response.reason is None or not _reads_json(method, headers):
        return response
    error = {
        "code": _INTERNAL_ERROR if response.status == 500 else REFUSED,
        "message": response.reason,
        "data": {"status": response.status},
    }
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}, ensure_ascii=False).encode()
    return replace(response, headers={**response.headers, **JSON_HEADERS}, body=body)


def _reads_json(method: str, headers: Iterable[tuple[str, str]]) -> bool:
    accepted = ",".join(value for name, value in headers if name == "accept")
    kinds = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    return method == "POST" and ("application/json" in kinds or not kinds & {"text/html", "text/plain"})
