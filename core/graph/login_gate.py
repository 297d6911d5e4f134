"""Only a few connections log in at a time, so that a wrong credential causes only a few refused logins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Entry", "LoginGate"]

_AT_ONCE = 2
"""Logins under way at once.

One less than the number of wrong logins in a row after which Neo4j locks the user out for seconds, even with the right
password (``dbms.security.auth_max_failed_attempts``, ``dbms.security.auth_lock_time``:
https://neo4j.com/docs/operations-manual/current/configuration/configuration-settings/ ).
"""


class Entry:
    """One session's place at the gate."""

    def __init__(self, gate: LoginGate, turn: asyncio.Semaphore | None) -> None:
        self._gate = gate
        self._turn = turn

    def logged_in(self) -> None:
        """The database accepted the session's connection: the next session may try."""
        turn = self._turn
        self.leave()
        if turn is not None:
            self._gate.connection_opened(turn)

    def leave(self) -> None:
        """The session is over, or its connection was accepted."""
        if self._turn is not None:
            self._turn.release()
            self._turn = None


class LoginGate:
    """Counts sessions and connections of one driver: a session beyond the open ones opens one and waits its turn.

    Until the first one is accepted, one at a time tries. An instance belongs to one event loop.
    """

    def __init__(self) -> None:
        self.sessions = 0
        self._connections = 0
        self._turns = asyncio.Semaphore(1)
        self._proven = False

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[Entry]:
        """A place for one session; left when the context is."""
        self.sessions += 1
        entry = None
        try:
            turn = self._turns if self.sessions > self._connections else None
            if turn is not None:
                await turn.acquire()
            entry = Entry(self, turn)
            yield entry
        finally:
            if entry is not None:
                entry.leave()
            self.sessions -= 1

    def suspect(self) -> None:
        """Reset the counts: connections are gone, or the database locks the user out."""
        self._connections = 0
        if self._proven:
            self._proven = False
            self._turns = asyncio.Semaphore(1)

    def connection_opened(self, turn: asyncio.Semaphore) -> None:
        """The database accepted a connection whose session had waited for ``turn``."""
        self._connections += 1
        if turn is self._turns and not self._proven:
            self._proven = True
            for _ in range(_AT_ONCE - 1):
                turn.release()
