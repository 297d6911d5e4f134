"""One line for every call: who, by which rule, did what, when, and what became of it.

A line is a JSON object. It holds no value of a parameter and no part of an answer; the statement's text only if the
operator asks for it, its SHA-256 always, so that equal statements are known as equal. A call that is refused has a
line, too. Lines are written at level INFO whatever the server's own log level is.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.http import ClientGone

if TYPE_CHECKING:
    from core.access.grant import Grant
    from core.identity.principal import Principal

__all__ = ["AUDIT_LOGGER", "AuditRecord", "AuditTrail", "Sink", "log_line"]

AUDIT_LOGGER = "neo4j_m2m.audit"

logger = logging.getLogger(__name__)

Sink = Callable[[dict[str, Any]], None]
"""Writes one line down."""

_LONGEST_NAME = 64
_NAMES_KEPT = 50
_LONGEST_REASON = 200


def log_line(line: dict[str, Any]) -> None:
    """Write ``line`` to the logger ``neo4j_m2m.audit``, as one line of JSON."""
    audit = logging.getLogger(AUDIT_LOGGER)
    if audit.level == logging.NOTSET:
        audit.setLevel(logging.INFO)
    audit.info("%s", json.dumps(line, separators=(",", ":")))


class AuditRecord:
    """What the audit says of one call: filled in as things become known, written as one line when the call is over."""

    def __init__(self, request_id: str, *, statements: bool) -> None:
        self.fields: dict[str, Any] = {"request_id": request_id}
        self.is_call = True
        self._statements = statements

    @property
    def has_outcome(self) -> bool:
        """Whether it is said what became of the call."""
        return "outcome" in self.fields

    def no_call(self) -> None:
        """The request is not a call: it asked for something that anyone may know. No line is written."""
        self.is_call = False

    def caller(self, principal: Principal) -> None:
        """Who calls is proved."""
        self.fields["platform"] = principal.platform
        self.fields["principal"] = {
            "id": principal.id,
            "kind": principal.kind,
            **({"tenant": principal.tenant} if principal.tenant else {}),
            "proved_by": principal.proved_by,
        }

    def granted(self, grant: Grant) -> None:
        """What the caller may do is decided."""
        self.fields["rule"] = grant.rule
        if grant.credential is not None:
            self.fields["credential"] = grant.credential

    def asked(self, method: str) -> None:
        """Which method of the protocol is asked for."""
        self.fields["method"] = method[:_LONGEST_NAME]

    def tool(self, name: str, arguments: Mapping[str, Any], *, cypher: bool) -> None:
        """Which tool is called; with ``cypher``, one whose ``query`` is a statement and whose ``params`` it takes."""
        self.fields["tool"] = name[:_LONGEST_NAME]
        statement, parameters = arguments.get("query"), arguments.get("params")
        if cypher and isinstance(statement, str):
            self.fields["statement_sha256"] = hashlib.sha256(statement.encode("utf-8", "replace")).hexdigest()
            if self._statements:
                self.fields["statement"] = statement
        names = parameters if cypher else arguments
        if isinstance(names, Mapping):
            self.fields["parameters"] = [str(name)[:_LONGEST_NAME] for name in sorted(names)[:_NAMES_KEPT]]

    def answered(self, outcome: str, *, rows: int | None = None) -> None:
        """What became of the call, in one word; ``rows`` if it answered rows."""
        self.fields["outcome"] = outcome
        if rows is not None:
            self.fields["rows"] = rows

    def refused(self, outcome: str, reason: str) -> None:
        """The call ended before a tool was reached; ``reason`` is what the caller was told."""
        self.fields["outcome"] = outcome
        self.fields["reason"] = reason.strip()[:_LONGEST_REASON]

    def sent(self, size: int, status: int | None = None) -> None:
        """How long the answer is, in bytes, and its HTTP status."""
        self.fields["bytes"] = size
        if status is not None:
            self.fields["status"] = status


class AuditTrail:
    """Opens a record for each call and hands its line to ``sink`` when the call is over."""

    def __init__(self, sink: Sink = log_line, *, statements: bool = False) -> None:
        self._sink = sink
        self._statements = statements

    @contextmanager
    def record(self, request_id: str) -> Iterator[AuditRecord]:
        """The record of the call that is answered inside; its line is written however that ends."""
        record = AuditRecord(request_id, statements=self._statements)
        begun, at = time.perf_counter(), datetime.now(UTC)
        try:
            yield record
        except (CancelledError, ClientGone):
            record.fields["outcome"] = "cancelled"
            raise
        except BaseException:
            record.fields["outcome"] = "failed"
            raise
        finally:
            duration = round((time.perf_counter() - begun) * 1000, 1)
            if record.is_call:
                self._write("call", at, {**record.fields, "duration_ms": duration})

    def event(self, name: str, **fields: Any) -> None:
        """Something that concerns no single call: its name, and what is known of it."""
        self._write(name, datetime.now(UTC), fields)

    def _write(self, event: str, at: datetime, fields: dict[str, Any]) -> None:
        try:
            self._sink({"audit": event, "time": at.isoformat(timespec="milliseconds"), **fields})
        except Exception as error:  # noqa: BLE001 - a full disk must not turn an answer that was given into none
            logger.error("an audit line could not be written: %s", type(error).__name__)
