"""Serves the HTTP core on the loopback interface with the fixture tools that the conformance suite calls.

The door is the one of ``serve``: the real `Application` and `AsgiApp`, the loopback host names, uvicorn. Only the tools
are others. What each must answer stands in the suite's own description of the scenario.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import mcp_types as types
import uvicorn
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, EmbeddedResource, TextContent, TextResourceContents

from cli.access import local_principal
from cli.serve import LOOPBACK_NAMES
from core.application import Application
from core.asgi import AsgiApp
from core.call import Call
from core.errors import StatementError
from core.settings import Settings
from core.tools.declaration import ToolDeclaration
from tests.core.fixture_tools import granting, tool

SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


HEADER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    "required": ["region"],
    "additionalProperties": False,
}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png() -> str:
    """A picture of one red pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\x00\x00")
    content = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    return base64.b64encode(content).decode()


def _wav() -> str:
    """One sample of silence."""
    form = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    content = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", 1) + b"\x80\x00"
    return base64.b64encode(b"RIFF" + struct.pack("<I", len(content)) + content).decode()


def _answers(name: str, *content: types.ContentBlock) -> ToolDeclaration:
    async def handler(call: Call, arguments: dict[str, Any]) -> CallToolResult:
        return CallToolResult(content=list(content))

    return tool(name, handler)


async def _error(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    raise StatementError("This tool intentionally returns an error for testing", "Neo.ClientError.Statement.Test")


async def _missing_capability(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    raise MCPError(
        code=types.MISSING_REQUIRED_CLIENT_CAPABILITY,
        message="This tool needs the client's sampling",
        data={"requiredCapabilities": {"sampling": {}}},
    )


async def _ok(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text="ok")])


def _resource(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


_IMAGE = types.ImageContent(type="image", data=_png(), mime_type="image/png")

TOOLS = (
    _answers("test_simple_text", TextContent(type="text", text="This is a simple text response for testing.")),
    _answers("test_image_content", _IMAGE),
    _answers("test_audio_content", types.AudioContent(type="audio", data=_wav(), mime_type="audio/wav")),
    _answers(
        "test_embedded_resource",
        _resource("test://embedded-resource", "text/plain", "This is an embedded resource content."),
    ),
    _answers(
        "test_multiple_content_types",
        TextContent(type="text", text="Multiple content types test:"),
        _IMAGE,
        _resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ),
    tool("test_error_handling", _error),
    tool("test_missing_capability", _missing_capability),
    tool("json_schema_2020_12_tool", _ok, SCHEMA_2020_12),
    tool("test_headers", _ok, HEADER_SCHEMA),
    # The suite calls these two to see that nothing but the answer comes back, which is all that this server can send.
    tool("test_logging_tool", _ok),
    tool("test_streaming_elicitation", _ok),
)


async def _no_prompts(context: object, params: object) -> types.ListPromptsResult:
    return types.ListPromptsResult(prompts=[], ttl_ms=1000, cache_scope="private")


async def _no_resources(context: object, params: object) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=[], ttl_ms=1000, cache_scope="private")


async def _no_templates(context: object, params: object) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(resource_templates=[], ttl_ms=1000, cache_scope="private")


def build_app() -> AsgiApp:
    """The application under test. It has no database: no fixture tool asks for one.

    The scenario on caching asks for prompts and resources as well as tools, in one verdict; empty lists of both let it
    judge the hints on ``tools/list``, which are the product's own.
    """
    application = Application(
        Settings(), local_principal, tools=TOOLS, grant_for=granting(TOOLS), allowed_hosts=LOOPBACK_NAMES
    )
    add = application.server.add_request_handler
    add("prompts/list", types.PaginatedRequestParams, _no_prompts)
    add("resources/list", types.PaginatedRequestParams, _no_resources)
    add("resources/templates/list", types.PaginatedRequestParams, _no_templates)
    return AsgiApp(application)


def build_server(port: int) -> uvicorn.Server:
    """A uvicorn server of the application on ``port`` of the loopback interface."""
    return uvicorn.Server(uvicorn.Config(build_app(), host="127.0.0.1", port=port, lifespan="off", log_level="warning"))
