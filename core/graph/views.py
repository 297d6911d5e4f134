"""What each grant sees of the database: one graph, guard and schema for each database and database user."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.graph.connection import Graph
from core.graph.guard import AllowList, Guard
from core.graph.pool import Pool
from core.graph.schema import SchemaCache

if TYPE_CHECKING:
    from core.credentials.credential import Credential
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

    def __init__(self, settings: Settings, credentials: Mapping[str, Credential] | None = None) -> None:
        """``credentials`` are those that grants may name, besides the one of the settings."""
        self._settings: dict[str | None, Settings] = {None: settings}
        for name, credential in (credentials or {}).items():
            login = {
                f"neo4j_{field}": getattr(credential, field) for field in ("uri", "username", "password", "database")
            }
            self._settings[name] = settings.model_copy(update=login)
        self._pools = {name: Pool(login) for name, login in self._settings.items()}
        self._views: OrderedDict[tuple[str | None, str | None, str | None], View] = OrderedDict()
        self.default = self._view(None, settings.neo4j_database, None)

    def of(self, grant: Grant) -> View:
        """The view that ``grant`` opens; those that were not used for longest are forgotten.

        Raises:
            KeyError: The grant names a credential that there is not; whoever reads a policy sees to it beforehand.
        """
        settings = self._settings[grant.credential]
        return self._view(grant.credential, grant.database or settings.neo4j_database, grant.impersonate)

    def _view(self, credential: str | None, database: str | None, impersonate: str | None) -> View:
        key = (credential, database, impersonate)
        view = self._views.get(key)
        if view is None:
            settings = self._settings[credential]
            graph = Graph(settings, pool=self._pools[credential], database=database, impersonate=impersonate)
            allowed = AllowList(settings.allowed_procedures, settings.allowed_functions)
            guard = Guard(graph, allowed, longest=settings.statement_limit)
            view = self._views[key] = View(graph, guard, SchemaCache(graph, settings.schema_ttl))
            if len(self._views) > _VIEWS_KEPT:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return view

    async def close(self) -> None:
        """Close the connections; the next use opens new ones. Never raises."""
        for pool in self._pools.values():
            await pool.close()
