"""What each grant sees of the database: one connection to it, guard and schema for each database and database user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from core.credentials.sources import Credentials
from core.graph.database import Database
from core.graph.pool import Pool
from core.guard.guard import AllowList, Guard
from core.identity.principal import Identity
from core.remembered import BoundedMap
from core.schema.cache import SchemaCache

if TYPE_CHECKING:
    from core.access.grant import Grant
    from core.credentials.database_auth import WorkloadTokens
    from core.credentials.secret_store import SecretStore
    from core.identity.principal import Principal
    from core.origin import Origin
    from core.settings import Settings

__all__ = ["DatabaseScope", "DatabaseScopes"]

_SCOPES_KEPT = 64

_Key: TypeAlias = tuple[str | None, str | None, str | None, Identity | None]
"""Credential, database, impersonated database user, and the user on whose behalf the caller acts."""


@dataclass(frozen=True, slots=True)
class DatabaseScope:
    """One database as one database user sees it. No other user sees what is remembered here."""

    database: Database
    guard: Guard
    schema: SchemaCache


class DatabaseScopes:
    """The scopes of one server, over one pool of connections for each credential. It belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        store: SecretStore | None = None,
        *,
        workload: WorkloadTokens | None = None,
        changed: Callable[[str | None], None] | None = None,
        survived: Callable[[Origin], None] | None = None,
    ) -> None:
        """``store`` has the credentials that settings and grants name. ``workload`` issues tokens of this server's own
        identity. ``changed`` is called with the name of a credential that has changed, ``survived`` with the origin of
        a statement that still runs after it was told to stop.
        """
        self._settings = settings
        self._credentials = Credentials(settings, store)
        self._workload = workload
        self._changed = changed
        self._survived = survived
        self._pools: dict[str | None, Pool] = {}
        self._scopes: BoundedMap[_Key, DatabaseScope] = BoundedMap(_SCOPES_KEPT)

    @property
    def default(self) -> DatabaseScope:
        """The scope for callers whose grant names no database or credential, and for this server itself."""
        return self._scope((None, None, None, None))

    def of(self, grant: Grant, principal: Principal) -> DatabaseScope:
        """The scope that ``grant`` opens to ``principal``; the least recently used ones are forgotten."""
        # A user may be logged in under their own name, with rights that nobody else has.
        user = principal.identity if principal.kind == "user_on_behalf" else None
        own = grant.credential is None and grant.database == self._settings.neo4j_database
        return self._scope((grant.credential, None if own else grant.database, grant.impersonate, user))

    def _scope(self, key: _Key) -> DatabaseScope:
        scope = self._scopes.get(key)
        if scope is None:
            credential, database, impersonate, _ = key
            settings = self._settings
            opened = Database(settings, pool=self.pool(credential), database=database, impersonate=impersonate)
            allowed = AllowList(settings.allowed_procedures, settings.allowed_functions)
            guard = Guard(opened, allowed, longest=settings.statement_limit)
            scope = self._scopes[key] = DatabaseScope(opened, guard, SchemaCache(opened, settings.schema_ttl))
        return scope

    def pool(self, credential: str | None = None) -> Pool:
        """The connections of the stored ``credential``; None is the one that the settings name."""
        pool = self._pools.get(credential)
        if pool is None:
            pool = self._pools[credential] = Pool(
                self._settings,
                self._credentials.source(credential),
                workload=self._workload,
                changed=lambda: self._on_change(credential),
                survived=self._survived,
            )
        return pool

    def _on_change(self, credential: str | None) -> None:
        """Another credential may lead to another database, or to other rights: forget what was remembered."""
        for key in [key for key in self._scopes if key[0] == credential]:
            self._scopes.forget(key)
        if self._changed is not None:
            self._changed(credential)

    async def close(self) -> None:
        """Close the connections; the next use opens new ones. Never raises."""
        for pool in self._pools.values():
            await pool.close()
