"""One call of a platform's function in this process: what every ``invoke`` does before and after its event."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

__all__ = ["HEADERS", "become", "tool_call", "tool_result"]

HEADERS: Mapping[str, str] = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
"""The headers that a client sends with `tool_call`."""


def become(environ: Mapping[str, str], *, instead_of: tuple[str, ...] = ("NEO4J_",)) -> None:
    """Put ``environ`` into this process's environment, and remove other variables that begin as ``instead_of``."""
    for name in [name for name in os.environ if name.startswith(instead_of)]:
        del os.environ[name]
    os.environ.update(environ)


def tool_call(tool: str, arguments: Mapping[str, Any]) -> bytes:
    """The body of a request that calls ``tool``."""
    params = {"name": tool, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def tool_result(body: str | bytes) -> dict[str, Any]:
    """The tool's result in the body of an answer; the error that it is, or one without a text if the body has none."""
    message = json.loads(body)
    refused = [{"text": message["error"]["message"]}] if "error" in message else []
    result: dict[str, Any] = message.get("result", {"isError": True, "content": refused})
    return result
