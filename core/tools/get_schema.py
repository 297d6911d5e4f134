"""``get-schema``: what is in the graph."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.schema.text import as_text
from core.schema.view import DETAILS, Wanted, view
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration

__all__ = ["GET_SCHEMA"]

_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "labels": {
            "type": "array",
            "items": {"type": "string", "maxLength": 1000},
            "maxItems": 500,
            "description": "Only these labels and relationship types, and what touches them.",
        },
        "pattern": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "The same by a part of the name, or a glob with * and ?. Case does not matter.",
        },
        "detail": {
            "enum": list(DETAILS),
            "description": "names: names and counts. standard: also properties, frequent patterns, indexes, "
            "constraints. full: all patterns. Unset: standard, or names where that is long.",
        },
        "refresh": {
            "type": "boolean",
            "description": "Read the schema again instead of answering from memory.",
        },
    },
    "additionalProperties": False,
}

_STRING = {"type": "string"}
_STRINGS = {"type": "array", "items": _STRING}
_COUNT = {"type": "integer"}
_FLAG = {"type": "boolean"}


def _list_of(fields: dict[str, Any], description: str | None = None) -> dict[str, Any]:
    described = {"description": description} if description else {}
    return {"type": "array", **described, "items": {"type": "object", "properties": fields}}


_PROPERTIES = _list_of(
    {
        "name": _STRING,
        "types": _STRINGS,
        "always": _FLAG,
        "required": _FLAG,
        "values": _STRINGS,
        "examples": _STRINGS,
        "vector": _COUNT,
    },
    "always: on each one of the sample; required: by a constraint; vector: how many numbers it has.",
)
_RULE = {"name": _STRING, "type": _STRING, "on": _STRING, "tokens": _STRINGS, "properties": _STRINGS}
_ENDS = _list_of({"label": _STRING, "count": _COUNT})

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "detail": {"enum": list(DETAILS)},
        "truncated": {**_FLAG, "description": "Whether this has less than was asked for."},
        "hint": _STRING,
        "notes": {**_STRINGS, "description": "What could not be found out."},
        "totals": {
            "type": "object",
            "properties": {"nodes": _COUNT, "relationships": _COUNT, "labels": _COUNT, "types": _COUNT},
            "description": "Of the whole graph.",
        },
        "nodes": _list_of(
            {
                "label": {"type": ["string", "null"], "description": "null: nodes without a label."},
                "count": _COUNT,
                "sampled": _COUNT,
                "properties": _PROPERTIES,
            },
            "Labels, the most numerous first; sampled: how many were looked at.",
        ),
        "relationships": _list_of(
            {
                "type": _STRING,
                "count": _COUNT,
                "exact": {**_FLAG, "description": "Whether patterns are all, with counts; else a sample."},
                "patterns": _list_of({"from": _STRINGS, "to": _STRINGS, "count": _COUNT}),
                "starts": _ENDS,
                "ends": _ENDS,
                "more": _COUNT,
                "sampled": _COUNT,
                "properties": {"type": "array"},
            }
        ),
        "indexes": _list_of(_RULE),
        "constraints": _list_of(_RULE),
    },
    "required": ["detail", "truncated", "totals", "nodes", "relationships"],
    "additionalProperties": False,
}


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    settings = call.settings
    schema = await call.schema.get(
        refresh=arguments.get("refresh", False), deadline=call.deadline, samples=settings.schema_samples
    )
    wanted = Wanted(frozenset(arguments.get("labels", ())), arguments.get("pattern"))
    answer = view(schema, wanted, arguments.get("detail"), limit=settings.max_bytes)
    return success(answer, settings=settings, text=as_text(answer))


GET_SCHEMA = ToolDeclaration(
    name="get-schema",
    title="Get the graph's schema",
    description=(
        "What the Neo4j graph holds: labels, relationship types, what they connect, counts, properties with types, "
        "indexes (full-text and vector among them), constraints. Call this before writing Cypher. Of a large schema it "
        "gives the names first: then ask for the labels you need."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    handler=_handle,
)
