"""``read-cypher``: run one reading statement."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.graph.results import Limits, ReadResult
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration
from core.values.parameters import check_parameters, check_statement

__all__ = ["READ_CYPHER"]

_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "minLength": 1,
            "description": "One Cypher statement that only reads. Write values as $parameters.",
        },
        "params": {
            "type": "object",
            "description": "The values of the statement's $parameters, by name.",
            "additionalProperties": True,
        },
        "max_rows": {
            "type": "integer",
            "minimum": 1,
            "description": "Return at most this many rows; the server's own limit still holds.",
        },
        "max_bytes": {
            "type": "integer",
            "minimum": 1,
            "description": "Return at most this many bytes of rows, as JSON; the server's own limit still holds.",
        },
        "timeout_seconds": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Stop after this many seconds; the server's own limit still holds.",
        },
    },
    "required": ["query"],
    "additionalProperties": False,
}

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "rows": {
            "type": "array",
            "items": {"type": "array"},
            "description": "One array a row, in the order of columns; values in the plain JSON of Neo4j's Query API.",
        },
        "row_count": {"type": "integer", "minimum": 0, "description": "Rows in this answer."},
        "truncated": {"type": "boolean", "description": "Whether there were more rows than are returned."},
        "hint": {"type": "string", "description": "How to ask for less, where the answer was cut."},
    },
    "required": ["columns", "rows", "row_count", "truncated"],
    "additionalProperties": False,
}


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    settings = call.settings
    statement = check_statement(arguments["query"])
    parameters = check_parameters(arguments.get("params", {}))
    limits = Limits(
        rows=min(arguments.get("max_rows", settings.max_rows), settings.max_rows),
        bytes=min(arguments.get("max_bytes", settings.max_bytes), settings.max_bytes),
    )
    deadline = call.deadline.sooner(arguments.get("timeout_seconds"))
    await call.guard.require_read(statement, parameters, deadline=deadline)
    result = await call.database.read(statement, parameters, limits=limits, deadline=deadline)
    payload: dict[str, Any] = {
        "columns": result.columns,
        "rows": result.rows,
        "row_count": len(result.rows),
        "truncated": result.cut_by is not None,
    }
    if result.cut_by is not None:
        payload["hint"] = _how_to_narrow(result, limits)
    return success(payload, settings=settings)


def _how_to_narrow(result: ReadResult, limits: Limits) -> str:
    if result.cut_by == "rows":
        return (
            f"Cut after {limits.rows} rows. Aggregate in the statement, filter more, or page with "
            "ORDER BY, SKIP and LIMIT."
        )
    if not result.rows:
        return (
            f"The first row alone exceeds the limit of {limits.bytes} bytes. Return single properties instead of whole "
            "nodes, paths or collected lists."
        )
    return (
        f"Cut after {len(result.rows)} rows, at {limits.bytes} bytes. Return fewer or smaller columns, aggregate in "
        "the statement, or page with ORDER BY, SKIP and LIMIT."
    )


READ_CYPHER = ToolDeclaration(
    name="read-cypher",
    title="Read with Cypher",
    description=(
        "Run one read-only Cypher statement against the Neo4j graph and get its rows. "
        "Call get-schema first to learn the labels, relationship types and properties. "
        "Statements that would write, or reach out of the graph, are refused."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    handler=_handle,
)
