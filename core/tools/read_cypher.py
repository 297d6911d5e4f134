"""``read-cypher``: run one reading statement."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.graph.results import Limits, ReadResult
from core.tools.advice import advised
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration
from core.tools.rows import ROWS, WHOLE_VECTORS, limits_of, rows_answered
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
        "whole_vectors": WHOLE_VECTORS,
    },
    "required": ["query"],
    "additionalProperties": False,
}

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": ROWS,
    "required": ["columns", "rows", "row_count", "truncated"],
    "additionalProperties": False,
}


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    settings = call.settings
    statement = check_statement(arguments["query"])
    parameters = check_parameters(arguments.get("params", {}))
    limits = limits_of(settings, arguments)
    deadline = call.deadline.sooner(arguments.get("timeout_seconds"))
    with advised():
        await call.guard.require_read(statement, parameters, deadline=deadline)
        result = await call.database.read(statement, parameters, limits=limits, deadline=deadline)
    hint = _how_to_narrow(result, limits) if result.cut_by is not None else None
    return success(await rows_answered(call, statement, parameters, result, hint=hint), settings=settings)


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
