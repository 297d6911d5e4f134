"""Names of labels, relationship types and properties that resemble one that a graph does not have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

__all__ = ["Kind", "nearest", "property_types", "schema_names"]

Kind = Literal["label", "type", "property"]

_COMPARED = 5000
"""Names that one name is compared with: each takes some ten microseconds."""

_LONGEST = 60
"""Characters of a name that are compared."""

_RESEMBLANCE = 0.65
"""The least ratio of `difflib` that counts: an ``Evnt`` has 0.89 in common with an ``Event``."""


def nearest(name: str, known: Iterable[str | None], *, most: int = 1) -> list[str]:
    """The ``known`` names that resemble ``name`` most, whatever their letter case; none if none does."""
    by_case: dict[str, str] = {}
    for other in known:
        if other is not None and len(by_case) < _COMPARED:
            by_case.setdefault(other[:_LONGEST].lower(), other)
    sought = name[:_LONGEST].lower()
    return [by_case[found] for found in difflib.get_close_matches(sought, by_case, n=most, cutoff=_RESEMBLANCE)]


def schema_names(schema: Mapping[str, Any]) -> dict[Kind, list[str]]:
    """The names that ``schema``, of `core.schema.reading.read_schema`, has of each kind, the most numerous first."""
    entries = [*schema["nodes"], *schema["relationships"]]
    return {
        "label": [entry["label"] for entry in schema["nodes"] if entry["label"] is not None],
        "type": [entry["type"] for entry in schema["relationships"]],
        "property": list(dict.fromkeys(each["name"] for entry in entries for each in entry["properties"])),
    }


def property_types(schema: Mapping[str, Any]) -> dict[str, set[str]]:
    """The types that ``schema`` found of each property, wherever a property of that name is."""
    found: dict[str, set[str]] = {}
    for entry in [*schema["nodes"], *schema["relationships"]]:
        for each in entry["properties"]:
            found.setdefault(each["name"], set()).update(each["types"])
    return found
