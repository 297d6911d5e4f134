"""Tools that only tests register, behind the real HTTP core."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from mcp_types import CallToolResult, TextContent, ToolAnnotations

from core.access.grant import Grant, GrantFor
from core.call import Call
from core.errors import StatementError
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration, ToolHandler


def granting(tools: Iterable[ToolDeclaration]) -> GrantFor:
    """Everyone may use every one of ``tools``."""
    grant = Grant("test", writes=True, tools=frozenset(tool.name for tool in tools))
    return lambda principal: grant


READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


def tool(name: str, handler: ToolHandler, input_schema: dict[str, Any] | None = None) -> ToolDeclaration:
    """A tool that reads and takes no arguments unless ``input_schema`` says otherwise."""
    return ToolDeclaration(
        name=name,
        title=name,
        description=f"The fixture {name}.",
        input_schema=input_schema or {"type": "object", "properties": {}, "additionalProperties": False},
        output_schema=None,
        annotations=READS,
        handler=handler,
    )


async def _echo(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    return success({"echo": arguments["text"], "principal": call.principal.id}, settings=call.settings)


async def _fail(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    raise StatementError("Neo.ClientError.Statement.SyntaxError: no", "Neo.ClientError.Statement.SyntaxError")


async def _crash(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    raise RuntimeError("canary-in-an-exception-text")


async def _sleep(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    async with call.deadline.enforced():
        await asyncio.sleep(60)
    return CallToolResult(content=[TextContent(type="text", text="awake")])


ECHO = tool(
    "echo",
    _echo,
    {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
        "additionalProperties": False,
    },
)
FIXTURE_TOOLS = (ECHO, tool("fail", _fail), tool("crash", _crash), tool("sleep", _sleep))
