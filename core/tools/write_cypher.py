"""``write-cypher``: change the graph by one statement, where the caller's grant allows it."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.tools.advice import advised
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration
from core.tools.rows import ROWS, WHOLE_VECTORS, limits_of, rows_answered
from core.values.parameters import check_parameters, check_statement

__all__ = ["WRITE_CYPHER"]

_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "minLength": 1,
            "description": "One Cypher statement that changes data. Write values as $parameters.",
        },
        "params": {
            "type": "object",
            "description": "The values of the statement's $parameters, by name.",
            "additionalProperties": True,
        },
        "whole_vectors": WHOLE_VECTORS,
    },
    "required": ["query"],
    "additionalProperties": False,
}

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "counters": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "What was changed, such as nodes_created; what is 0 is left out.",
        },
        **{name: {"type": schema["type"]} for name, schema in ROWS.items()},
        "truncated": {
            "type": "boolean",
            "description": "Whether rows were left out here; the changes were made in full.",
        },
    },
    "required": ["counters", "columns", "rows", "row_count", "truncated"],
    "additionalProperties": False,
}


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    settings = call.settings
    statement = check_statement(arguments["query"])
    parameters = check_parameters(arguments.get("params", {}))
    limits = limits_of(settings, arguments)
    with advised():
        await call.guard.require_data_only(statement, parameters, deadline=call.deadline)
        result = await call.database.write(statement, parameters, limits=limits, deadline=call.deadline)
    answered = await rows_answered(call, statement, parameters, result, hint=None)
    return success({"counters": result.counters, **answered}, settings=settings)


WRITE_CYPHER = ToolDeclaration(
    name="write-cypher",
    title="Write with Cypher",
    description=(
        "Change the Neo4j graph by one Cypher statement, in one transaction: all of it takes effect, or nothing. "
        "Returns what was changed. Schema and administration commands are refused."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
    ),
    handler=_handle,
)
