"""Whether the database answers, asked often and found out seldom."""

from __future__ import annotations

import asyncio
import time

from core.database_scopes import DatabaseScopes

__all__ = ["Health"]

_KNOWN_FOR = 2.0
"""Seconds for which an answer is good: anyone may ask, so asking must not become a load on the database."""


class Health:
    """Remembers for a moment whether the database answered; callers that come together share one look."""

    def __init__(self, scopes: DatabaseScopes) -> None:
        self._scopes = scopes
        self._lock = asyncio.Lock()
        self._looked_at = -_KNOWN_FOR
        self._up = False

    async def database_answers(self) -> bool:
        """Whether the database answered within the last moment, or does now. Never raises."""
        async with self._lock:
            if time.monotonic() - self._looked_at >= _KNOWN_FOR:
                self._up = await self._scopes.default.database.answers()
                self._looked_at = time.monotonic()
            return self._up
