"""One reading of a schema, without APOC: names and counts from the count store, details from samples.

No label or type with members is missed, since the count store knows them all. Small things are read whole; of large
ones, only the first and the last members in the store are looked at, roughly the oldest and the newest, and the answer
says so. Slow steps stop early enough for the caller to get the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.deadline import Deadline
from core.errors import DeadlineExceeded, StatementError
from core.graph.results import Limits
from core.schema import statements
from core.schema.entries import (
    PatternsFound,
    PropertiesFound,
    constraint_entry,
    index_entry,
    mark_required,
    node_entry,
    relationship_entry,
)
from core.schema.portions import as_many_as, largest_first, portions

if TYPE_CHECKING:
    from core.graph.database import Database

__all__ = ["read_schema"]

_EVERYTHING = Limits(rows=1_000_000, bytes=64 * 1024 * 1024)

_LOOKED_AT = 40_000
"""Approximate number of nodes, and of relationships, whose properties one reading looks at."""

_SHARES = (1000, 500, 200, 100, 50)
"""How many members of one label or type are looked at: the first of these that stays within `_LOOKED_AT`."""

_WALKED = 500_000
"""Maximum number of relationships that one reading follows, to say exactly which labels they connect."""

_SCANNED = 200_000
"""Maximum number of nodes in a database for a full read, where only that finds the answer."""

_SINGLY = 64
"""Up to so many large labels or types, each one gets a statement of its own."""

_LISTED = 100
"""Counts that one statement asks for, if the count store cannot be read whole."""

_PROBES, _PROBED, _PROBE_TIME = 40, 50_000, 2.0
"""Rare labels at the ends of large types to look for, the maximum of nodes of each, and seconds for each."""

_SHARE_OF_TIME, _LONGEST = 0.6, 12.0
"""The part of the caller's time that samples and patterns may take, and its maximum in seconds."""

_FORBIDDEN = "Neo.ClientError.Security.Forbidden"
_DYNAMIC_SINCE = (2025, 8)


async def read_schema(graph: Database, *, deadline: Deadline, samples: bool = False) -> dict[str, Any]:
    """Read the whole schema now: ``{totals, nodes, relationships, indexes, constraints, notes, hurried}``.

    The entries are as ``get-schema`` declares them, the most numerous first. ``samples`` adds values of properties that
    have only a few. ``notes`` say what could not be read; ``hurried`` says that ``deadline`` was the reason, and that a
    caller with more time would get more.

    Raises: as `Database.read`.
    """
    return await _Reading(graph, deadline, samples).read()


