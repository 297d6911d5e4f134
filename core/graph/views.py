"""What each grant sees of the database: one graph, guard and schema for each database and database user."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from core.credentials.sources import Credentials
from core.graph.connection import Graph
from core.graph.guard import AllowList, Guard
from core.graph.pool import Pool
from core.graph.schema import SchemaCache

if TYPE_CHECKING:
    from core.credentials.database_auth import WorkloadTokens
    from core.credentials.secret_store import SecretStore
    from core.identity.grant import Grant
    from core.identity.principal import Principal
    from core.settings import Settings

__all__ = ["View", "Views"]

_VIEWS_KEPT = 64

_Key: TypeAlias = tuple[str | None, str | None, str | None, str | None]
"""Credential, database, impersonated database user, and the user on whose behalf the caller acts."""


@dataclass(frozen=True, slots=True)
class View:
    """One database as one database user sees it. What is remembered here is shown to nobody else."""

    graph: Graph
    guard: Guard
    schema: SchemaCache


class Views:
    """The views of one server, over one pool of connections for each credential. It belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        store: SecretStore | None = None,
        *,
        workload: WorkloadTokens | None = None,
        changed: Callable[[str | None], None] | None = None,
    ) -> None:
        """``store`` has the credentials that settings and grants name. ``workload`` issues tokens of this server's own
        identity. ``changed`` is told the name of a credential that has changed.
        """
        self._settings = settings
        self._credentials = Credentials(settings, store)
        self._workload = workload
        self._changed = changed
        self._pools: dict[str | None, Pool] = {}
        self._views: OrderedDict[_Key, View] = OrderedDict()

    @property
    def default(self) -> View:
        """The view of who was granted no database or credential of his own, this server itself above all."""
        return self._view((None, None, None, None))

    def of(self, grant: Grant, principal: Principal) -> View:
        """The view that ``grant`` opens to ``principal``; those that were not used for longest are forgotten."""
        # A user may be logged in as himself, with rights that are nobody else's.
        user = principal.id if principal.kind == "user_on_behalf" else None
        own = grant.credential is None and grant.database == self._settings.neo4j_database
        return self._view((grant.credential, None if own else grant.database, grant.impersonate, user))

    def _view(self, key: _Key) -> View:
        view = self._views.get(key)
        if view is None:
            credential, database, impersonate, _ = key
            settings = self._settings
            graph = Graph(settings, pool=self._pool(credential), database=database, impersonate=impersonate)
            allowed = AllowList(settings.allowed_procedures, settings.allowed_functions)
            guard = Guard(graph, allowed, longest=settings.statement_limit)
            view = self._views[key] = View(graph, guard, SchemaCache(graph, settings.schema_ttl))
            if len(self._views) > _VIEWS_KEPT:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return view

    def _pool(self, credential: str | None) -> Pool:
        pool = self._pools.get(credential)
        if pool is None:
            pool = self._pools[credential] = Pool(
                self._settings,
                self._credentials.source(credential),
                workload=self._workload,
                changed=lambda: self._on_change(credential),
            )
        return pool

    def _on_change(self, credential: str | None) -> None:
        """Another credential may lead to another database, or to other rights: what was remembered is forgotten."""
        for key in [key for key in self._views if key[0] == credential]:
            self._views.pop(key)
        if self._changed is not None:
            self._changed(credential)

    async def close(self) -> None:
        """Close the connections; the next use opens new ones. Never raises."""
        for pool in self._pools.values():
            await pool.close()
