"""What is in the graph: labels, relationship types, properties with their types, indexes, constraints. No APOC.

Counts come from the database's count store. Properties come from a sample of each label and type, since reading every
node of a large graph would take minutes; the answer says how much was looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.call import Deadline
from core.graph.results import Limits

if TYPE_CHECKING:
    from core.graph.connection import Graph

__all__ = ["SchemaCache", "quote", "read_schema"]

_SAMPLE = 500
"""Nodes of a label, or relationships of a type, whose properties are looked at."""

_TOKENS_PER_STATEMENT = 40
"""Labels or types that are asked for in one statement; one statement for hundreds would take long to plan."""

_EVERYTHING = Limits(rows=1_000_000, bytes=64 * 1024 * 1024)

_LABELS = "CALL db.labels() YIELD label RETURN label ORDER BY label"
_TYPES = "CALL db.relationshipTypes() YIELD relationshipType AS type RETURN type ORDER BY type"
_INDEXES = """
SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, state, options
WHERE type <> 'LOOKUP'
RETURN name, type, entityType, labelsOrTypes, properties, state, options.indexConfig AS config ORDER BY name
"""
_CONSTRAINTS = """
SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties
RETURN name, type, entityType, labelsOrTypes, properties ORDER BY name
"""

# Each part answers rows of: token, count, sampled, properties, patterns.
_LABEL_PART = """
CALL () {{ MATCH (n:{token}) RETURN count(n) AS count }}
CALL () {{
  MATCH (n:{token}) WITH n LIMIT $sample
  WITH collect(n) AS sample
  CALL (sample) {{
    UNWIND sample AS n UNWIND keys(n) AS key
    WITH key, collect(DISTINCT valueType(n[key])) AS types, count(*) AS present
    RETURN collect([key, types, present]) AS properties
  }}
  RETURN size(sample) AS sampled, properties
}}
RETURN {literal} AS token, count, sampled, properties, [] AS patterns
"""
_TYPE_PART = """
CALL () {{ MATCH ()-[r:{token}]->() RETURN count(r) AS count }}
CALL () {{
  MATCH ()-[r:{token}]->() WITH r LIMIT $sample
  WITH collect(r) AS sample
  CALL (sample) {{
    UNWIND sample AS r UNWIND keys(r) AS key
    WITH key, collect(DISTINCT valueType(r[key])) AS types, count(*) AS present
    RETURN collect([key, types, present]) AS properties
  }}
  CALL (sample) {{
    UNWIND sample AS r
    WITH DISTINCT labels(startNode(r)) AS from, labels(endNode(r)) AS to
    RETURN collect([from, to]) AS patterns
  }}
  RETURN size(sample) AS sampled, properties, patterns
}}
RETURN {literal} AS token, count, sampled, properties, patterns
"""


def quote(name: str) -> str:
    """``name`` as a Cypher identifier in backticks, whatever characters it holds.

    A backtick is doubled. A backslash is written as its own ``\\u005C`` escape, since Cypher 5 decodes ``\\uXXXX``
    even inside backticks: https://neo4j.com/docs/cypher-manual/current/syntax/naming/ .
    """
    return "`" + name.replace("\\", "\\u005C").replace("`", "``") + "`"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


async def read_schema(graph: Graph, *, deadline: Deadline) -> dict[str, Any]:
    """Read the schema afresh: ``{nodes, relationships, indexes, constraints}``, as ``get-schema`` declares it.

    Raises: as `Graph.read`.
    """

    async def rows(statement: str) -> list[list[Any]]:
        result = await graph.read(statement, {"sample": _SAMPLE}, limits=_EVERYTHING, deadline=deadline)
        return result.rows

    labels = [row[0] for row in await rows(_LABELS)]
    types = [row[0] for row in await rows(_TYPES)]
    nodes = [_node_entry(row) for statement in _statements(_LABEL_PART, labels) for row in await rows(statement)]
    relationships = [
        _relationship_entry(row) for statement in _statements(_TYPE_PART, types) for row in await rows(statement)
    ]
    return {
        # A token stays known to the database after the last thing that bore it is gone: count 0 is not worth telling.
        "nodes": [entry for entry in nodes if entry["count"]],
        "relationships": [entry for entry in relationships if entry["count"]],
        "indexes": [_index_entry(row) for row in await rows(_INDEXES)],
        "constraints": [
            {"name": name, "type": kind, "on": entity.lower(), "tokens": tokens or [], "properties": properties or []}
            for name, kind, entity, tokens, properties in await rows(_CONSTRAINTS)
        ],
    }


def _statements(part: str, tokens: list[str]) -> Iterator[str]:
    for start in range(0, len(tokens), _TOKENS_PER_STATEMENT):
        some = tokens[start : start + _TOKENS_PER_STATEMENT]
        yield "\nUNION ALL\n".join(part.format(token=quote(token), literal=_literal(token)) for token in some)


def _node_entry(row: list[Any]) -> dict[str, Any]:
    token, count, sampled, properties, _ = row
    return {"label": token, "count": count, "sampled": sampled, "properties": _properties(properties, sampled)}


def _relationship_entry(row: list[Any]) -> dict[str, Any]:
    token, count, sampled, properties, patterns = row
    return {
        "type": token,
        "count": count,
        "sampled": sampled,
        "patterns": sorted(
            ({"from": sorted(start), "to": sorted(end)} for start, end in patterns),
            key=lambda pattern: (pattern["from"], pattern["to"]),
        ),
        "properties": _properties(properties, sampled),
    }


def _properties(found: list[list[Any]], sampled: int) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "types": sorted({kind.replace(" NOT NULL", "") for kind in types}),
            "always": present == sampled,
        }
        for name, types, present in sorted(found)
    ]


def _index_entry(row: list[Any]) -> dict[str, Any]:
    name, kind, entity, tokens, properties, state, config = row
    entry = {
        "name": name,
        "type": kind,
        "on": entity.lower(),
        "tokens": tokens or [],
        "properties": properties or [],
        "online": state == "ONLINE",
    }
    if kind == "VECTOR" and config:
        entry["dimensions"] = config.get("vector.dimensions")
        entry["similarity"] = config.get("vector.similarity_function")
    return entry


class SchemaCache:
    """The schema as one database user sees it, kept for a while.

    Several calls that find it stale share one reading of it.
    """

    def __init__(self, graph: Graph, ttl: float) -> None:
        self._graph = graph
        self._ttl = ttl
        self._lock = asyncio.Lock()
        self._schema: dict[str, Any] | None = None
        self._read_at = 0.0

    async def get(self, *, refresh: bool, deadline: Deadline) -> dict[str, Any]:
        """The schema, no older than the time limit; ``refresh`` reads it anew in any case.

        Raises: as `Graph.read`, and `DeadlineExceeded` if another call's reading lasts too long.
        """
        asked_at = time.monotonic()
        async with deadline.enforced(), self._lock:
            oldest = asked_at if refresh else asked_at - self._ttl
            if self._schema is None or self._read_at < oldest:
                schema = await read_schema(self._graph, deadline=deadline)
                self._schema, self._read_at = schema, time.monotonic()
            return self._schema