class _Reading:
    def __init__(self, graph: Database, deadline: Deadline, samples: bool) -> None:
        self._graph = graph
        self._deadline = deadline
        self._samples = samples
        self._spare = 0.0
        self._soft = deadline
        self._cut = False
        self._probes = _PROBES
        self._notes: list[str] = []

    async def read(self) -> dict[str, Any]:
        indexes = [index_entry(row) for row in await self._listed(statements.INDEXES, "indexes")]
        constraints = [constraint_entry(row) for row in await self._listed(statements.CONSTRAINTS, "constraints")]
        visible = [row[0] for row in await self._rows(statements.LABELS)]
        types = [row[0] for row in await self._rows(statements.TYPES)]
        labels, kinds = await self._counts(visible, types)
        self._spare = self._deadline.remaining() * _SHARE_OF_TIME
        self._soft = self._deadline.sooner(min(self._spare, _LONGEST))
        totals = {
            "nodes": labels.pop(None, 0),
            "relationships": kinds.pop(None, 0),
            "labels": len(labels),
            "types": len(kinds),
        }
        node_properties = await self._properties(statements.NODES, labels)
        patterns = await self._patterns(kinds, labels)
        type_properties = await self._properties(statements.RELATIONSHIPS, kinds)
        nodes = [node_entry(label, count, node_properties) for label, count in largest_first(labels)]
        nodes += await self._without_label(totals["nodes"], labels)
        relationships = [
            relationship_entry(kind, count, patterns[kind], type_properties) for kind, count in largest_first(kinds)
        ]
        mark_required(nodes, relationships, constraints)
        if self._cut:
            self._notes.append("Time ran short: what has sampled 0 or no patterns was not looked at.")
        return {
            "totals": totals,
            "nodes": nodes,
            "relationships": relationships,
            "indexes": indexes,
            "constraints": constraints,
            "notes": self._notes,
            "hurried": self._cut and self._spare < _LONGEST,
        }

    async def _rows(self, statement: str, deadline: Deadline | None = None, **parameters: Any) -> list[list[Any]]:
        result = await self._graph.read(statement, parameters, limits=_EVERYTHING, deadline=deadline or self._deadline)
        return result.rows

    async def _if_time(self, statement: str, at_most: float | None = None, **parameters: Any) -> list[list[Any]]:
        """The rows of a statement that the schema can do without; none if time is short."""
        if self._soft.remaining() > 0:
            try:
                return await self._rows(statement, self._soft.sooner(at_most), **parameters)
            except DeadlineExceeded:
                if self._deadline.remaining() <= 0:
                    raise
        self._cut = True
        return []

    async def _listed(self, statement: str, what: str) -> list[list[Any]]:
        try:
            return await self._rows(statement)
        except StatementError as error:
            if error.code != _FORBIDDEN:
                raise
            self._notes.append(f"The database user may not list {what}.")
            return []

    async def _counts(self, labels: list[str], types: list[str]) -> tuple[dict[Any, int], dict[Any, int]]:
        """How many nodes and relationships each of ``labels`` and ``types`` has, zeros left out; None: all there are.

        A name stays known to the database after the last thing with that name is gone: count 0 is not worth reporting.
        """
        try:
            ((nodes, kinds),) = await self._rows(statements.COUNTS)
            found = dict(nodes), dict(kinds)
        except StatementError:
            found = await self._counts_without_statistics(labels, types)
        # A name in the count store that this user may not see is in neither list.
        return tuple(  # type: ignore[return-value]
            {name: count for name in (None, *visible) if (count := counts.get(name, 0))}
            for counts, visible in zip(found, (labels, types), strict=True)
        )

    async def _counts_without_statistics(
        self, labels: list[str], types: list[str]
    ) -> tuple[dict[Any, int], dict[Any, int]]:
        """The same for a user who may not read the statistics: a small graph is read whole, a large one name by name.

        Planning thousands of counts takes seconds, however quick each one is.
        """
        nodes, relationships = (await self._rows(statements.listed_counts(("()", "()-->()"))))[0][0]
        if nodes <= _SCANNED and relationships <= _WALKED:
            found = dict(await self._rows(statements.LABELS_READ)), dict(await self._rows(statements.TYPES_READ))
        else:
            found = (
                await self._counted({label: f"(:{statements.quote(label)})" for label in labels}),
                await self._counted({kind: f"()-[:{statements.quote(kind)}]->()" for kind in types}),
            )
        return {None: nodes} | found[0], {None: relationships} | found[1]

    async def _counted(self, patterns: Mapping[Any, str]) -> dict[Any, int]:
        counts: list[int] = []
        texts = list(patterns.values())
        for start in range(0, len(texts), _LISTED):
            counts += (await self._rows(statements.listed_counts(texts[start : start + _LISTED])))[0][0]
        return dict(zip(patterns, counts, strict=True))

    async def _properties(self, entity: statements.Entity, counts: Mapping[str, int]) -> PropertiesFound:
        found = PropertiesFound()
        share = next(
            (size for size in _SHARES if sum(min(size, count) for count in counts.values()) <= _LOOKED_AT), _SHARES[-1]
        )
        small = {token: count for token, count in counts.items() if count <= share}
        many = len(counts) - len(small) > _SINGLY
        dynamic = many and await self._finds_dynamic_tokens()
        if many and not dynamic:
            small = as_many_as(counts, _SCANNED)
        for tokens in portions(small):
            found.add(await self._looked_at(entity.all_of(tokens, values=self._samples), tokens, share))
        large = [token for token in counts if token not in small]
        if dynamic:
            for tokens in portions(dict.fromkeys(large, share)):
                found.add(await self._looked_at(entity.some_of_each(values=self._samples), tokens, share))
        else:
            for token in large:
                found.add(await self._looked_at(entity.some_of(token, values=self._samples), [token], share))
        return found

    async def _looked_at(self, statement: str, tokens: list[Any], share: int) -> list[list[Any]]:
        values = {"longest": PropertiesFound.LONGEST, "most": PropertiesFound.MOST} if self._samples else {}
        return await self._if_time(statement, tokens=tokens, half=share // 2, **values)

    async def _finds_dynamic_tokens(self) -> bool:
        rows = await self._rows(statements.VERSIONS)
        numbers = str(rows[0][0]).split(".")[:2] if rows else []
        return all(number.isdigit() for number in numbers) and tuple(map(int, numbers)) >= _DYNAMIC_SINCE

    async def _without_label(self, total: int, labels: Mapping[str, int]) -> list[dict[str, Any]]:
        """The entry of the nodes that have no label, if there are any and the database is small enough to look."""
        if total > _SCANNED:
            if (at_least := total - sum(labels.values())) > 0:
                self._notes.append(f"At least {at_least} nodes have no label.")
            return []
        counted = await self._if_time(statements.UNLABELLED)
        if not counted or not counted[0][0]:
            return []
        found = PropertiesFound()
        statement = statements.NODES.some_without(values=self._samples)
        found.add(await self._looked_at(statement, [None], _SHARES[0]))
        return [node_entry(None, counted[0][0], found)]

    async def _patterns(self, kinds: Mapping[str, int], labels: Mapping[str, int]) -> dict[str, PatternsFound]:
        """Which labels each type connects: exactly if that is cheap to find out, else only what is certain."""
        found = {kind: PatternsFound() for kind in kinds}
        walked = as_many_as(kinds, _WALKED)
        for some in portions(walked, members=_WALKED // 4):
            rows = await self._if_time(statements.patterns_of(some))
            for kind, start, end, count in rows:
                found[kind].exact = True
                found[kind].add(start, end, count)
        large = [kind for kind in kinds if kind not in walked]
        if large:
            await self._count_ends(large, labels, found)
        for kind in large:
            if not found[kind].conclude(kinds[kind]):
                await self._sample_patterns(kind, found[kind], labels)
        return found

    async def _sample_patterns(self, kind: str, found: PatternsFound, labels: Mapping[str, int]) -> None:
        """Look at the first and last of type ``kind``, then for rare labels at its ends that these did not show."""
        for start, end in await self._if_time(statements.sample_of_patterns(kind), half=_SHARES[1]):
            found.add(start, end)
        for name, label in found.unseen():
            if self._probes and labels[label] < _PROBED:
                self._probes -= 1
                probe = statements.sample_of_patterns(kind, **{name: label})
                for start, end in await self._if_time(probe, at_most=_PROBE_TIME, half=_SHARES[-1]):
                    found.add(start, end)

    async def _count_ends(
        self, large: list[str], labels: Mapping[str, int], found: Mapping[str, PatternsFound]
    ) -> None:
        """Count from which labels and to which labels each of ``large`` leads, from the count store."""
        try:
            rows = await self._rows(statements.COUNTS_BY_END, types=large)
        except StatementError:
            asked = {
                (kind, start, end): f"{_end(start)}-[:{statements.quote(kind)}]->{_end(end)}"
                for kind in large
                for label in labels
                for start, end in ((label, None), (None, label))
            }
            if len(asked) > 10 * _LISTED:
                return
            rows = [[*key, count] for key, count in (await self._counted(asked)).items() if count]
        for kind, start, end, count in rows:
            if (start or end) in labels:
                found[kind].count_end(start, end, count)


def _end(label: str | None) -> str:
    return f"(:{statements.quote(label)})" if label else "()"
