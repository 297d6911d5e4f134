"""The last audit lines of each caller, for that caller alone."""

from __future__ import annotations

from collections import deque
from typing import Any

from core.identity.principal import Identity
from core.remembered import BoundedMap

__all__ = ["ABOUT_ME", "RecentCalls"]

ABOUT_ME = "page/me"
"""What the audit calls a look at the page's own data. Such lines are not kept: each look would push out a call."""

_LINES_KEPT = 20
_CALLERS_KEPT = 256

_SHOWN = (
    *("time", "request_id", "method", "tool", "statement_sha256", "statement", "parameters"),
    *("outcome", "reason", "rows", "bytes", "status", "duration_ms", "database_ms"),
)
"""What a caller sees of a line: what they did, and what became of it. How they were let in, the page says anyway."""

_LONGEST_STATEMENT = 300


class RecentCalls:
    """Keeps the last lines of the last callers, by the whole identity. An instance belongs to one event loop."""

    def __init__(self) -> None:
        self._lines: BoundedMap[Identity, deque[dict[str, Any]]] = BoundedMap(_CALLERS_KEPT)

    def keep(self, caller: Identity, line: dict[str, Any]) -> None:
        """Keep what ``caller`` may see of ``line`` of the audit."""
        if line.get("method") == ABOUT_ME:
            return
        shown = {name: line[name] for name in _SHOWN if name in line}
        if "statement" in shown:
            shown["statement"] = str(shown["statement"])[:_LONGEST_STATEMENT]
        lines = self._lines.get(caller)
        if lines is None:
            lines = self._lines[caller] = deque(maxlen=_LINES_KEPT)
        lines.append(shown)

    def of(self, caller: Identity) -> list[dict[str, Any]]:
        """The lines of ``caller``, the newest first."""
        return list(reversed(self._lines.get(caller) or ()))
