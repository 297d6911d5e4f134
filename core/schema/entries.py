"""What a reading finds, gathered into the entries of a schema: labels, types, indexes, constraints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from core.values.plain_json import LONG_LIST

__all__ = [
    "PatternsFound",
    "PropertiesFound",
    "constraint_entry",
    "index_entry",
    "mark_required",
    "node_entry",
    "relationship_entry",
]

_VECTOR = re.compile(r"VECTOR<.*>\((\d+)\)")
"""A vector's type as ``valueType()`` writes it.

Source: https://neo4j.com/docs/cypher-manual/current/values-and-types/vector/ .
"""

_CONFIGURED = {
    "vector.dimensions": "dimensions",
    "vector.similarity_function": "similarity",
    "fulltext.analyzer": "analyzer",
}
"""The settings of an index that its entry shows: https://neo4j.com/docs/cypher-manual/current/indexes/ ."""


@dataclass(slots=True)
class PropertiesFound:
    """The properties that a reading found, of all labels or of all types."""

    MOST: ClassVar[int] = 10
    """A property's values are shown if it has at most so many different ones."""

    LONGEST: ClassVar[int] = 50
    """Characters that such a value may have."""

    _sampled: dict[str | None, int] = field(default_factory=dict)
    _properties: dict[str | None, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, rows: Iterable[list[Any]]) -> None:
        """Take rows of token, key, types, present, values, numbers; all rows of one token at once."""
        rows = sorted(rows, key=lambda row: (row[1] is not None, row[1] or ""))
        for token, key, types, present, values, numbers in rows:
            if key is None:
                self._sampled[token] = present
                continue
            entry = {
                "name": key,
                "types": sorted({kind.replace(" NOT NULL", "") for kind in types}),
                "always": present == self._sampled[token],
            }
            dimensions = max(numbers or 0, *(int(found[1]) for found in map(_VECTOR.match, types) if found), 0)
            if dimensions >= LONG_LIST:
                entry["vector"] = dimensions
            if entry["types"] == ["STRING"] and values and self._are_few(values, present):
                entry["values"] = sorted(values)
            self._properties.setdefault(token, []).append(entry)

    @classmethod
    def _are_few(cls, values: list[str], present: int) -> bool:
        return len(values) <= cls.MOST and 2 * len(values) <= present and max(map(len, values)) <= cls.LONGEST

    def of(self, token: str | None, count: int) -> dict[str, Any]:
        """``sampled`` and ``properties`` of the ``count`` that have ``token``.

        The few values of a property are its ``values`` if all were looked at, else no more than ``examples``.
        """
        sampled = self._sampled.get(token, 0)
        properties = self._properties.get(token, [])
        for entry in properties if sampled < count else ():
            if "values" in entry:
                entry["examples"] = entry.pop("values")
        return {"sampled": sampled, "properties": properties}


@dataclass(slots=True)
class PatternsFound:
    """Which labels the relationships of one type connect, as far as a reading has found out.

    ``exact`` says that the patterns are all there are, with their counts.
    """

    exact: bool = False
    _patterns: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = field(default_factory=dict)
    _starts: dict[str, int] = field(default_factory=dict)
    _ends: dict[str, int] = field(default_factory=dict)

    def add(self, start: list[str], end: list[str], count: int = 0) -> None:
        """Take one pattern: the labels at its start and its end."""
        pattern = tuple(sorted(start)), tuple(sorted(end))
        self._patterns[pattern] = self._patterns.get(pattern, 0) + count

    def count_end(self, start: str | None, end: str | None, count: int) -> None:
        """Note that ``count`` relationships start at the label ``start``, or else end at the label ``end``."""
        if start is not None:
            self._starts[start] = count
        elif end is not None:
            self._ends[end] = count

    def conclude(self, total: int) -> bool:
        """Whether the counts of the ends alone give the exact pattern: each end has one label, on all ``total``."""
        if list(self._starts.values()) == list(self._ends.values()) == [total]:
            self.add(list(self._starts), list(self._ends), total)
            self.exact = True
        return self.exact

    def unseen(self) -> Iterator[tuple[str, str]]:
        """Labels that are counted at an end (``start`` or ``end``), but are in no pattern found so far."""
        for position, (name, counts) in enumerate((("start", self._starts), ("end", self._ends))):
            for label in sorted(counts, key=lambda label: counts[label]):
                if not any(label in pattern[position] for pattern in self._patterns):
                    yield name, label

    def entry(self) -> dict[str, Any]:
        """``exact``, ``patterns``, and where they are not exact ``starts`` and ``ends`` if counted."""
        ordered = sorted(self._patterns.items(), key=lambda item: (-item[1], item[0]))
        entry: dict[str, Any] = {
            "exact": self.exact,
            "patterns": [
                {"from": list(start), "to": list(end), **({"count": count} if self.exact else {})}
                for (start, end), count in ordered
            ],
        }
        if not self.exact and (self._starts or self._ends):
            for name, counts in (("starts", self._starts), ("ends", self._ends)):
                largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
                entry[name] = [{"label": label, "count": count} for label, count in largest]
        return entry


def node_entry(label: str | None, count: int, found: PropertiesFound) -> dict[str, Any]:
    """The entry of a label; None stands for the nodes without a label."""
    return {"label": label, "count": count, **found.of(label, count)}


def relationship_entry(kind: str, count: int, patterns: PatternsFound, found: PropertiesFound) -> dict[str, Any]:
    """The entry of a relationship type."""
    return {"type": kind, "count": count, **patterns.entry(), **found.of(kind, count)}


def index_entry(row: list[Any]) -> dict[str, Any]:
    """The entry of an index, from a row of `statements.INDEXES`."""
    name, kind, entity, tokens, properties, state, config, constraint = row
    entry = {
        "name": name,
        "type": kind,
        "on": entity.lower(),
        "tokens": tokens or [],
        "properties": properties or [],
        "state": state,
    }
    for key, told in _CONFIGURED.items():
        if config and config.get(key) is not None:
            entry[told] = config[key]
    if constraint is not None:
        entry["constraint"] = constraint
    return entry


def constraint_entry(row: list[Any]) -> dict[str, Any]:
    """The entry of a constraint, from a row of `statements.CONSTRAINTS`."""
    name, kind, entity, tokens, properties, property_type = row
    entry = {
        "name": name,
        "type": kind,
        "on": entity.lower(),
        "tokens": tokens or [],
        "properties": properties or [],
    }
    if property_type is not None:
        entry["property_type"] = property_type
    return entry


def mark_required(
    nodes: list[dict[str, Any]], relationships: list[dict[str, Any]], constraints: list[dict[str, Any]]
) -> None:
    """Note at the properties what constraints guarantee: that each one has it, and of which type it is."""
    owners = {("node", entry["label"]): entry["properties"] for entry in nodes}
    owners |= {("relationship", entry["type"]): entry["properties"] for entry in relationships}
    for constraint in constraints:
        required = constraint["type"].endswith(("_EXISTENCE", "_KEY"))
        typed = constraint.get("property_type")
        for token in constraint["tokens"] if required or typed else ():
            properties = owners.get((constraint["on"], token), [])
            for name in constraint["properties"]:
                known = next((entry for entry in properties if entry["name"] == name), None)
                if known is None and required:
                    known = {"name": name, "types": [], "always": True}
                    properties.append(known)
                if known is None:
                    continue
                if required:
                    known |= {"always": True, "required": True}
                if typed and not known["types"]:
                    known["types"] = typed.replace(" NOT NULL", "").split(" | ")
