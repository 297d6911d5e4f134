"""The statements that read a schema: their text, and how names get into it. They run on Neo4j 5.26 and later.

Names of labels and types stand in the text, several of them joined by ``|``: such a statement is planned once for
hundreds of names, uses the token index or the count store, and works in every version. The language is fixed to
Cypher 5, so that the answers do not change with the database's default language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "CENSUS",
    "CONSTRAINTS",
    "COUNTS_BY_END",
    "INDEXES",
    "LABELS",
    "LABELS_READ",
    "NAMES",
    "NODES",
    "RELATIONSHIPS",
    "TYPES",
    "TYPES_READ",
    "UNLABELLED",
    "VERSIONS",
    "Entity",
    "all_at_once",
    "any_of",
    "listed_counts",
    "patterns_of",
    "quote",
    "sample_of_patterns",
]

LABELS = "CYPHER 5 CALL db.labels() YIELD label RETURN label"
TYPES = "CYPHER 5 CALL db.relationshipTypes() YIELD relationshipType AS type RETURN type"
NAMES = """CYPHER 5
CALL db.labels() YIELD label RETURN 'label' AS kind, collect(label)[..5000] AS names
UNION ALL CALL db.relationshipTypes() YIELD relationshipType AS type
RETURN 'type' AS kind, collect(type)[..5000] AS names
UNION ALL CALL db.propertyKeys() YIELD propertyKey AS key
RETURN 'property' AS kind, collect(key)[..5000] AS names
"""
"""The names of labels, types and properties, some that have no members any more among them."""
VERSIONS = "CYPHER 5 CALL dbms.components() YIELD name, versions WITH name, versions WHERE name = 'Neo4j Kernel' "
VERSIONS += "RETURN versions[0] AS version"

CENSUS = """CYPHER 5
CALL () { CALL db.labels() YIELD label RETURN collect(label) AS labels }
CALL () { CALL db.relationshipTypes() YIELD relationshipType RETURN collect(relationshipType) AS types }
CALL db.stats.retrieve('GRAPH COUNTS') YIELD data
RETURN labels, types, [n IN data.nodes | [n.label, n.count]] AS nodes,
  [r IN data.relationships
   WHERE size(data.relationships) <= $most OR (r.startLabel IS NULL AND r.endLabel IS NULL)
   | [r.relationshipType, r.startLabel, r.endLabel, r.count]] AS relationships,
  size(data.relationships) <= $most AS whole
"""
"""All names and all of the count store in one answer; without counts by label of the ends where they are more than
``$most``. Enterprise keeps this procedure for administrators.

Source: https://neo4j.com/docs/operations-manual/current/procedures/#procedure_db_stats_retrieve
"""

COUNTS_BY_END = """CYPHER 5
CALL db.stats.retrieve('GRAPH COUNTS') YIELD data
UNWIND data.relationships AS r
WITH r WHERE r.relationshipType IN $types AND (r.startLabel IS NOT NULL OR r.endLabel IS NOT NULL)
RETURN r.relationshipType AS type, r.startLabel AS start, r.endLabel AS end, r.count AS count
"""

INDEXES = """CYPHER 5
SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, state, options, owningConstraint
WHERE type <> 'LOOKUP'
RETURN name, type, entityType, labelsOrTypes, properties, state, options.indexConfig AS config, owningConstraint
ORDER BY name
"""
CONSTRAINTS = """CYPHER 5
SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties, propertyType
RETURN name, type, entityType, labelsOrTypes, properties, propertyType ORDER BY name
"""

LABELS_READ = "CYPHER 5 MATCH (n) UNWIND labels(n) AS label RETURN label, count(*) AS count"
TYPES_READ = "CYPHER 5 MATCH ()-[r]->() RETURN type(r) AS type, count(*) AS count"

UNLABELLED = "CYPHER 5 MATCH (n) WHERE labels(n) = [] RETURN count(n) AS count"

# A row with the key null counts those looked at; `values` are shortened strings, only where values may be shown;
# `numbers` is the length of the longest list of floats.
_PROPERTIES = """
UNWIND [null] + keys(n) AS key
RETURN token, key, collect(DISTINCT valueType(n[key])) AS types, count(*) AS present, {values} AS values,
  max(CASE WHEN n[key] IS :: LIST<FLOAT NOT NULL> THEN size(n[key]) END) AS numbers
