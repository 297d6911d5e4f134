"""Questions to this server's application in this process, without HTTP between."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from bench.bare_server import anybody
from core.application import Application
from core.http import Request
from core.settings import Settings
from local.neo4j import EmbeddedNeo4j

__all__ = ["AskTool", "asking"]

VERSION = ("mcp-protocol-version", "2025-11-25")


class AskTool(Protocol):
    """Calls a tool, or lists them all if none is named; returns the result."""

    async def __call__(self, tool: str | None, **arguments: Any) -> dict[str, Any]: ...


@asynccontextmanager
async def asking(database: EmbeddedNeo4j, *, uri: str | None = None) -> AsyncIterator[AskTool]:
    """Someone who asks about ``database``, by another address if ``uri`` is one."""
    named = {
        "NEO4J_URI": uri or database.uri,
        "NEO4J_USERNAME": database.username,
        "NEO4J_PASSWORD": database.password.get_secret_value(),
        "NEO4J_DATABASE": database.database,
    }
    application = Application(Settings.from_environ(named), anybody)

    async def ask(tool: str | None, **arguments: Any) -> dict[str, Any]:
        method, params = ("tools/list", {}) if tool is None else ("tools/call", {"name": tool, "arguments": arguments})
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        headers = (VERSION, ("content-type", "application/json"), ("host", "127.0.0.1"))
        response = await application.handle(Request("POST", "/mcp", headers, body, "bench"))
        result: dict[str, Any] = json.loads(response.body)["result"]
        if result.get("isError"):
            raise RuntimeError(f"{tool}: {result['content'][0]['text'][:300]}")
        return result

    try:
        yield ask
    finally:
        await application.close()
