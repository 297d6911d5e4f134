"""How long something has taken so far, in one or several stretches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Stopwatch"]


class Stopwatch:
    """Adds up the seconds of its stretches; two at the same time count twice."""

    def __init__(self) -> None:
        self._ended = 0.0
        self._begun: dict[object, float] = {}

    @property
    def seconds(self) -> float:
        """What is measured so far, stretches that still run included."""
        now = time.monotonic()
        return self._ended + sum(now - begun for begun in self._begun.values())

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what runs inside, however it ends."""
        stretch = object()
        self._begun[stretch] = time.monotonic()
        try:
            yield
        finally:
            self._ended += time.monotonic() - self._begun.pop(stretch)
