"""What this server remembers: a value that is fetched again when it is old, and a map of limited size."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.deadline import Deadline
from core.errors import Neo4jM2mError

__all__ = ["BoundedMap", "Lifetime", "Refreshed"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_RETRY_SECONDS = 5.0
"""Seconds after a failed fetch in which nobody tries again: no caller can flood the place where the value is kept."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Seconds, counted from the moment when the fetch began.

    Until ``fresh`` the value is used without asking; until ``usable`` it is used if no newer one can be fetched. After
    a fetch has failed with an error that is `Neo4jM2mError.withdrawn`, it is used until ``withdrawn`` at most.
    """

    fresh: float
    usable: float
    withdrawn: float = 0.0


class Refreshed(Generic[T]):
    """Remembers what ``fetch`` answered, for as long as ``lifetime`` says; if that is None, not at all.

    However many calls need it, at most one fetch runs. It belongs to the call that began it: if that call is cancelled,
    the next one in the queue fetches. ``fetch`` raises `Neo4jM2mError` for expected failures, and limits its own time.
    ``clock`` is the time of day: the monotonic clock stands still in a function that its platform has
    frozen. If the clock is set back, the value counts as old. An instance belongs to one event loop.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[T]] | None,
        lifetime: Callable[[T], Lifetime | None],
        *,
        what: str | None,
        retry_seconds: float = _RETRY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``what`` names the value in logs of failures; None logs nothing. ``retry_seconds`` is how long nobody tries
        again after a failed fetch. ``fetch`` may be None if each `get` brings its own.
        """
        self._fetch = fetch
        self._lifetime = lifetime
        self._what = what
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._life = Lifetime(0, 0)
        self._asked_at = float("-inf")
        self._failed_at = float("-inf")
        self._failure: Neo4jM2mError | None = None
        self._withdrawn = False
        self._pause = _FIRST_PAUSE
        self._generation = 0

    async def get(
        self,
        *,
        suits: Callable[[T], bool] | None = None,
        fetch: Callable[[], Awaitable[T]] | None = None,
        patience: Deadline | None = None,
    ) -> T:
        """The value, fresh; one that is still usable if no fresh one can be fetched.

        A remembered value that ``suits`` rejects is fetched again. ``fetch`` replaces this instance's own, if fetching
        depends on the call. If there is no usable value, and the failure is transient, it is fetched again until
        ``patience`` ends, at longer and longer intervals, however many calls wait.

        Raises:
            Neo4jM2mError: what ``fetch`` raised; without ``patience``, for a few seconds after a failure, the same
                without a new try.
            TimeoutError: The first fetch had not ended when ``patience`` did.
        """
        retry_seconds = self._retry_seconds
        while True:
            try:
                async with asyncio.timeout(None if patience is None else max(0.0, patience.remaining())):
                    return await self._got(suits, fetch or self._fetch, retry_seconds)
            except TimeoutError:
                value = self._usable(suits)
                if value is not None:
                    return value
                if self._failure is None:
                    raise
                raise self._failure.with_traceback(None) from None
            except Neo4jM2mError as error:
                pause = min(max(0.0, self._failed_at + self._pause - self._clock()), self._pause)
                if patience is None or not error.transient or patience.remaining() < pause:
                    raise
            await asyncio.sleep(pause)
            retry_seconds = self._pause

    async def _got(
        self, suits: Callable[[T], bool] | None, fetch: Callable[[], Awaitable[T]] | None, retry_seconds: float
    ) -> T:
        value = self._remembered(self._life.fresh, suits)
        if value is not None:
            return value
        async with self._lock:
            value = self._remembered(self._life.fresh, suits)
            if value is not None:
                return value
            if not self._within(retry_seconds, self._failed_at):
                value = await self._refresh(fetch)
            if value is None:
                value = self._usable(suits)
            if value is not None:
                return value
            assert self._failure is not None  # noqa: S101 - for the type checker
            raise self._failure.with_traceback(None)

    async def other_than(self, value: T, patience: Deadline) -> T | None:
        """A value that differs from ``value``, fetched repeatedly until ``patience`` ends; None if none comes.

        At least one fetch begins after this call, unless another call's fetch brought a value that differs; calls that
        wait at the same time share a fetch.
        """
        pause, asked = _FIRST_PAUSE, self._generation
        while True:
            async with self._lock:
                if self._value is not None and self._value != value:
                    return self._value
                if self._generation == asked:
                    await self._refresh(self._fetch)
                asked = self._generation
                if self._value is not None and self._value != value:
                    return self._value
            if patience.remaining() < pause:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def forget(self, value: T) -> None:
        """Stop using ``value``, if it is the current one: the next caller fetches."""
        if self._value == value:
            self._value = None

    def _remembered(self, seconds: float, suits: Callable[[T], bool] | None) -> T | None:
        if self._value is None or not self._within(seconds, self._asked_at):
            return None
        return self._value if suits is None or suits(self._value) else None

    def _usable(self, suits: Callable[[T], bool] | None) -> T | None:
        return self._remembered(self._life.withdrawn if self._withdrawn else self._life.usable, suits)

    def _within(self, seconds: float, since: float) -> bool:
        return 0 <= self._clock() - since < seconds

    async def _refresh(self, fetch: Callable[[], Awaitable[T]] | None) -> T | None:
        """The value, fetched now; None if that failed. A failure is logged, and the old value stays."""
        self._generation += 1
        asked_at = self._clock()
        try:
            assert fetch is not None  # noqa: S101 - for the type checker
            value = await fetch()
        except Neo4jM2mError as error:
            self._pause = _FIRST_PAUSE if self._failed_at < 0 else min(2 * self._pause, _LONGEST_PAUSE)
            self._failure, self._failed_at = error, self._clock()
            # Only a value that is fetched again ends this: the place may be out of reach after it has said no.
            self._withdrawn = self._withdrawn or error.withdrawn
            if self._what is not None:
                logger.warning("%s could not be fetched: %s", self._what, error)
            return None
        life = self._lifetime(value)
        if life is not None:
            self._value, self._asked_at, self._life = value, asked_at, life
        self._withdrawn = False
        self._failed_at = float("-inf")
        return value


class BoundedMap(Generic[K, T]):
    """A map of at most ``most`` entries: if there are more, the least recently used one is forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[K, T] = OrderedDict()

    def get(self, key: K) -> T | None:
        """What is remembered under ``key``, or None. This counts as a use."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def __setitem__(self, key: K, value: T) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def forget(self, key: K) -> None:
        """Forget what is remembered under ``key``."""
        self._entries.pop(key, None)
