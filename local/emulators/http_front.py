"""What every emulator here needs of ASGI: one HTTP request in, one answer out.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html .
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.asgi import Receive, Scope, Send

__all__ = [
    "OF_THE_CONNECTION",
    "Answer",
    "HttpFront",
    "body_of",
    "header_values",
    "json_answer",
]

Answer = tuple[int, Iterable[tuple[str, str]], bytes]
"""The status, the headers without those of the connection, which a front adds itself, and the body."""

OF_THE_CONNECTION = frozenset({"connection", "content-length", "keep-alive", "te", "transfer-encoding", "upgrade"})
"""Headers for the next hop only; source: RFC 9110 section 7.6.1."""


class HttpFront(ABC):
    """An ASGI app without a lifespan, which sends each answer whole."""

    @abstractmethod
    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """The answer to the request that ``scope`` describes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request.

        Raises:
            RuntimeError: The scope is not one of HTTP; for ``lifespan``, an app says so that it has none.
        """
        if scope["type"] != "http":
            raise RuntimeError(f"{type(self).__name__} serves http only, not {scope['type']}")
        status, headers, body = await self.answer(scope, receive)
        pairs = [(name, value) for name, value in headers if name.lower() not in OF_THE_CONNECTION]
        pairs.append(("content-length", str(len(body))))
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})


async def body_of(receive: Receive, largest: int) -> bytes | None:
    """The whole body of the request; None if it has more than ``largest`` bytes."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > largest:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def header_values(scope: Scope, name: str) -> list[str]:
    """Every value of the header ``name`` (lower case)."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.decode("latin-1").lower() == name]


def json_answer(status: int, document: Any, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """An answer with ``document`` as JSON; additional ``headers`` may name another type."""
    kind = {"content-type": "application/json", **dict(headers)}
    return status, kind.items(), json.dumps(document).encode()
