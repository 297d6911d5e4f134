"""Statements that still run in the database after they were told to stop.

The database ends a transaction cooperatively: a list comprehension or a regular expression may not look whether it has
been told to stop, and keeps a processor busy (docs/guard.md). Nothing outside of the database can end it. So nobody is
told that a statement has ended unless that was seen, and what runs on is counted for its caller.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from neo4j.exceptions import DriverError, Neo4jError

from core.deadline import Deadline
from core.errors import DeadlineExceeded, Neo4jM2mError, TooManySurvivors
from core.identity.principal import Identity
from core.origin import Origin
from core.remembered import BoundedMap

__all__ = ["RunStatement", "Survivors"]

logger = logging.getLogger(__name__)

RunStatement = Callable[[str, dict[str, Any], Deadline], Awaitable[list[list[Any]]]]
"""The rows of a statement of this server's own, asked on a connection that no caller waits for."""

_RUNNING = (
    "SHOW TRANSACTIONS YIELD metaData WHERE metaData.request_id IN $requests "
    "RETURN DISTINCT metaData.request_id AS request"
)
"""Which of the statements of ``$requests`` still run. A user sees their own transactions, whatever their rights.

Source: https://neo4j.com/docs/cypher-manual/current/clauses/transaction-clauses/#query-listing-transactions .
"""

_LOOK_SECONDS = 0.8
"""How long a look may take: a call's answer waits for it after the call's time is up."""

_PAUSE = 0.1
"""Seconds between two looks: most statements end at once when they are told to."""

_LOOK_AGAIN_SECONDS = 2.0
_CALLERS_KEPT = 1024
_MOST_OF_ONE = 100


class Survivors:
    """Remembers by caller which requests left a statement behind. An instance belongs to one event loop."""

    def __init__(self, ask: RunStatement, *, most: int, noticed: Callable[[Origin], None] | None = None) -> None:
        """``most`` statements may a caller leave running before their next ones are refused; ``noticed`` is told the
        origin of each that is seen to run on.
        """
        self._ask = ask
        self._most = most
        self._noticed = noticed
        self._requests: BoundedMap[Identity, dict[str, None]] = BoundedMap(_CALLERS_KEPT)
        self._looked_at: BoundedMap[Identity, float] = BoundedMap(_CALLERS_KEPT)

    async def require_few(self, caller: Identity) -> None:
        """Return if ``caller`` has left few statements running.

        Raises:
            TooManySurvivors: They have left too many.
        """
        left = await self._left(caller)
        if left >= self._most:
            raise TooManySurvivors(
                f"{left} of your earlier statements still run in the database, though they were told to stop, so this "
                "one was not run. Try again when they have ended, with statements that do less."
            )

    async def left_by(self, caller: Identity) -> list[str]:
        """The requests of ``caller`` whose statements were seen to run on, by a look a few seconds old at most."""
        await self._left(caller)
        return list(self._requests.get(caller) or ())

    async def explained(self, error: DeadlineExceeded, origin: Origin | None) -> DeadlineExceeded:
        """``error`` of a statement that was running, with what became of the statement, as far as that was seen."""
        request = None if origin is None else origin.request_id
        running = None if request is None else await self._still_running(request)
        if running is None:
            state = "The database was told to stop the statement; whether it has stopped was not seen."
        elif not running:
            state = "The statement was stopped."
        else:
            state = "The database was told to stop the statement, and it still runs there."
            assert origin is not None  # noqa: S101 - for the type checker
            self._note(origin)
        return DeadlineExceeded(f"{error} {state}")

    async def _still_running(self, request: str) -> bool | None:
        """Whether the statement of ``request`` runs on for a while; None where that cannot be found out."""
        until = Deadline.after(_LOOK_SECONDS)
        running = None
        while until.remaining() > _PAUSE:
            found = await self._running([request], until)
            if found is None:
                break
            running = bool(found)
            if not running:
                break
            await asyncio.sleep(_PAUSE)
        return running

    def _note(self, origin: Origin) -> None:
        caller = origin.principal.identity
        known = self._requests.get(caller) or {}
        known[origin.request_id] = None
        while len(known) > _MOST_OF_ONE:
            known.pop(next(iter(known)))
        self._requests[caller] = known
        self._looked_at[caller] = time.monotonic()
        logger.warning("the statement of request %s still runs though it was told to stop", origin.request_id)
        if self._noticed is not None:
            self._noticed(origin)

    async def _left(self, caller: Identity) -> int:
        """How many statements of ``caller`` run on, by a look that is at most a few seconds old."""
        known = self._requests.get(caller)
        if not known:
            return 0
        if time.monotonic() - (self._looked_at.get(caller) or 0.0) >= _LOOK_AGAIN_SECONDS:
            self._looked_at[caller] = time.monotonic()
            running = await self._running(list(known), Deadline.after(_LOOK_SECONDS))
            if running is not None:
                for request in known.keys() - running:
                    known.pop(request, None)
        return len(known)

    async def _running(self, requests: list[str], until: Deadline) -> set[str] | None:
        try:
            rows = await self._ask(_RUNNING, {"requests": requests}, until)
        except (Neo4jError, DriverError, Neo4jM2mError) as error:
            logger.info("whether a statement has stopped could not be seen: %s", type(error).__name__)
            return None
        return {str(row[0]) for row in rows}
