"""A value from elsewhere that is fetched when it is needed, remembered for a while, and never fetched twice at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.deadline import Deadline
from core.errors import Neo4jM2mError

__all__ = ["Lifetime", "Refreshed"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_RETRY_SECONDS = 5.0
"""How long a failed fetch keeps everybody from trying again: no caller can drive the place where the value is kept."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Seconds, counted from when the value was asked for.

    Until ``fresh`` it is used without asking; until ``usable`` it is used where no newer one can be had.
    """

    fresh: float
    usable: float


class Refreshed(Generic[T]):
    """Remembers what ``fetch`` answered, for as long as ``lifetime`` says of it.

    However many calls need it, one fetch is under way at the most. It belongs to the call that began it: if that call
    is cancelled, the next in the queue fetches. ``fetch`` raises `Neo4jM2mError` for what can go wrong, and bounds
    itself in time. ``clock`` is the time of day: the monotonic clock stands still in a function that its platform has
    frozen. A clock that was set back makes the value old. An instance belongs to one event loop.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[T]],
        lifetime: Callable[[T], Lifetime],
        *,
        what: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``what`` is how the log calls the value."""
        self._fetch = fetch
        self._lifetime = lifetime
        self._what = what
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._life = Lifetime(0, 0)
        self._asked_at = float("-inf")
        self._failed_at = float("-inf")
        self._failure: Neo4jM2mError | None = None
        self._generation = 0

    async def get(self) -> T:
        """The value, fresh; one that is still usable if no fresh one can be had.

        Raises:
            Neo4jM2mError: what ``fetch`` raised; for a few seconds after a failure, the same without a new try.
        """
        value = self._remembered(self._life.fresh)
        if value is not None:
            return value
        async with self._lock:
            value = self._remembered(self._life.fresh)
            if value is not None:
                return value
            if not self._within(_RETRY_SECONDS, self._failed_at) and await self._refresh():
                assert self._value is not None  # noqa: S101 - for the type checker
                return self._value
            value = self._remembered(self._life.usable)
            if value is not None:
                return value
            assert self._failure is not None  # noqa: S101 - for the type checker
            raise self._failure.with_traceback(None)

    async def other_than(self, value: T, patience: Deadline) -> T | None:
        """A value that differs from ``value``, fetched again and again until ``patience`` ends; None if there is none.

        At least one fetch is begun after this call, unless another call's brought one that differs; those who wait
        together ask together.
        """
        pause, asked = _FIRST_PAUSE, self._generation
        while True:
            async with self._lock:
                if self._value is not None and self._value != value:
                    return self._value
                if self._generation == asked:
                    await self._refresh()
                asked = self._generation
                if self._value is not None and self._value != value:
                    return self._value
            if patience.remaining() < pause:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def forget(self, value: T) -> None:
        """Use ``value`` no longer, if it is the one at hand: the next who needs one fetches."""
        if self._value == value:
            self._value = None

    def _remembered(self, seconds: float) -> T | None:
        return self._value if self._within(seconds, self._asked_at) else None

    def _within(self, seconds: float, since: float) -> bool:
        return 0 <= self._clock() - since < seconds

    async def _refresh(self) -> bool:
        """Fetch the value; whether it was had. What fails is noted: the value at hand stays."""
        self._generation += 1
        asked_at = self._clock()
        try:
            value = await self._fetch()
        except Neo4jM2mError as error:
            self._failure, self._failed_at = error, self._clock()
            logger.warning("%s could not be had: %s", self._what, error)
            return False
        self._value, self._asked_at, self._life = value, asked_at, self._lifetime(value)
        self._failed_at = float("-inf")
        return True
