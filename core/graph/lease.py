"""A session that one call has for itself, on the driver that the pool has at that time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.graph.login_gate import Entry, LoginGate

if TYPE_CHECKING:
    from neo4j import AsyncDriver, AsyncResult, AsyncSession, AsyncTransaction, Query
    from neo4j.exceptions import Neo4jError

    from core.credentials.database_auth import DatabaseAuth, Login
    from core.credentials.sources import CredentialVersion

__all__ = ["Connected", "Lease", "LoginRefused"]


@dataclass(eq=False)
class Connected:
    """A driver, and the credential that it was made with."""

    known: CredentialVersion
    driver: AsyncDriver
    auth: DatabaseAuth
    gate: LoginGate = field(default_factory=LoginGate)
    last_use: float = 0.0
    retired: bool = False


class LoginRefused(Exception):
    """The database refused a login. Only for `Pool.recover`; it never leaves this package."""

    def __init__(self, connected: Connected, login: Login, error: Neo4jError) -> None:
        super().__init__(error.code)
        self.connected = connected
        self.login = login
        self.error = error


class Lease:
    """A session, to run one statement in. It opens a connection only when the statement runs."""

    def __init__(self, session: AsyncSession, entry: Entry) -> None:
        self._session = session
        self._entry = entry

    async def run(self, query: Query, parameters: dict[str, Any]) -> AsyncResult:
        """Run ``query`` in an auto-commit transaction."""
        result = await self._session.run(query, parameters)
        self._entry.logged_in()
        return result

    async def begin(self, **options: Any) -> AsyncTransaction:
        """Begin a transaction, with the driver's ``options``."""
        transaction = await self._session.begin_transaction(**options)
        self._entry.logged_in()
        return transaction

    def cancel(self) -> None:
        """Drop the connection instead of giving it back."""
        self._session.cancel()
