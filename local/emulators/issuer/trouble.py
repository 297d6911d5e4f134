"""Trouble at the token endpoint, requested by tests for the next requests: overload, faults, slowness."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

__all__ = ["Trouble", "Troubles"]


@dataclass(frozen=True)
class Trouble:
    """What happens to one token request: it waits for ``seconds``, then gets ``status``, or the usual answer if None.

    ``status`` is 429 or one of 500 to 599. ``retry_after`` is that header's value: seconds, or an HTTP date
    (RFC 9110 section 10.2.3). To refuse a client, see `Issuer.rotate_secret`.

    Raises:
        ValueError: The status is another one, the seconds are negative, or nothing would happen.
    """

    status: int | None = None
    retry_after: int | str | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.status is not None and self.status != 429 and not 500 <= self.status <= 599:
            raise ValueError(f"the status of trouble is 429 or 500 to 599, not {self.status}")
        if self.seconds < 0 or (self.status is None and not self.seconds):
            raise ValueError("trouble has a status, or seconds above 0 to wait, or both")


class Troubles:
    """Future troubles, in their order, each for one request. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead: deque[Trouble] = deque()

    def add(self, trouble: Trouble, *, times: int = 1) -> None:
        """Let ``trouble`` happen to ``times`` more requests, after those already in the queue."""
        with self._lock:
            self._ahead.extend([trouble] * times)

    def take(self) -> Trouble | None:
        """The trouble of the current request, if it has any."""
        with self._lock:
            return self._ahead.popleft() if self._ahead else None

    def clear(self) -> None:
        """No more trouble from the next request on."""
        with self._lock:
            self._ahead.clear()

    def __len__(self) -> int:
        """How many requests still have trouble ahead."""
        return len(self._ahead)
