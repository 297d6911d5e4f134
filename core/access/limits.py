"""How much one caller may ask for: calls at the same time, calls a minute, seconds of the database's time a minute.

What is counted is kept in this process only. A platform that runs several instances of the server has a count in each
of them (docs/policy.md).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.errors import Neo4jM2mError
from core.identity.principal import Identity
from core.remembered import BoundedMap
from core.stopwatch import Stopwatch

__all__ = ["NO_LIMITS", "CallCounts", "CallLimits", "TooManyCalls"]

_MINUTE = 60

_CALLERS_KEPT = 4096

_SOON = 1.0
"""Seconds after which a caller may try again whose calls are too many at the same time: nobody knows their end."""


class TooManyCalls(Neo4jM2mError):
    """The caller has reached a limit of their rule: 429. ``retry_after`` is in seconds, one or more."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = max(1, math.ceil(retry_after))


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What each caller of a rule may have; None means no limit.

    ``concurrent`` calls at the same time, ``calls_per_minute``, and ``seconds_per_minute`` in which the caller's
    statements hold a connection to the database.
    """

    concurrent: int | None = None
    calls_per_minute: int | None = None
    seconds_per_minute: float | None = None


NO_LIMITS = CallLimits()


class CallCounts:
    """Counts the calls of each caller who has limits. An instance belongs to one event loop.

    ``clock`` is the time of day: the monotonic clock stands still in a function that its platform has frozen. What was
    counted before the clock was set back no longer counts.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._running: dict[Identity, set[Stopwatch]] = {}
        self._past: BoundedMap[Identity, _Past] = BoundedMap(_CALLERS_KEPT)

    @contextmanager
    def counted(self, caller: Identity, limits: CallLimits) -> Iterator[Stopwatch]:
        """Count what runs inside as one call of ``caller``, whose database time the stopwatch measures.

        A call that has begun runs to its end, also if it uses more database time than is left.

        Raises:
            TooManyCalls: ``limits`` allow no further call now. It is not counted.
        """
        database_time = Stopwatch()
        if limits == NO_LIMITS:
            yield database_time
            return
        past = self._past.get(caller)
        if past is None:
            past = self._past[caller] = _Past()
        running = self._running.get(caller, set())
        self._require_room(limits, running, past)
        past.calls.add(self._clock(), 1)
        self._running[caller] = {*running, database_time}
        try:
            yield database_time
        finally:
            past.seconds.add(self._clock(), database_time.seconds)
            left = self._running.pop(caller) - {database_time}
            if left:
                self._running[caller] = left

    def _require_room(self, limits: CallLimits, running: set[Stopwatch], past: _Past) -> None:
        now = self._clock()
        if limits.concurrent is not None and len(running) >= limits.concurrent:
            raise TooManyCalls(
                f"You have {len(running)} calls running, and may have {limits.concurrent} at the same time. Wait for "
                "their answers.",
                _SOON,
            )
        waits = []
        if limits.calls_per_minute is not None:
            wait = past.calls.seconds_until_below(limits.calls_per_minute, now)
            waits.append((wait, f"You may make {limits.calls_per_minute} calls a minute."))
        if limits.seconds_per_minute is not None:
            left = limits.seconds_per_minute - sum(stopwatch.seconds for stopwatch in running)
            wait = past.seconds.seconds_until_below(left, now)
            said = f"Your statements may use {limits.seconds_per_minute:g} seconds of the database's time a minute."
            waits.append((wait, said))
        wait, said = max(waits, default=(0.0, ""))
        if wait:
            raise TooManyCalls(f"{said} Try again in {math.ceil(wait)} s.", wait)


class _LastMinute:
    """What was added within the last sixty seconds, kept by the second: sixty-one numbers or fewer."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, float]] = deque()

    def add(self, now: float, amount: float) -> None:
        second = math.floor(now)
        self._forget(now)
        if self._kept and self._kept[-1][0] == second:
            amount += self._kept.pop()[1]
        self._kept.append((second, amount))

    def seconds_until_below(self, most: float, now: float) -> float:
        """Seconds until less than ``most`` is left of what was added; 0 if that is so now, a minute if it never is."""
        self._forget(now)
        total = sum(amount for _, amount in self._kept)
        if total < most:
            return 0.0
        for second, amount in self._kept:
            total -= amount
            if total < most:
                return second + 1 + _MINUTE - now
        return float(_MINUTE)

    def _forget(self, now: float) -> None:
        if self._kept and self._kept[-1][0] > now:
            self._kept.clear()
        while self._kept and self._kept[0][0] + 1 + _MINUTE <= now:
            self._kept.popleft()


@dataclass(slots=True)
class _Past:
    """What a caller has used within the last minute."""

    calls: _LastMinute = field(default_factory=_LastMinute)
    seconds: _LastMinute = field(default_factory=_LastMinute)
