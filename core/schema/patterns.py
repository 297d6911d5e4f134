"""Which labels the relationships of each type connect: exactly, where that is cheap, else what is certain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import StatementError
from core.schema import statements
from core.schema.census import WALKED, Rows, counted
from core.schema.entries import PatternsFound
from core.schema.portions import as_many_as, portions

__all__ = ["PatternSearch", "patterns_of_ends"]

_SAMPLED = 500
"""The first and the last relationships of a large type that are looked at: so many of each."""

_ASKED = 1000
"""Counts of ends that are asked for by name where the count store cannot be read whole."""

_PROBES, _PROBED, _PROBE_SAMPLED, _PROBE_TIME = 40, 50_000, 50, 2.0
"""Rare labels at the ends of large types to look for; the most nodes, relationships and seconds for each."""


def patterns_of_ends(
    kinds: Mapping[str, int], labels: Mapping[str, int], ends: list[list[Any]] | None
) -> dict[str, PatternsFound]:
    """What the counts of the ``ends`` alone tell of each type: often the one pattern that it has."""
    found = {kind: PatternsFound() for kind in kinds}
    for kind, start, end, count in ends or ():
        if kind in found and (start or end) in labels and (start is None or end is None):
            found[kind].count_end(start, end, count)
    for kind, count in kinds.items():
        found[kind].conclude(count)
    return found


class PatternSearch:
    """Looks at relationships themselves, of the types whose ends alone do not tell.

    ``rows`` runs a statement; ``if_time`` runs one that the schema can do without, and answers no rows if time is
    short. ``labels`` are all labels with their counts.
    """

    def __init__(self, rows: Rows, if_time: Rows, labels: Mapping[str, int]) -> None:
        self._rows = rows
        self._if_time = if_time
        self._labels = labels
        self._probes = _PROBES

    async def find(self, unknown: Mapping[str, int], found: Mapping[str, PatternsFound], *, counted: bool) -> None:
        """Add to ``found`` the patterns of the ``unknown`` types; ``counted`` says that it has the counts of ends."""
        walked = as_many_as(unknown, WALKED)
        for some in portions(walked, members=WALKED // 4):
            rows = await self._if_time(statements.patterns_of(some))
            for kind, start, end, count in rows:
                found[kind].exact = True
                found[kind].add(start, end, count)
        large = [kind for kind in unknown if kind not in walked]
        if large and not counted:
            await self._count_ends(large, found)
        for kind in large:
            if not found[kind].conclude(unknown[kind]):
                await self._sample(kind, found[kind])

    async def _sample(self, kind: str, found: PatternsFound) -> None:
        """Look at the first and last of type ``kind``, then for rare labels at its ends that these did not show."""
        for start, end in await self._if_time(statements.sample_of_patterns(kind), half=_SAMPLED):
            found.add(start, end)
        for name, label in found.unseen():
            if self._probes and self._labels[label] < _PROBED:
                self._probes -= 1
                probe = statements.sample_of_patterns(kind, **{name: label})
                for start, end in await self._if_time(probe, at_most=_PROBE_TIME, half=_PROBE_SAMPLED):
                    found.add(start, end)

    async def _count_ends(self, large: list[str], found: Mapping[str, PatternsFound]) -> None:
        """Count from which labels and to which labels each of ``large`` leads, from the count store."""
        try:
            rows = await self._rows(statements.COUNTS_BY_END, types=large)
        except StatementError:
            asked = {
                (kind, start, end): f"{_end(start)}-[:{statements.quote(kind)}]->{_end(end)}"
                for kind in large
                for label in self._labels
                for start, end in ((label, None), (None, label))
            }
            if len(asked) > _ASKED:
                return
            rows = [[*key, count] for key, count in (await counted(self._rows, asked)).items() if count]
        for kind, start, end, count in rows:
            if (start or end) in self._labels:
                found[kind].count_end(start, end, count)


def _end(label: str | None) -> str:
    return f"(:{statements.quote(label)})" if label else "()"
