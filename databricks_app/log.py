"""The app's log: one JSON object per line on stdout, where the platform collects it."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

__all__ = ["REQUEST_ID", "log_as_json", "write_down"]

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered."""

_AUDIT = logging.getLogger("neo4j_m2m.audit")

_TALKATIVE = ("neo4j", "uvicorn", "databricks", "urllib3")


class _JsonFormatter(logging.Formatter):
    """The content of a record, without the text of an exception, which may hold a credential."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = getattr(record, "audit_line", None) or {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
        request_id = REQUEST_ID.get()
        if request_id is not None:
            line.setdefault("request_id", request_id)
        return json.dumps(line, ensure_ascii=False)


def log_as_json(level: str) -> None:
    """Log to stdout from now on. ``level`` does not apply to the audit: all its lines are written."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _AUDIT.handlers[:] = []
    _AUDIT.propagate = True
    _AUDIT.setLevel(logging.INFO)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def write_down(line: dict[str, Any]) -> None:
    """Write a line of the audit: an object of its own, with the audit's own names."""
    _AUDIT.info("%s", line["audit"], extra={"audit_line": {**line, "level": "INFO"}})
