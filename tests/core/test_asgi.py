from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from core.application import Application
from core.asgi import AsgiApp, PlatformRequest, Scope
from core.http import Request, Response, plain
from core.identity.principal import LOCAL_PRINCIPAL, Principal
from core.settings import Settings
from tests.core.fixture_tools import granting, tool
from tests.core.mcp_requests import JSON, anybody, application, legacy


def scope(method: str = "POST", path: str = "/mcp", headers: Iterable[tuple[str, str]] = JSON) -> dict[str, Any]:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http", "method": method, "path": path, "headers": raw}


class Client:
    """The other side of an ASGI app: what it sends, in pieces, and what it got."""

    def __init__(self, *pieces: bytes, leaves: bool = False) -> None:
        self._pieces = list(pieces) or [b""]
        self._leaves = leaves
        self.sent: list[Any] = []
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if self._pieces:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
        if self._leaves:
            return {"type": "http.disconnect"}
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return bytes(self.sent[1]["body"])


async def test_a_body_in_pieces_is_put_together() -> None:
    body = json.dumps(legacy("tools/call", {"name": "echo", "arguments": {"text": "hi"}})).encode()
    client = Client(body[:10], body[10:30], body[30:])
    await AsgiApp(application())(scope(), client.receive, client.send)
    assert client.status == 200
    assert b'"echo":"hi"' in client.body.replace(b" ", b"") or b"hi" in client.body
    assert dict(client.sent[0]["headers"])[b"content-length"] == str(len(client.body)).encode()


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    client = Client(*[b"x" * 1000] * 1000)
    await AsgiApp(application(Settings(body_limit=1024)))(scope(), client.receive, client.send)
    assert client.status == 413
    assert client.asked < 5


async def test_a_body_that_never_comes_ends_in_408() -> None:
    client = Client(b"{")
    client._pieces = []
    await AsgiApp(application(Settings(timeout=0.1)))(scope(), client.receive, client.send)
    assert client.status == 408


async def test_the_platform_is_heard_when_a_request_arrives_not_when_it_is_whole() -> None:
    client = Client(json.dumps(legacy("ping")).encode())
    read: list[int] = []

    def told(scope: Scope) -> PlatformRequest:
        read.append(client.asked)
        return PlatformRequest("arrived")

    await AsgiApp(application(), told)(scope(), client.receive, client.send)
    assert (client.status, read) == (200, [0])


async def test_a_client_that_leaves_takes_its_call_with_it() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def wait(call: Any, arguments: Any) -> Any:
        started.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    waiting = tool("wait", wait)
    app = AsgiApp(Application(Settings(), anybody, tools=(waiting,), grant_for=granting((waiting,))))
    client = Client(json.dumps(legacy("tools/call", {"name": "wait"})).encode(), leaves=True)
    await app(scope(), client.receive, client.send)
    assert client.sent == []
    assert ended.is_set() == started.is_set()


async def test_there_is_no_lifespan_to_start() -> None:
    with pytest.raises(RuntimeError, match="serves http only, not lifespan"):
        await AsgiApp(application())({"type": "lifespan"}, Client().receive, Client().send)


async def test_header_names_reach_the_application_in_lower_case() -> None:
    seen: list[Any] = []

    async def who(request: Any) -> Any:
        seen.append(request)
        return LOCAL_PRINCIPAL

    client = Client(json.dumps(legacy("ping")).encode())
    app = AsgiApp(application(who=who))
    await app(
        scope(headers=[("Content-Type", "application/json"), ("X-A", "1"), ("x-a", "2")]), client.receive, client.send
    )
    assert client.status == 200
    assert [value for name, value in seen[0].headers if name == "x-a"] == ["1", "2"]


async def test_a_call_that_the_stopping_server_cancels_is_answered_with_503() -> None:
    body = json.dumps(legacy("tools/call", {"name": "sleep"})).encode()
    client = Client(body)
    serving = asyncio.create_task(AsgiApp(application())(scope(), client.receive, client.send))
    await asyncio.sleep(0.1)
    serving.cancel()
    await serving
    assert client.status == 503
    assert b"again" in client.body


async def test_who_proves_nothing_is_refused_before_the_body_has_arrived() -> None:
    async def stranger(request: Request) -> Principal | Response:
        return plain(401, "Who are you?")

    lines: list[dict[str, Any]] = []
    client = Client(b"{", b"x" * 1000, b"}")
    await AsgiApp(application(who=stranger, audit=lines.append))(scope(), client.receive, client.send)
    assert (client.status, client.asked) == (401, 0)
    assert [line["outcome"] for line in lines] == ["unauthenticated"]


async def test_a_request_that_does_not_arrive_and_one_whose_client_leaves_have_their_audit_lines() -> None:
    lines: list[dict[str, Any]] = []
    app = AsgiApp(application(Settings(timeout=0.05), audit=lines.append))
    late = Client()

    async def never() -> dict[str, Any]:
        await asyncio.sleep(3600)
        raise AssertionError

    await app(scope(), never, late.send)
    assert late.status == 408

    async def leaves() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    await app(scope(), leaves, Client().send)
    assert [(line["outcome"], line["principal"]["id"]) for line in lines] == [
        ("refused", "local"),
        ("cancelled", "local"),
    ]
