"""What each grant sees of the database: one graph, guard and schema for each database and database user."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.graph.connection import Graph
from core.graph.guard import AllowList, Guard
from core.graph.pool import Pool
from core.graph.schema import SchemaCache

if TYPE_CHECKING:
    from core.identity.grant import Grant
    from core.settings import Settings

__all__ = ["View", "Views"]

_VIEWS_KEPT = 64


@dataclass(frozen=True, slots=True)
class View:
    """One database as one database user sees it. What is remembered here is shown to nobody else."""

    graph: Graph
    guard: Guard
    schema: SchemaCache


class Views:
    """The views of one server, over one pool of connections. An instance belongs to one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = Pool(settings)
        self._views: OrderedDict[tuple[str | None, str | None], View] = OrderedDict()
        self.default = self._view(settings.neo4j_database, None)

    def of(self, grant: Grant) -> View:
        """The view that ``grant`` opens; those that were not used for longest are forgotten."""
        return self._view(grant.database or self._settings.neo4j_database, grant.impersonate)

    def _view(self, database: str | None, impersonate: str | None) -> View:
        key = (database, impersonate)
        view = self._views.get(key)
        if view is None:
            settings = self._settings
            graph = Graph(settings, pool=self._pool, database=database, impersonate=impersonate)
            allowed = AllowList(settings.allowed_procedures, settings.allowed_functions)
            guard = Guard(graph, allowed, longest=settings.statement_limit)
            view = self._views[key] = View(graph, guard, SchemaCache(graph, settings.schema_ttl))
            if len(self._views) > _VIEWS_KEPT:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return view

    async def close(self) -> None:
        """Close the connections; the next use opens new ones. Never raises."""
        await self._pool.close()
