"""``get-schema``: what is in the graph."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
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
            "description": "Only labels and relationship types with such a name, and what touches them: a part of the "
            "name, or a glob with * and ?. Case does not matter.",
        },
        "detail": {
            "enum": list(DETAILS),
            "description": "names: names and counts. standard: also properties, the most frequent patterns, indexes "
            "and constraints. full: all patterns. Unset: standard, or names where that would be long.",
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
_COUNT = {"type": "integer", "minimum": 0}


def _closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


def _list_of(item: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": item, "description": description}


_PROPERTY = _closed(
    {
        "name": _STRING,
        "types": {**_STRINGS, "description": "Cypher types that were found."},
        "always": {"type": "boolean", "description": "Whether each one that was looked at has it; see sampled."},
    },
    {
        "required": {"const": True, "description": "A constraint makes sure that each one has it."},
        "vector": {"type": "integer", "description": "Numbers in it; answers show it as <1536 numbers> unless asked."},
        "values": {**_STRINGS, "description": "All its values, where they are few."},
        "examples": {
            **_STRINGS,
            "description": "Its values in what was looked at, where they are few; there may be more.",
        },
    },
)
_DESCRIBED = {
    "sampled": {
        **_COUNT,
        "description": "How many were looked at for their properties: all if it is count, else the first and last.",
    },
    "properties": {"type": "array", "items": _PROPERTY},
}
_ENDS = {"type": "array", "items": _closed({"label": _STRING, "count": _COUNT})}

_NODE = _closed(
    {"label": {"type": ["string", "null"], "description": "null: nodes without a label."}, "count": _COUNT}, _DESCRIBED
)
_RELATIONSHIP = _closed(
    {"type": _STRING, "count": _COUNT},
    {
        "exact": {
            "type": "boolean",
            "description": "Whether patterns are all there are, with counts; otherwise they were found in a sample, "
            "and starts and ends name every label at the ends.",
        },
        "patterns": _list_of(
            _closed(
                {
                    "from": {**_STRINGS, "description": "All labels of the start node; [] for none."},
                    "to": {**_STRINGS, "description": "All labels of the end node."},
                },
                {"count": _COUNT},
            ),
            "Which labels it leads from and to.",
        ),
        "starts": {**_ENDS, "description": "How many lead from each label."},
        "ends": {**_ENDS, "description": "How many lead to each label."},
        "more": {**_COUNT, "description": "Patterns, starts and ends that are left out here; detail=full has them."},
        **_DESCRIBED,
    },
)
_RULE = {
    "name": _STRING,
    "type": _STRING,
    "on": {"enum": ["node", "relationship"]},
    "tokens": {**_STRINGS, "description": "Labels or relationship types."},
    "properties": _STRINGS,
}
_INDEX = _closed(
    {**_RULE, "state": {"type": "string", "description": "ONLINE, POPULATING or FAILED."}},
    {
        "dimensions": {"type": "integer", "description": "Of a vector index."},
        "similarity": {"type": "string", "description": "The similarity function of a vector index."},
        "analyzer": {"type": "string", "description": "Of a full-text index."},
        "constraint": {"type": "string", "description": "The constraint that the index belongs to."},
    },
)

_OUTPUT = _closed(
    {
        "detail": {"enum": list(DETAILS), "description": "The detail of this answer."},
        "truncated": {"type": "boolean", "description": "Whether the answer has less than was asked for."},
        "totals": {
            **_closed({"nodes": _COUNT, "relationships": _COUNT, "labels": _COUNT, "types": _COUNT}),
            "description": "Of the whole graph, whatever part of it is here.",
        },
        "nodes": _list_of(_NODE, "Labels, the most numerous first."),
        "relationships": _list_of(_RELATIONSHIP, "Relationship types, the most numerous first."),
    },
    {
        "hint": {"type": "string", "description": "How to ask for what is not here."},
        "notes": {**_STRINGS, "description": "What could not be found out."},
        "indexes": {"type": "array", "items": _INDEX},
        "constraints": {"type": "array", "items": _closed(_RULE, {"property_type": _STRING})},
    },
)


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    settings = call.settings
    schema = await call.schema.get(
        refresh=arguments.get("refresh", False), deadline=call.deadline, samples=settings.schema_samples
    )
    wanted = Wanted(frozenset(arguments.get("labels", ())), arguments.get("pattern"))
    answer = view(schema, wanted, arguments.get("detail"), limit=settings.max_bytes)
    return success(answer, settings=settings)


GET_SCHEMA = ToolDeclaration(
    name="get-schema",
    title="Get the graph's schema",
    description=(
        "What the Neo4j graph holds: node labels and relationship types with counts, their properties and types, "
        "which labels each relationship type connects, indexes (full-text and vector among them) and constraints. "
        "Call this before writing Cypher. Of a large schema it gives the names first: then ask for the labels you need."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    handler=_handle,
)
