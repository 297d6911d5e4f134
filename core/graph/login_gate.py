"""Only a few connections log in at a time, so that a wrong credential causes only a few refused logins."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from neo4j.exceptions import Neo4jError

from core.graph.login_failures import is_lockout, is_login_refused

if TYPE_CHECKING:
    from neo4j import AsyncDriver

__all__ = ["Entry", "LoginGate", "LoginWithheld"]

logger = logging.getLogger(__name__)

_LOCKOUT_PAUSE = 1.5
_NEXT_LOCKOUT_PAUSES = (3.5, 6.5)
"""Seconds from a lockout, which lasts five by default, to the next attempt: at first, and from then on.

If the password was changed, whoever tries the former one locks the user out again. So the later pauses are long, and
differ: a server that has the right password finds a gap.
"""

_AT_ONCE = 2
"""Logins under way at once.

One less than the number of wrong logins in a row after which Neo4j locks the user out for seconds, even with the right
password (``dbms.security.auth_max_failed_attempts``, ``dbms.security.auth_lock_time``:
https://neo4j.com/docs/operations-manual/current/configuration/configuration-settings/ ).
"""


class LoginWithheld(Exception):
    """A login was not tried, because the database has refused the same one a moment ago, with ``error``."""

    def __init__(self, error: Neo4jError) -> None:
        super().__init__(error.code)
        self.error = error


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

    Until the first one is accepted, one at a time tries. A session that counted on an open connection may have to open
    one after all, if connections break; so what the driver opens passes this gate, too (`guard`). An instance belongs
    to one event loop.
    """

    def __init__(self) -> None:
        self.quiet_until = 0.0
        self._refused: Neo4jError | None = None
        self._locked_out: Neo4jError | None = None
        self._logins = asyncio.Semaphore(_AT_ONCE)
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

    def guard(self, driver: AsyncDriver, *, constant: bool) -> bool:
        """Let what ``driver`` opens pass this gate; returns whether that is possible with this version of the driver.

        A new connection then raises `LoginWithheld` while a lockout may last, and, if the login is ``constant``, after
        the database has refused it: each further attempt would count against the user.

        The driver (6.4) has no public place for this: a private name, in this function alone. A test says whether it
        still holds.
        """
        pool: Any = getattr(driver, "_pool", None)
        opener = getattr(pool, "opener", None)
        if opener is None:
            logger.warning("this version of the driver does not let logins be counted")
            return False

        async def opened(*arguments: Any, **named: Any) -> Any:
            async with self._logins:
                withheld = self._refused if time.monotonic() >= self.quiet_until else self._locked_out
                if withheld is not None:
                    raise LoginWithheld(withheld)
                try:
                    connection = await opener(*arguments, **named)
                except Neo4jError as error:
                    if constant and is_login_refused(error):
                        self._refused = error
                    elif is_lockout(error):
                        self.lock_out(error)
                    raise
                self.quiet_until = 0.0
                return connection

        pool.opener = opened
        return True

    def lock_out(self, error: Neo4jError) -> None:
        """The database locks the user out: nothing is tried until ``quiet_until``, on the monotonic clock."""
        self._locked_out = error
        now = time.monotonic()
        if self.quiet_until <= now:
            pause = random.uniform(*_NEXT_LOCKOUT_PAUSES) if self.quiet_until else _LOCKOUT_PAUSE  # noqa: S311 - no secret
            self.quiet_until = now + pause

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
