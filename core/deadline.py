"""The time by which an answer must be sent, and how it is enforced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.errors import DeadlineExceeded

__all__ = ["Deadline"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time by which an answer must be sent. ``at`` is in seconds of `time.monotonic`."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds that are left; never negative."""
        return max(0.0, self.at - time.monotonic())

    def sooner(self, seconds: float | None) -> Deadline:
        """This deadline, or the one ``seconds`` from now if that comes first."""
        return self if seconds is None else Deadline(min(self.at, time.monotonic() + seconds))

    @asynccontextmanager
    async def enforced(self) -> AsyncIterator[None]:
        """Cancel what runs inside when the time is up.

        Raises:
            DeadlineExceeded: The time was up. A connection to the database that was in use is dropped by the driver
                when its task is cancelled, so a statement that hangs cannot hang the next call.
        """
        scope = asyncio.timeout(self.remaining())
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise DeadlineExceeded(
                "The call's time was up before the database had answered. "
                "Ask for less: match on an indexed property, add a LIMIT, or aggregate in the statement."
            ) from None
