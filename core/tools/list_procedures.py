"""``list-procedures``: the procedures and functions that a reading statement may call."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.graph.results import Limits
from core.tools.answer import cut, success, within_bytes
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
        "kind": {"type": "string"},
        "listed": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "signature": {"type": "string"},
                    "description": {"type": "string", "description": "Missing where the list is long."},
                },
                "required": ["name", "signature"],
            },
        },
        "not_allowed": {"type": "integer", "description": "How many more there are, which a read may not call."},
        "truncated": {"type": "boolean", "description": "Whether some that a read may call are left out."},
        "hint": {"type": "string", "description": "How to get what is left out."},
    },
    "required": ["kind", "listed", "not_allowed", "truncated"],
    "additionalProperties": False,
}

_UNASKED = 12 * 1024
"""Bytes up to which a list has descriptions: some 3,000 tokens."""

_LONGEST_TEXT = 500
"""Characters of a signature or description: plugins write what they like."""

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
        {
            "name": cut(name, _LONGEST_TEXT),
            "signature": cut(signature, _LONGEST_TEXT),
            "description": cut(description, _LONGEST_TEXT),
        }
        for name, signature, description in sorted(rows, key=lambda row: str(row[0]).lower())
        if may_call(name)
    ]
    hints = []
    if len(within_bytes(listed, _UNASKED)) < len(listed):
        listed = [{"name": entry["name"], "signature": entry["signature"]} for entry in listed]
        hints.append("The list is long, so it has no descriptions.")
    shown = within_bytes(listed, call.settings.max_bytes)
    if len(shown) < len(listed):
        hints.append(f"Of {len(listed)} only the first {len(shown)} are here.")
    payload = {
        "kind": kind,
        "listed": shown,
        "not_allowed": len(rows) - sum(may_call(row[0]) for row in rows),
        "truncated": len(shown) < len(listed),
    }
    if hints:
        payload["hint"] = " ".join([*hints, "Give a part of the name as pattern."])
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
