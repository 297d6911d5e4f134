"""``read-cypher``: run one reading statement."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.errors import InvalidArguments
from core.graph.results import Limits, ReadResult
from core.tools.advice import advised
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration
from core.tools.pages import SKIPPED, Continuation, continuation, next_cursor, position_of
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
        "max_rows": {"type": "integer", "minimum": 1, "description": "Return at most this many rows."},
        "max_bytes": {"type": "integer", "minimum": 1, "description": "Return at most this many bytes of rows."},
        "timeout_seconds": {"type": "number", "exclusiveMinimum": 0, "description": "Stop after so many seconds."},
        "whole_vectors": WHOLE_VECTORS,
        "cursor": {
            "type": "string",
            "maxLength": 200,
            "description": "next_cursor of the page before, with the same query and params.",
        },
    },
    "required": ["query"],
    "additionalProperties": False,
}
"""Limits of the server's own hold beside those of a call."""

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {**ROWS, "next_cursor": {"type": "string", "description": "Pass it as cursor for the next page."}},
    "required": ["columns", "rows", "row_count", "truncated"],
    "additionalProperties": False,
}


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    settings = call.settings
    statement = check_statement(arguments["query"])
    parameters = check_parameters(arguments.get("params", {}))
    limits = limits_of(settings, arguments)
    deadline = call.deadline.sooner(arguments.get("timeout_seconds"))
    position = position_of(call, statement, parameters, arguments["cursor"]) if "cursor" in arguments else 0
    run, given, following = statement, parameters, None
    if position:
        following = continuation(statement)
        run, given = _continued(following), {**parameters, SKIPPED: position}
    with advised():
        await call.guard.require_read(run, given, deadline=deadline)
        result = await call.database.read(run, given, limits=limits, deadline=deadline)
    cursor, hint = None, None
    if result.cut_by is not None:
        hint = _how_to_narrow(result, limits)
        following = following or continuation(statement)
        if following.statement is None:
            hint += f" There is no next_cursor, because the order of the rows is not certain: {following.reason}."
        elif result.rows:
            cursor = next_cursor(call, statement, parameters, position + len(result.rows))
    payload = await rows_answered(call, statement, parameters, result, hint=hint)
    if cursor is not None:
        payload["next_cursor"] = cursor
    return success(payload, settings=settings)


def _continued(following: Continuation) -> str:
    if following.statement is None:
        raise InvalidArguments(f"This query cannot be continued: {following.reason}.")
    return following.statement


def _how_to_narrow(result: ReadResult, limits: Limits) -> str:
    if result.cut_by == "rows":
        return (
            f"Cut after {limits.rows} rows. Aggregate or filter in the statement, or page: ORDER BY all columns, then "
            "pass next_cursor as cursor; or use SKIP and LIMIT."
        )
    if not result.rows:
        return (
            f"The first row alone exceeds the limit of {limits.bytes} bytes. Return single properties instead of whole "
            "nodes, paths or collected lists."
        )
    return (
        f"Cut after {len(result.rows)} rows, at {limits.bytes} bytes. Return fewer or smaller columns, aggregate in "
        "the statement, or page: ORDER BY all columns, then pass next_cursor as cursor; or use SKIP and LIMIT."
    )


READ_CYPHER = ToolDeclaration(
    name="read-cypher",
    title="Read with Cypher",
    description=(
        "Run one read-only Cypher statement (Cypher 5; begin with CYPHER 25 for Cypher 25) and get its rows. Call "
        "get-schema first to learn labels, relationship types and properties. Compare temporal values with date($d), "
        "datetime($t), duration($p): a string never equals one. Embeddings come as <1536 numbers> unless "
        "whole_vectors; search them with search-index. Statements that would write, or reach out of the graph, are "
        "refused."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    handler=_handle,
)
