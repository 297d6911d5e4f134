"""Whether the database answers: asked often, checked seldom; and why not, for the operator."""

from __future__ import annotations

import logging
import time

from core.database_scopes import DatabaseScopes
from core.deadline import Deadline
from core.finding import Finding, first_failure
from core.graph.diagnosis import diagnose
from core.http import JSON_HEADERS, Request, Response, plain
from core.remembered import Lifetime, Refreshed

__all__ = ["Health"]

logger = logging.getLogger(__name__)

_KNOWN_FOR = 2.0
"""Seconds for which an answer is reused: anyone may ask, and asking must not become a load on the database."""

_QUIET_FOR = 60.0
"""Seconds for which the log is not told again why the database cannot be used."""

_DIAGNOSIS_SECONDS = 2.0
"""How much longer an answer may take, once a minute, for the operator to learn why."""


class Health:
    """Remembers for a moment whether the database answered; callers at the same time share one check."""

    def __init__(self, scopes: DatabaseScopes) -> None:
        self._scopes = scopes
        self._up = Refreshed(self._look, lambda up: Lifetime(_KNOWN_FOR, _KNOWN_FOR), what=None)
        self._quiet_until = 0.0

    async def _look(self) -> bool:
        up = await self._scopes.default.database.answers()
        if not up:
            await self.tell_why()
        return up

    async def answer(self, request: Request) -> Response:
        """The answer to ``request``: 200 if the database answered within the last moment, or does now; else 503."""
        if request.method not in ("GET", "HEAD"):
            return plain(405, "Ask for the health with GET.", "GET, HEAD")
        up = await self._up.get()
        body = b'{"status":"ok","database":"up"}' if up else b'{"status":"degraded","database":"down"}'
        return Response(200 if up else 503, dict(JSON_HEADERS), b"" if request.method == "HEAD" else body)

    async def diagnose(self, credential: str | None, deadline: Deadline) -> list[Finding]:
        """At which link the way to the database of the stored ``credential`` ends, if it does."""
        return await diagnose(self._scopes.pool(credential), deadline)

    async def tell_why(self, credential: str | None = None, deadline: Deadline | None = None) -> None:
        """Log why the database of the stored ``credential`` cannot be used: once a minute, for whoever operates it.

        It takes two seconds at most, and ends before ``deadline``. Never raises.
        """
        if time.monotonic() < self._quiet_until:
            return
        self._quiet_until = time.monotonic() + _QUIET_FOR
        latest = Deadline.after(_DIAGNOSIS_SECONDS)
        if deadline is not None:
            latest = deadline.sooner(_DIAGNOSIS_SECONDS)
        try:
            failure = first_failure(await self.diagnose(credential, latest))
        except Exception as error:  # noqa: BLE001 - the caller's answer is made already
            logger.error("why the database cannot be used was not found out: %s", type(error).__name__)
            return
        if failure is not None:
            logger.error("the database cannot be used (%s): %s", failure.link, failure.sentence())
