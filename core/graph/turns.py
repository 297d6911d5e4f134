"""Whose statement runs next: no caller can keep all connections from the others.

A caller with many statements at once may use every connection but a few, which are kept for callers who have none in
use. What is freed goes to whoever uses the fewest. This holds within one process: each has a pool of its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Turns"]

_KEPT_FREE = 2
"""Connections that are kept for callers who use none; of small pools a quarter, rounded down."""


@dataclass(eq=False, slots=True)
class _Waiting:
    caller: Hashable
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """Lets in as many statements at once as there are ``places``. An instance belongs to one event loop."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._kept_free = min(_KEPT_FREE, places // 4)
        self._used: Counter[Hashable] = Counter()
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def turn(self, caller: Hashable) -> AsyncIterator[None]:
        """Run what is inside once it is the turn of ``caller``."""
        if self._waiting or not self._may_enter(caller):
            await self._wait(caller)
        else:
            self._used[caller] += 1
        try:
            yield
        finally:
            self._leave(caller)

    async def _wait(self, caller: Hashable) -> None:
        waiting = _Waiting(caller)
        self._waiting.append(waiting)
        self._admit()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self._leave(caller)
            raise

    def _leave(self, caller: Hashable) -> None:
        self._used[caller] -= 1
        if not self._used[caller]:
            del self._used[caller]
        self._admit()

    def _may_enter(self, caller: Hashable) -> bool:
        places = self._places - (self._kept_free if self._used[caller] else 0)
        return self._used.total() < places

    def _admit(self) -> None:
        """Let in who may enter: those who use the fewest connections first, of these who waited longest."""
        while True:
            admissible = [waiting for waiting in self._waiting if self._may_enter(waiting.caller)]
            if not admissible:
                return
            chosen = min(admissible, key=lambda waiting: self._used[waiting.caller])
            self._waiting.remove(chosen)
            self._used[chosen.caller] += 1
            if not chosen.turn.done():
                chosen.turn.set_result(None)
