"""What there is in a graph, from the count store: labels and relationship types, and how many have each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import StatementError
from core.schema import statements

__all__ = ["SCANNED", "WALKED", "Census", "Rows", "counted", "take_census"]

Rows = Callable[..., Awaitable[list[list[Any]]]]
"""The rows of a statement, with its parameters by name."""

WALKED = 500_000
"""Maximum number of relationships that one reading follows to say exactly which labels they connect."""

SCANNED = 200_000
"""Maximum number of nodes in a database that is read whole, for what only that can tell."""

_LISTED = 100
"""Counts that one statement asks for where the count store cannot be read whole."""

_ENDS = 20_000
"""Counts by the label of an end that come along with the others."""


@dataclass
class Census:
    """Counts by label and by relationship type, zeros left out, None for all there are.

    ``ends`` has rows of type, label at the start, label at the end, count, one label of the two; None where they were
    too many to come along, or this user may not see them.
    """

    labels: dict[Any, int] = field(default_factory=dict)
    types: dict[Any, int] = field(default_factory=dict)
    ends: list[list[Any]] | None = None


async def take_census(rows: Rows) -> Census:
    """Count what there is, in one statement; in several for a user who may not read the count store."""
    try:
        ((labels, types, nodes, relationships, whole),) = await rows(statements.CENSUS, most=_ENDS)
    except StatementError:
        return await _without_statistics(rows)
    kinds = {kind: count for kind, start, end, count in relationships if start is None and end is None}
    ends = [row for row in relationships if row[1] is not None or row[2] is not None] if whole else None
    return Census(_visible(labels, dict(nodes)), _visible(types, kinds), ends)


def _visible(names: Iterable[str], counts: Mapping[Any, int]) -> dict[Any, int]:
    """The ``counts`` of ``names``, and of all.

    A name stays known to the database after the last thing that bore it is gone: count 0 is not worth telling. What the
    count store names and this user may not see is not among the names.
    """
    return {name: count for name in (None, *names) if (count := counts.get(name, 0))}


async def _without_statistics(rows: Rows) -> Census:
    """By reading a small graph, by name from a large one.

    Planning some thousand counts takes seconds, however quickly each is answered.
    """
    labels = [row[0] for row in await rows(statements.LABELS)]
    types = [row[0] for row in await rows(statements.TYPES)]
    nodes, relationships = (await rows(statements.listed_counts(("()", "()-->()"))))[0][0]
    if nodes <= SCANNED and relationships <= WALKED:
        of_labels = {name: count for name, count in await rows(statements.LABELS_READ)}  # noqa: C416 - for the types
        of_types = {name: count for name, count in await rows(statements.TYPES_READ)}  # noqa: C416
    else:
        of_labels = await counted(rows, {label: f"(:{statements.quote(label)})" for label in labels})
        of_types = await counted(rows, {kind: f"()-[:{statements.quote(kind)}]->()" for kind in types})
    return Census(_visible(labels, {None: nodes} | of_labels), _visible(types, {None: relationships} | of_types), None)


async def counted(rows: Rows, patterns: Mapping[Any, str]) -> dict[Any, int]:
    """How often each of ``patterns`` is found, from the count store."""
    counts: list[int] = []
    texts = list(patterns.values())
    for start in range(0, len(texts), _LISTED):
        counts += (await rows(statements.listed_counts(texts[start : start + _LISTED])))[0][0]
    return dict(zip(patterns, counts, strict=True))
