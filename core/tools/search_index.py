"""``search-index``: search a full-text or a vector index, without writing Cypher."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.errors import InvalidArguments
from core.graph.results import Limits
from core.schema.entries import index_entry
from core.schema.statements import INDEXES
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration
from core.tools.rows import HOW_TO_GET_WHOLE_LISTS, ROWS, limits_of
from core.values.parameters import check_parameters

__all__ = ["SEARCH_INDEX"]

_MOST = 100
_EVERY_INDEX = Limits(rows=10_000, bytes=16 * 1024 * 1024)

_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "index": {"type": "string", "minLength": 1, "description": "The index's name, as get-schema lists it."},
        "label": {
            "type": "string",
            "minLength": 1,
            "description": "Instead of a name: a label or relationship type that just one suitable index covers.",
        },
        "text": {
            "type": "string",
            "minLength": 1,
            "description": "For a full-text index: words to look for, in Lucene's query syntax (name~ forgives "
            'misspelling, "exact phrase", a AND b).',
        },
        "vector": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 1,
            "maxItems": 4096,
            "description": "For a vector index: the vector whose neighbours are wanted, of the index's dimensions.",
        },
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": _MOST,
            "description": "Return at most this many; 10 if left out.",
        },
        "whole_vectors": {
            "type": "boolean",
            "description": "Return the searched vectors, and other long lists of numbers, whole.",
        },
    },
    "additionalProperties": False,
}
"""`_check_together` checks which arguments belong together: agent platforms refuse a schema with ``anyOf`` or the like.

