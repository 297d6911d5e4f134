"""Whether the database answers: asked often, checked seldom."""

from __future__ import annotations

from core.database_scopes import DatabaseScopes
from core.remembered import Lifetime, Refreshed

__all__ = ["Health"]

_KNOWN_FOR = 2.0
"""Seconds for which an answer is reused: anyone may ask, and asking must not become a load on the database."""


class Health:
    """Remembers for a moment whether the database answered; callers at the same time share one check."""

    def __init__(self, scopes: DatabaseScopes) -> None:
        self._scopes = scopes
        self._up = Refreshed(self._look, lambda up: Lifetime(_KNOWN_FOR, _KNOWN_FOR), what=None)

    async def _look(self) -> bool:
        return await self._scopes.default.database.answers()

    async def database_answers(self) -> bool:
        """Whether the database answered within the last moment, or does now. Never raises."""
        return await self._up.get()
