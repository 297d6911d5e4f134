"""An application with the fixture tools, and the requests of MCP clients to it."""

from __future__ import annotations

import json
from typing import Any

from core.application import Application
from core.http import Request, Response
from core.identity.principal import LOCAL_PRINCIPAL, Principal
from core.settings import Settings
from tests.core.fixture_tools import FIXTURE_TOOLS, granting

MODERN = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
JSON = (("content-type", "application/json"), ("accept", "application/json, text/event-stream"))


async def anybody(request: Request) -> Principal | Response:
    return LOCAL_PRINCIPAL


async def nobody(request: Request) -> Principal | Response:
    return Response(401, {"www-authenticate": "Bearer"}, b"who are you?")


def application(settings: Settings | None = None, **options: Any) -> Application:
    options = {"grant_for": granting(FIXTURE_TOOLS), "tools": FIXTURE_TOOLS, **options}
    return Application(settings or Settings(timeout=5), options.pop("who", anybody), **options)


def post(message: Any, *headers: tuple[str, str], body: bytes | None = None) -> Request:
    content = json.dumps(message).encode() if body is None else body
    return Request("POST", "/mcp", (*JSON, *headers), content, "request-1")


def modern(method: str, params: dict[str, Any] | None = None, **changed: str) -> Request:
    headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
    if params and "name" in params:
        headers["mcp-name"] = params["name"]
    headers.update({name.replace("_", "-"): value for name, value in changed.items()})
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": {**(params or {}), "_meta": ENVELOPE}}
    return post(message, *headers.items())


def legacy(method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}


HI = legacy("tools/call", {"name": "echo", "arguments": {"text": "hi"}})


def parsed(response: Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    message: dict[str, Any] = json.loads(response.body)
    assert message["jsonrpc"] == "2.0"
    return message