Source: https://learn.microsoft.com/azure/foundry/agents/how-to/tools/model-context-protocol , common errors.
"""

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "index": {"type": "string"},
        "type": {"enum": ["FULLTEXT", "VECTOR"]},
        "results": {
            "type": "array",
            "description": "The best first.",
            "items": {
                "type": "object",
                "properties": {
                    "score": {"type": "number"},
                    "node": {"type": "object"},
                    "relationship": {"type": "object"},
                },
                "required": ["score"],
            },
        },
        "truncated": {"type": "boolean", "description": "Whether results were left out because they are too large."},
        "hint": ROWS["hint"],
        "elided": ROWS["elided"],
        "left_out": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Properties that the results lack: the searched vectors.",
        },
    },
    "required": ["index", "type", "results", "truncated"],
    "additionalProperties": False,
}

# CYPHER 5 names a dialect that every supported database speaks; in 25 the vector procedures are deprecated.
_STATEMENTS = {
    ("FULLTEXT", "node"): "CYPHER 5 CALL db.index.fulltext.queryNodes($index, $sought, {limit: $limit}) "
    "YIELD node, score RETURN score, node",
    ("FULLTEXT", "relationship"): "CYPHER 5 CALL db.index.fulltext.queryRelationships($index, $sought, "
    "{limit: $limit}) YIELD relationship, score RETURN score, relationship",
    ("VECTOR", "node"): "CYPHER 5 CALL db.index.vector.queryNodes($index, $limit, $sought) "
    "YIELD node, score RETURN score, node",
    ("VECTOR", "relationship"): "CYPHER 5 CALL db.index.vector.queryRelationships($index, $limit, $sought) "
    "YIELD relationship, score RETURN score, relationship",
}


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    _check_together(arguments)
    kind = "FULLTEXT" if "text" in arguments else "VECTOR"
    sought: Any = arguments.get("text", arguments.get("vector"))
    index = await _index(call, arguments, kind)
    if kind == "VECTOR":
        _check_dimensions(index, sought)
    parameters = check_parameters({"index": index["name"], "sought": sought, "limit": arguments.get("limit", 10)})
    limits = replace(limits_of(call.settings, arguments), rows=_MOST)
    statement = _STATEMENTS[kind, index["on"]]
    found = await call.database.read(statement, parameters, limits=limits, deadline=call.deadline)
    payload: dict[str, Any] = {
        "index": index["name"],
        "type": kind,
        "results": [{"score": score, index["on"]: entity} for score, entity in found.rows],
        "truncated": found.cut_by is not None,
    }
    elided, hints = found.elided, []
    if found.cut_by is not None:
        hints.append(
            f"Cut after {len(found.rows)} results, which fill the answer. Ask for fewer with limit, or for single "
            f"properties with read-cypher: {statement.removeprefix('CYPHER 5 ').rpartition(' RETURN')[0]} RETURN …"
        )
    if kind == "VECTOR" and not limits.whole_lists:
        elided -= _leave_out(index["properties"], [entity["properties"] for _, entity in found.rows])
        payload["left_out"] = index["properties"]
    if elided:
        payload["elided"] = elided
        hints.append(HOW_TO_GET_WHOLE_LISTS)
    if hints:
        payload["hint"] = " ".join(hints)
    return success(payload, settings=call.settings)


def _leave_out(names: Iterable[str], entities: Iterable[dict[str, Any]]) -> int:
    """Remove the vectors called ``names``; returns how many of them were a text in place of a long list."""
    removed = [entity.pop(name, None) for entity in entities for name in names]
    return sum(isinstance(value, str) for value in removed)


def _check_together(arguments: dict[str, Any]) -> None:
    if ("text" in arguments) == ("vector" in arguments):
        raise InvalidArguments("search-index needs either `text` or `vector`, and not both.")
    if "index" not in arguments and "label" not in arguments:
        raise InvalidArguments("search-index needs to know where to search: give `index` or `label`.")


async def _index(call: Call, arguments: dict[str, Any], kind: str) -> dict[str, Any]:
    """The one index that the arguments mean: from the remembered schema, or else from what the database has now.

    Raises:
        InvalidArguments: There is no such index, or more than one; the text names the candidates.
    """
    name, label = arguments.get("index"), arguments.get("label")
    schema = await call.schema.get(refresh=False, deadline=call.deadline)
    suitable = _suitable(schema["indexes"], kind)
    if not _meant(suitable, name, label):
        # Only the indexes are read again: a wrong name must not make the server read the whole schema.
        rows = (await call.database.read(INDEXES, {}, limits=_EVERY_INDEX, deadline=call.deadline)).rows
        suitable = _suitable([index_entry(row) for row in rows], kind)
    meant = _meant(suitable, name, label)
    if len(meant) == 1:
        return meant[0]
    if meant:
        names = ", ".join(sorted(index["name"] for index in meant))
        raise InvalidArguments("Several indexes cover that label. Name one of them as `index`.", detail=names)
    there = ", ".join(f"{index['name']} (on {', '.join(index['tokens'])})" for index in suitable) or "none"
    what = "full-text index, which `text` searches," if kind == "FULLTEXT" else "vector index, which `vector` searches,"
    raise InvalidArguments(f"There is no {what} of that name or label; those that there are stand below.", detail=there)


def _suitable(indexes: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [index for index in indexes if index["type"] == kind]


def _meant(indexes: list[dict[str, Any]], name: str | None, label: str | None) -> list[dict[str, Any]]:
    return [
        index
        for index in indexes
        if (name is None or index["name"] == name) and (label is None or label in index["tokens"])
    ]


def _check_dimensions(index: dict[str, Any], vector: list[float]) -> None:
    dimensions = index.get("dimensions")
    if dimensions is not None and len(vector) != dimensions:
        raise InvalidArguments(
            f"vector has {len(vector)} numbers, and the index has {dimensions} dimensions. Make the "
            "vector with the model that the index was filled with."
        )


SEARCH_INDEX = ToolDeclaration(
    name="search-index",
    title="Search an index",
    description=(
        "Find nodes or relationships through a full-text index (by words, with `text`) or a vector index (by "
        "similarity, with `vector`), named by `index` or by a `label` that it covers. get-schema lists the indexes."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    handler=_handle,
)
