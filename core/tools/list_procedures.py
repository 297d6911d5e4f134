"""``list-procedures``: the procedures and functions that a reading statement may call."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.graph.results import Limits
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration

__all__ = ["LIST_PROCEDURES"]

_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {
            "enum": ["procedures", "functions"],
            "description": "What to list; procedures, which are CALLed, if left out. Functions stand in expressions.",
        },
        "pattern": {
            "type": "string",
            "minLength": 1,
            "description": "Only names that contain this text, in any letter case.",
        },
    },
    "additionalProperties": False,
}

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["procedures", "functions"]},
        "listed": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "signature": {"type": "string"},
                    "description": {"type": "string"},
                },
                "required": ["name", "signature", "description"],
                "additionalProperties": False,
            },
        },
        "not_allowed": {
            "type": "integer",
            "minimum": 0,
            "description": "How many more the database has, which this server does not let a read call.",
        },
    },
    "required": ["kind", "listed", "not_allowed"],
    "additionalProperties": False,
}

_STATEMENTS = {
    "procedures": "SHOW PROCEDURES YIELD name, signature, description RETURN name, signature, description",
    "functions": "SHOW FUNCTIONS YIELD name, signature, description RETURN name, signature, description",
}

_EVERYTHING = Limits(rows=100_000, bytes=64 * 1024 * 1024)


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    kind: str = arguments.get("kind", "procedures")
    pattern: str = arguments.get("pattern", "").lower()
    found = await call.database.read(_STATEMENTS[kind], {}, limits=_EVERYTHING, deadline=call.deadline)
    allowed = call.guard.allowed
    may_call = allowed.has_procedure if kind == "procedures" else allowed.has_function
    rows = [row for row in found.rows if pattern in row[0].lower()]
    listed = [
        {"name": name, "signature": signature, "description": description}
        for name, signature, description in sorted(rows, key=lambda row: str(row[0]).lower())
        if may_call(name)
    ]
    payload = {"kind": kind, "listed": listed, "not_allowed": len(rows) - len(listed)}
    return success(payload, settings=call.settings)


LIST_PROCEDURES = ToolDeclaration(
    name="list-procedures",
    title="List procedures and functions",
    description=(
        "The procedures and functions that the database has and that a statement given to read-cypher may call, with "
        "their signatures."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    handler=_handle,
)
