"""A caller of an MCP server that costs little itself: one connection, plain JSON, and no SDK.

Each server is asked by the same caller, so that what differs is the server's.
"""

from __future__ import annotations

import base64
import http.client
import json
from types import TracebackType
from typing import Any, Self

__all__ = ["CallFailed", "McpAnswer", "McpCaller"]

_VERSION = "2025-06-18"


class CallFailed(Exception):
    """The server refused, or answered an error; the text begins with what it said."""


class McpAnswer:
    """What a request came back with: its ``result``, and the ``size`` in bytes of the body that carried it."""

    def __init__(self, result: dict[str, Any], size: int) -> None:
        self.result = result
        self.size = size

    @property
    def text(self) -> str:
        """What an agent reads of a tool's answer."""
        return "".join(str(part.get("text", "")) for part in self.result.get("content", ()))

    @property
    def failed(self) -> bool:
        return bool(self.result.get("isError"))


class McpCaller:
    """Speaks the handshake revision of MCP with the server on ``port`` of the loopback interface; not thread safe."""

    def __init__(self, port: int, credentials: tuple[str, str] | None = None, *, timeout: float = 120) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self._headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if credentials is not None:
            basic = base64.b64encode(":".join(credentials).encode()).decode()
            self._headers["authorization"] = f"Basic {basic}"

    def __enter__(self) -> Self:
        client = {"name": "bench", "version": "0"}
        try:
            self.request("initialize", {"protocolVersion": _VERSION, "capabilities": {}, "clientInfo": client})
            self._headers["mcp-protocol-version"] = _VERSION
            self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def request(self, method: str, params: dict[str, Any] | None = None) -> McpAnswer:
        """The answer to ``method``.

        Raises:
            CallFailed: There is no result.
        """
        body = self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}})
        text = body.decode()
        for line in [text] if text.startswith("{") else text.splitlines():
            message = line.removeprefix("data:").strip()
            if message.startswith("{") and "id" in (told := json.loads(message)):
                if "result" not in told:
                    raise CallFailed(str(told.get("error"))[:300])
                return McpAnswer(told["result"], len(body))
        raise CallFailed(f"no answer: {text[:300]}")

    def call(self, tool: str, **arguments: Any) -> McpAnswer:
        """The answer of ``tool``, which may be an error of the tool."""
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def read(self, tool: str, statement: str, params: dict[str, Any] | None = None) -> McpAnswer:
        """The answer of the reading tool ``tool``.

        Raises:
            CallFailed: It is an error.
        """
        answer = self.call(tool, query=statement, params=params or {})
        if answer.failed:
            raise CallFailed(answer.text[:300])
        return answer

    def _post(self, message: dict[str, Any]) -> bytes:
        body = json.dumps(message).encode()
        try:
            response = self._exchange(body)
        except (http.client.HTTPException, ConnectionError):  # a connection that was idle for long may be closed
            self._connection.close()
            response = self._exchange(body)
        body = response.read()
        if response.status >= 300:
            raise CallFailed(f"HTTP {response.status}: {body[:300].decode(errors='replace')}")
        session = response.headers.get("mcp-session-id")
        if session:
            self._headers["mcp-session-id"] = session
        return body

    def _exchange(self, body: bytes) -> http.client.HTTPResponse:
        self._connection.request("POST", "/mcp", body, self._headers)
        return self._connection.getresponse()