"""
_COLUMNS = "token, key, types, present, values, numbers"
_VALUES: Mapping[bool, str] = MappingProxyType(
    {
        False: "null",
        True: "collect(DISTINCT CASE WHEN n[key] IS :: STRING NOT NULL "
        "THEN left(n[key], $longest + 1) END)[..$most + 1]",
    }
)


@dataclass(frozen=True, slots=True)
class Entity:
    """How nodes or relationships are matched: ``pattern`` has ``{}`` for the token; ``tokens`` are those of ``n``."""

    pattern: str
    tokens: str

    def all_of(self, tokens: Iterable[str], *, values: bool, parameter: str = "tokens") -> str:
        """Properties of everything that has one of ``tokens`` (again as ``$tokens``)."""
        return (
            f"CYPHER 5 MATCH {self.pattern.format(any_of(tokens))} UNWIND {self.tokens} AS token "
            f"WITH n, token WHERE token IN ${parameter} {_PROPERTIES.format(values=_VALUES[values])}"
        )

    def some_of(self, token: str, *, values: bool, parameter: str = "tokens") -> str:
        """Properties of the first and the last ``$half`` in the store that have ``token`` (again as ``$tokens[0]``).

        Both come from the token index in its order, unsorted: two short looks, however many there are.
        """
        match = f"MATCH {self.pattern.format(quote(token))} WITH n"
        return (
            f"CYPHER 5 CALL () {{ {match} LIMIT $half RETURN n UNION {match} ORDER BY n DESC LIMIT $half RETURN n }} "
            f"WITH n, ${parameter}[0] AS token {_PROPERTIES.format(values=_VALUES[values])}"
        )

    def some_of_each(self, *, values: bool) -> str:
        """Properties of the first ``2 * $half`` of each of ``$tokens``, by dynamic tokens.

        These use the token index from 2025.08 on; earlier ones read the whole store for each.
        """
        match = f"MATCH {self.pattern.format('$(token)')}"
        return (
            f"CYPHER 5 UNWIND $tokens AS token CALL (token) {{ {match} WITH n LIMIT 2 * $half RETURN n }} "
            f"WITH n, token {_PROPERTIES.format(values=_VALUES[values])}"
        )

    def some_without(self, *, values: bool) -> str:
        """Properties of the first ``2 * $half`` nodes that have no label."""
        return (
            "CYPHER 5 MATCH (n) WHERE labels(n) = [] WITH n LIMIT 2 * $half "
            f"WITH n, null AS token {_PROPERTIES.format(values=_VALUES[values])}"
        )


NODES = Entity("(n:{})", "labels(n)")
RELATIONSHIPS = Entity("()-[n:{}]->()", "[type(n)]")


def quote(name: str) -> str:
    """``name`` as a Cypher identifier in backticks, whatever characters it holds.

    A backtick is doubled. A backslash is written as its own ``\\u005C`` escape, since Cypher 5 decodes ``\\uXXXX``
    even inside backticks: https://neo4j.com/docs/cypher-manual/current/syntax/naming/ .
    """
    return "`" + name.replace("\\", "\\u005C").replace("`", "``") + "`"


def any_of(tokens: Iterable[str]) -> str:
    """A label or type expression that matches any of ``tokens``."""
    return "|".join(quote(token) for token in tokens)


def listed_counts(patterns: Iterable[str]) -> str:
    """A statement that answers one list: how often each of ``patterns`` is found, from the count store."""
    return "CYPHER 5 RETURN [" + ", ".join(f"COUNT {{ {pattern} }}" for pattern in patterns) + "] AS counts"


def patterns_of(types: Iterable[str]) -> str:
    """Which labels all relationships of ``types`` connect, with counts."""
    return (
        f"CYPHER 5 MATCH (a)-[r:{any_of(types)}]->(b) "
        "RETURN type(r) AS type, labels(a) AS start, labels(b) AS end, count(*) AS count"
    )


def all_at_once(parts: Iterable[tuple[str, str]]) -> str:
    """One statement for several: rows of what was asked, then the columns of that statement, six in all.

    ``parts`` are names and statements of `Entity`, `patterns_of` or `UNLABELLED`.
    """
    rest = "count AS present, null AS values, null AS numbers"
    columns = {"patterns": f"type AS token, start AS key, end AS types, {rest}"}
    columns["unlabelled"] = f"null AS token, null AS key, null AS types, {rest}"
    return "CYPHER 5 " + " UNION ALL ".join(
        f"CALL () {{ {statement.removeprefix('CYPHER 5 ')} }} "
        f"RETURN '{name}' AS asked, {columns.get(name.partition(' ')[0], _COLUMNS)}"
        for name, statement in parts
    )


def sample_of_patterns(kind: str, *, start: str = "", end: str = "") -> str:
    """Which labels the first and last ``$half`` relationships of type ``kind`` connect.

    With the label ``start`` or ``end``, only those that have it there, the first; for rare labels.
    """
    left = f"(a:{quote(start)})" if start else "(a)"
    right = f"(b:{quote(end)})" if end else "(b)"
    match = f"MATCH {left}-[r:{quote(kind)}]->{right} WITH a, r, b"
    last = "" if start or end else f" UNION {match} ORDER BY r DESC LIMIT $half RETURN a, r, b"
    return (
        f"CYPHER 5 CALL () {{ {match} LIMIT $half RETURN a, r, b{last} }} "
        "RETURN DISTINCT labels(a) AS start, labels(b) AS end"
    )
