"""One reading of a schema, without APOC: names and counts from the count store, details from samples.

No label or type with members is missed, since the count store knows them all. Small things are read whole; of large
ones, only the first and the last members in the store are looked at, roughly the oldest and the newest, and the answer
says so. Slow steps stop early enough for the caller to get the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from core.deadline import Deadline
from core.errors import DeadlineExceeded, StatementError
from core.graph.results import Limits
from core.schema import statements
from core.schema.census import SCANNED, take_census
from core.schema.entries import (
    PatternsFound,
    PropertiesFound,
    constraint_entry,
    index_entry,
    mark_required,
    node_entry,
    relationship_entry,
)
from core.schema.patterns import PatternSearch, patterns_of_ends
from core.schema.portions import as_many_as, largest_first, portions

if TYPE_CHECKING:
    from core.graph.database import Database

__all__ = ["read_schema"]

_EVERYTHING = Limits(rows=1_000_000, bytes=64 * 1024 * 1024)

_LOOKED_AT = 40_000
"""Approximate number of nodes, and of relationships, whose properties one reading looks at."""

_SHARES = (1000, 500, 200, 100, 50)
"""How many members of one label or type are looked at: the first of these that stays within `_LOOKED_AT`."""

_SINGLY = 64
"""Up to so many large labels or types, each one gets a statement of its own."""

_SMALL, _FEW = 50_000, 60
"""Nodes, relationships whose ends are not known, and labels and types, up to which one statement looks at all."""

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
        self._notes: list[str] = []

    async def read(self) -> dict[str, Any]:
        census = await take_census(self._rows)
        labels, kinds = census.labels, census.types
        indexes = [index_entry(row) for row in await self._listed(statements.INDEXES, "indexes")]
        constraints = [constraint_entry(row) for row in await self._listed(statements.CONSTRAINTS, "constraints")]
        self._spare = self._deadline.remaining() * _SHARE_OF_TIME
        self._soft = self._deadline.sooner(min(self._spare, _LONGEST))
        totals = {
            "nodes": labels.pop(None, 0),
            "relationships": kinds.pop(None, 0),
            "labels": len(labels),
            "types": len(kinds),
        }
        patterns = patterns_of_ends(kinds, labels, census.ends)
        unknown = {kind: count for kind, count in kinds.items() if not patterns[kind].exact}
        small = await self._small(totals["nodes"], labels, kinds, unknown, patterns)
        if small is None:
            node_properties = await self._properties(statements.NODES, labels)
            search = PatternSearch(self._rows, self._if_time, labels)
            await search.find(unknown, patterns, counted=census.ends is not None)
            type_properties = await self._properties(statements.RELATIONSHIPS, kinds)
            without_label = await self._without_label(totals["nodes"], labels)
        else:
            node_properties, type_properties, without_label = small
        nodes = [node_entry(label, count, node_properties) for label, count in largest_first(labels)]
        nodes += without_label
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

    async def _small(
        self,
        total: int,
        labels: Mapping[str, int],
        kinds: Mapping[str, int],
        unknown: Mapping[str, int],
        patterns: Mapping[str, PatternsFound],
    ) -> tuple[PropertiesFound, PropertiesFound, list[dict[str, Any]]] | None:
        """What a small graph's nodes and relationships look like, in one statement; None if the graph is not small."""
        if total > _SMALL or sum(unknown.values()) > _SMALL or len(labels) + len(kinds) > _FEW:
            return None
        parts: dict[str, str] = {}
        parameters: dict[str, Any] = {}
        share = min(_share(labels), _share(kinds))
        for name, entity, counts in (("nodes", statements.NODES, labels), ("types", statements.RELATIONSHIPS, kinds)):
            for number, tokens in enumerate(_together(counts, share)):
                parameter = f"{name}{number}"
                parameters[parameter] = tokens
                if counts[tokens[0]] <= share:
                    part = entity.all_of(tokens, values=self._samples, parameter=parameter)
                else:
                    part = entity.some_of(tokens[0], values=self._samples, parameter=parameter)
                parts[f"{name} {number}"] = part
        if unknown:
            parts["patterns"] = statements.patterns_of(unknown)
        if total:
            parts["unlabelled"] = statements.UNLABELLED
        if not parts:
            return PropertiesFound(), PropertiesFound(), []
        values = {"longest": PropertiesFound.LONGEST, "most": PropertiesFound.MOST} if self._samples else {}
        statement = statements.all_at_once(parts.items())
        rows = await self._if_time(statement, **{"half": share // 2, **parameters, **values})
        found = {"nodes": PropertiesFound(), "types": PropertiesFound()}
        for name in parts:
            of_part = [row[1:] for row in rows if row[0] == name]
            if name == "patterns":
                for kind, start, end, count, *_ in of_part:
                    patterns[kind].exact = True
                    patterns[kind].add(start, end, count)
            elif name != "unlabelled":
                found[name.partition(" ")[0]].add(of_part)
        unlabelled = next((row[4] for row in rows if row[0] == "unlabelled"), 0)
        without_label = await self._entry_without_label(unlabelled) if unlabelled else []
        return found["nodes"], found["types"], without_label

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

    async def _properties(self, entity: statements.Entity, counts: Mapping[str, int]) -> PropertiesFound:
        found = PropertiesFound()
        share = _share(counts)
        small = {token: count for token, count in counts.items() if count <= share}
        many = len(counts) - len(small) > _SINGLY
        dynamic = many and await self._finds_dynamic_tokens()
        if many and not dynamic:
            small = as_many_as(counts, SCANNED)
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
        if total > SCANNED:
            if (at_least := total - sum(labels.values())) > 0:
                self._notes.append(f"At least {at_least} nodes have no label.")
            return []
        counted = await self._if_time(statements.UNLABELLED)
        return await self._entry_without_label(counted[0][0]) if counted and counted[0][0] else []

    async def _entry_without_label(self, count: int) -> list[dict[str, Any]]:
        found = PropertiesFound()
        statement = statements.NODES.some_without(values=self._samples)
        found.add(await self._looked_at(statement, [None], _SHARES[0]))
        return [node_entry(None, count, found)]


def _share(counts: Mapping[str, int]) -> int:
    """How many members of each of ``counts`` are looked at."""
    return next(
        (size for size in _SHARES if sum(min(size, count) for count in counts.values()) <= _LOOKED_AT), _SHARES[-1]
    )


def _together(counts: Mapping[str, int], share: int) -> Iterator[list[str]]:
    """The names of ``counts`` as one statement looks at them: small ones in portions, each large one alone."""
    yield from portions({name: count for name, count in counts.items() if count <= share})
    for name, count in counts.items():
        if count > share:
            yield [name]
