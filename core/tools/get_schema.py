"""``get-schema``: what is in the graph."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration

__all__ = ["GET_SCHEMA"]

_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "refresh": {
            "type": "boolean",
            "description": "Read the schema anew instead of answering from memory.",
        },
    },
    "additionalProperties": False,
}

_STRINGS = {"type": "array", "items": {"type": "string"}}
_PROPERTIES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "types": {**_STRINGS, "description": "Cypher types that were found."},
            "always": {"type": "boolean", "description": "Whether all that was sampled has it."},
        },
        "required": ["name", "types", "always"],
        "additionalProperties": False,
    },
}
_COUNT = {"type": "integer", "minimum": 0}

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "nodes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "label": {"type": "string"},
                    "count": _COUNT,
                    "sampled": {**_COUNT, "description": "How many were looked at for their properties."},
                    "properties": _PROPERTIES,
                },
                "required": ["label", "count", "sampled", "properties"],
                "additionalProperties": False,
            },
        },
        "relationships": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "count": _COUNT,
                    "sampled": {**_COUNT, "description": "How many were looked at for properties and patterns."},
                    "patterns": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"from": _STRINGS, "to": _STRINGS},
                            "required": ["from", "to"],
                            "additionalProperties": False,
                        },
                        "description": "Which labels it leads from and to.",
                    },
                    "properties": _PROPERTIES,
                },
                "required": ["type", "count", "sampled", "patterns", "properties"],
                "additionalProperties": False,
            },
        },
        "indexes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "type": {"type": "string"},
                    "on": {"enum": ["node", "relationship"]},
                    "tokens": {**_STRINGS, "description": "Labels or relationship types."},
                    "properties": _STRINGS,
                    "online": {"type": "boolean"},
                    "dimensions": {"type": ["integer", "null"]},
                    "similarity": {"type": ["string", "null"]},
                },
                "required": ["name", "type", "on", "tokens", "properties", "online"],
                "additionalProperties": False,
            },
        },
        "constraints": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "type": {"type": "string"},
                    "on": {"enum": ["node", "relationship"]},
                    "tokens": _STRINGS,
                    "properties": _STRINGS,
                },
                "required": ["name", "type", "on", "tokens", "properties"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["nodes", "relationships", "indexes", "constraints"],
    "additionalProperties": False,
}


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    schema = await call.schema.get(refresh=arguments.get("refresh", False), deadline=call.deadline)
    return success(schema, untrusted=call.settings.wrap_results)


GET_SCHEMA = ToolDeclaration(
    name="get-schema",
    title="Get the graph's schema",
    description=(
        "What the Neo4j graph holds: node labels and relationship types with counts, their properties and types, "
        "which labels each relationship type connects, indexes (full-text and vector among them) and constraints. "
        "Call this before writing Cypher."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    handler=_handle,
)
