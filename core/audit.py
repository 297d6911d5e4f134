"""One line for every call: who did what, when, allowed by which rule, and with what outcome.

A line is a JSON object. It holds no parameter value and no part of an answer. It always has the statement's SHA-256, by
which equal statements are recognized; it has the statement's text only if the operator asks for it. Refused calls have
a line, too. Lines are written at level INFO, whatever the server's own log level is.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.http import ClientGone, Response

if TYPE_CHECKING:
    from core.access.grant import Grant
    from core.identity.principal import Identity, Principal
    from core.origin import Origin
    from core.stopwatch import Stopwatch
    from core.telemetry import Telemetry

__all__ = ["AUDIT_LOGGER", "AuditRecord", "AuditTrail", "Keep", "Sink", "log_line"]

AUDIT_LOGGER = "neo4j_m2m.audit"

logger = logging.getLogger(__name__)

Sink = Callable[[dict[str, Any]], None]
"""Writes one line."""

Keep = Callable[["Identity", dict[str, Any]], None]
"""Keeps the line of a call, for the caller whose identity was proved."""

_LONGEST_NAME = 64
_NAMES_KEPT = 50
_LONGEST_REASON = 200

_REFUSALS = {401: "unauthenticated", 403: "forbidden", 503: "unavailable"}


def log_line(line: dict[str, Any]) -> None:
    """Write ``line`` to the logger ``neo4j_m2m.audit``, as one line of JSON."""
    audit = logging.getLogger(AUDIT_LOGGER)
    if audit.level == logging.NOTSET:
        audit.setLevel(logging.INFO)
    audit.info("%s", json.dumps(line, separators=(",", ":")))


class AuditRecord:
    """The audit's record of one call: filled in step by step, written as one line when the call is over."""

    def __init__(self, request_id: str, *, statements: bool) -> None:
        self.fields: dict[str, Any] = {"request_id": request_id}
        self.is_call = True
        self.identity: Identity | None = None
        self._statements = statements

    @property
    def outcome(self) -> str | None:
        """What became of the call, in one word; None while that is not said."""
        outcome: str | None = self.fields.get("outcome")
        return outcome

    @property
    def has_outcome(self) -> bool:
        """Whether the outcome of the call is noted."""
        return "outcome" in self.fields

    def no_call(self) -> None:
        """The request is not a call, it asked for something public: write no line."""
        self.is_call = False

    def caller(self, principal: Principal) -> None:
        """Note the caller, whose identity is proved."""
        self.identity = principal.identity
        self.fields["platform"] = principal.platform
        self.fields["principal"] = {
            "id": principal.id,
            "kind": principal.kind,
            **({"tenant": principal.tenant} if principal.tenant else {}),
            **({"blueprint": principal.blueprint} if principal.blueprint else {}),
            "proved_by": principal.proved_by,
        }

    def granted(self, grant: Grant) -> None:
        """Note what the caller may do."""
        self.fields["rule"] = grant.rule
        if grant.credential is not None:
            self.fields["credential"] = grant.credential

    def asked(self, method: str) -> None:
        """Note which protocol method is called."""
        self.fields["method"] = method[:_LONGEST_NAME]

    def tool(self, name: str, arguments: Mapping[str, Any], *, cypher: bool) -> None:
        """Note the called tool. With ``cypher``, its ``query`` is a statement and its ``params`` are the parameters."""
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
        """Note the outcome of the call, in one word, and the number of ``rows`` if it answered any."""
        self.fields["outcome"] = outcome
        if rows is not None:
            self.fields["rows"] = rows

    def refused(self, outcome: str, reason: str) -> None:
        """Note that the call ended before it reached a tool; ``reason`` is what the caller was told."""
        self.fields["outcome"] = outcome
        self.fields["reason"] = reason.strip()[:_LONGEST_REASON]

    def used(self, database_time: Stopwatch) -> None:
        """Note how long the call held connections to the database, if it did."""
        if database_time.seconds:
            self.fields["database_ms"] = round(database_time.seconds * 1000, 1)

    def sent(self, size: int) -> None:
        """Note the size of the answer, in bytes."""
        self.fields["bytes"] = size

    def responded(self, response: Response) -> None:
        """Note the HTTP response to the call; its outcome, too, if neither a tool nor a protocol method noted one."""
        self.sent(len(response.body))
        self.fields["status"] = response.status
        if self.has_outcome:
            return
        if response.status < 400:
            self.answered("ok")
        elif response.reason is not None:
            self.refused(_REFUSALS.get(response.status, "refused"), response.reason)
        else:
            self.answered("protocol_error")


class AuditTrail:
    """Opens a record for each call and hands its line to ``sink`` when the call is over."""

    def __init__(
        self,
        sink: Sink = log_line,
        *,
        statements: bool = False,
        telemetry: Telemetry | None = None,
        keep: Keep | None = None,
    ) -> None:
        """``telemetry`` makes a span of each call and counts it. ``keep`` gets the lines of callers who are known."""
        self._sink = sink
        self._statements = statements
        self._telemetry = telemetry
        self._keep = keep

    @contextmanager
    def record(self, request_id: str, headers: Iterable[tuple[str, str]] = ()) -> Iterator[AuditRecord]:
        """The record of the call that is answered inside; its line is written in any case.

        ``headers`` of the request (lower case) may name the span that it belongs to.
        """
        record = AuditRecord(request_id, statements=self._statements)
        if self._telemetry is None:
            with self._written(record):
                yield record
        else:
            with self._telemetry.call(record, dict(headers)), self._written(record):
                yield record

    @contextmanager
    def _written(self, record: AuditRecord) -> Iterator[None]:
        begun, at = time.perf_counter(), datetime.now(UTC)
        try:
            yield
        except (CancelledError, ClientGone):
            record.fields["outcome"] = "cancelled"
            raise
        except BaseException:
            record.fields["outcome"] = "failed"
            raise
        finally:
            duration = round((time.perf_counter() - begun) * 1000, 1)
            if record.is_call:
                line = self._write("call", at, {**record.fields, "duration_ms": duration})
                if self._keep is not None and record.identity is not None:
                    self._keep(record.identity, line)

    def credential_changed(self, name: str | None) -> None:
        """Write that the login to the database has changed, of the credential ``name``; None is the default one."""
        self._event("credential_changed", credential=name or "default")

    def statement_survived(self, origin: Origin) -> None:
        """Write that a statement of the call ``origin`` runs on in the database, though it was told to stop."""
        caller = origin.principal
        self._event(
            "statement_survived", request_id=origin.request_id, tool=origin.tool, platform=caller.platform, id=caller.id
        )

    def _event(self, name: str, **fields: Any) -> None:
        """Write a line about something that belongs to no single call: its name, and what is known about it."""
        self._write(name, datetime.now(UTC), fields)

    def _write(self, event: str, at: datetime, fields: dict[str, Any]) -> dict[str, Any]:
        line = {"audit": event, "time": at.isoformat(timespec="milliseconds"), **fields}
        try:
            self._sink(line)
        except Exception as error:  # noqa: BLE001 - a full disk must not turn an answer that was given into none
            logger.error("an audit line could not be written: %s", type(error).__name__)
        return line
