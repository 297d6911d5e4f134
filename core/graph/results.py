"""What statements answer, cut while it streams, so that neither this server nor the agent ever holds too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from core.graph.record_reader import record_reader
from core.values.exact_values import keep_exact_values
from core.values.plain_json import Form, json_size, to_json

if TYPE_CHECKING:
    from neo4j import AsyncResult, ResultSummary

__all__ = ["Explanation", "Limits", "ReadResult", "RowCollector", "WriteResult", "collect", "warnings_of"]

_BYTES_FOR_ONE = 3
"""Bytes of Bolt for one byte of JSON, and more: a number that JSON writes as ``1.0,`` has nine."""

_MOST_FOR_ONE = 10
"""One byte of a Bolt record that carries only `_SCALARS` becomes no more bytes of JSON than this.

A control character takes six. A date and time of five bytes takes 41: exact values arrive as their text, so they are
among the scalars. A row's brackets are less than what its message has of framing.
"""

_SCALARS = frozenset({str, int, float, bool, type(None)})

_LARGEST_RECORD_AT_LEAST = 64 * 1024
"""Bytes of Bolt that one record may have whatever the limit: its own framing, and what an answer leaves out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one answer: ``rows``, and ``bytes`` of JSON for all rows together.

    ``whole_lists`` and ``integers_as_text`` are those of `core.values.plain_json.Form`.
    """

    rows: int
    bytes: int
    whole_lists: bool = True
    integers_as_text: bool = False


@dataclass(frozen=True, slots=True)
class ReadResult:
    """The answer of a read: ``rows`` are arrays in the order of ``columns``, values in JSON form.

    ``cut_by`` names the limit that ended the answer early; None if the answer is complete. ``elided`` counts the long
    lists of numbers that the limits leave out. ``warnings`` are the database's notifications about the statement, each
    with ``code``, ``severity`` and ``text``; they come with the end of a complete answer.
    """

    columns: list[str]
    rows: list[list[Any]]
    cut_by: Literal["rows", "bytes"] | None
    elided: int = 0
    warnings: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The outcome of a write: as a `ReadResult`, and ``counters`` of the changes, without zeros."""

    columns: list[str]
    rows: list[list[Any]]
    cut_by: Literal["rows", "bytes"] | None
    counters: dict[str, int]
    elided: int = 0
    warnings: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A statement as the database plans it.

    ``query_type`` is ``r``, ``w``, ``rw`` or ``s``. ``plan`` is the tree of operators, each with ``operatorType``
    (``Name@database``), ``args`` and ``children``. ``database`` is what this server reads, as plans name it.
    ``warnings`` are the database's notifications, each with ``code``, ``severity`` and ``text``.
    """

    query_type: str
    plan: dict[str, Any]
    database: str
    warnings: list[dict[str, str]]


@dataclass(slots=True)
class RowCollector:
    """Takes records one at a time until a limit is reached.

    To write each row as JSON, to know its bytes, takes longer than anything else here. Rows that cannot reach the limit
    whatever they hold are counted together, and written only if later rows come near to it.
    """

    limits: Limits
    rows: list[list[Any]] = field(default_factory=list)
    cut_by: Literal["rows", "bytes"] | None = None

    _size: int = 0
    _measured: int = 0
    _at_most: int = 0
    _largest: int = 0
    _form: Form = field(init=False)

    def __post_init__(self) -> None:
        self._form = Form(self.limits.whole_lists, self.limits.integers_as_text)

    @property
    def size(self) -> int:
        """The bytes of the rows as JSON."""
        self._measure()
        return self._size

    @property
    def elided(self) -> int:
        """How many long lists of numbers the rows leave out."""
        return self._form.elided

    def add(self, values: Sequence[Any], carried: int | None = None) -> bool:
        """Take the values of one record, which Bolt ``carried`` in so many bytes, if that is known.

        False once a limit is reached; that record is left out.
        """
        if len(self.rows) >= self.limits.rows:
            self.cut_by = "rows"
            return False
        form = self._form
        elided = form.elided
        row = [to_json(value, 0, form) for value in values]
        if carried is not None and _SCALARS.issuperset(map(type, values)):
            at_most = self._at_most + _MOST_FOR_ONE * carried
            if self._size + at_most <= self.limits.bytes:
                self._at_most = at_most
                self.rows.append(row)
                return True
        self._measure()
        size = self._bytes_of(row)
        if self._size + size > self.limits.bytes:
            self.cut_by = "bytes"
            form.elided = elided
            return False
        self._size += size
        self.rows.append(row)
        self._measured = len(self.rows)
        return True

    def _measure(self) -> None:
        """Count the bytes of the rows that were taken without."""
        self._size += sum(map(self._bytes_of, self.rows[self._measured :]))
        self._measured, self._at_most = len(self.rows), 0

    def _bytes_of(self, row: list[Any]) -> int:
        size = json_size(row) + 1
        self._largest = max(self._largest, size)
        return size

    def rest_of_page(self, page: int) -> int:
        """An estimate, from the largest row so far, of the bytes still to come of a ``page`` of rows; 0 if none."""
        return self._largest * (page - len(self.rows)) if self.cut_by == "bytes" else 0


async def collect(result: AsyncResult, collector: RowCollector) -> list[str]:
    """Give the rows of ``result`` to ``collector``, up to its limits; returns the columns.

    Raises:
        RecordTooLarge: One row alone is far beyond the limit; the connection cannot be used any more.
    """
    keep_exact_values(result)
    reader = record_reader(result)
    if reader is not None:
        reader.taking(collector.add, largest=_LARGEST_RECORD_AT_LEAST + _BYTES_FOR_ONE * collector.limits.bytes)
    try:
        async for record in result:
            if not collector.add(record.values()):
                break
    finally:
        if reader is not None:
            reader.release()
    return list(result.keys())


def warnings_of(summary: ResultSummary) -> list[dict[str, str]]:
    """The database's notifications about the statement of ``summary``."""
    return [
        {"code": status.gql_status, "severity": status.raw_severity or "", "text": status.status_description}
        for status in summary.gql_status_objects
        if status.is_notification
    ]
