"""Labels or types with their counts, in order and in portions for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

__all__ = ["as_many_as", "largest_first", "portions"]

_TOKENS, _MEMBERS = 400, 20_000
"""Maximum number of labels or types, and of their members, that one statement covers."""


def largest_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names with their ``counts``, the largest first, and by name where they are equal."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def as_many_as(counts: Mapping[str, int], members: int) -> dict[str, int]:
    """The smallest of ``counts``: as many as fit into ``members`` together."""
    ordered = sorted(counts.items(), key=lambda item: item[1])
    together = accumulate(count for _, count in ordered)
    return {name: count for (name, count), so_far in zip(ordered, together, strict=True) if so_far <= members}


def portions(counts: Mapping[str, int], members: int = _MEMBERS) -> Iterator[list[str]]:
    """The names of ``counts`` in portions that fit into one statement."""
    some: list[str] = []
    held = 0
    for name, count in counts.items():
        if some and (len(some) >= _TOKENS or held + count > members):
            yield some
            some, held = [], 0
        some.append(name)
        held += count
    if some:
        yield some
