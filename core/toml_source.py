"""A small TOML text that is a list of tables of one kind, read so that every error names source, line and reason."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from core.errors import Neo4jM2mError

__all__ = ["TomlTables", "as_list", "text_of"]

_Model = TypeVar("_Model", bound=BaseModel)


def text_of(setting: str, *, source: str, what: str, error: type[Neo4jM2mError]) -> tuple[str, str]:
    """The text in ``setting``, or in the file that it names; and the name that errors give to its place.

    A text has more than one line or a ``[[``; a path has neither.

    Raises:
        Neo4jM2mError: Of the class ``error``: the file does not exist or cannot be read.
    """
    if "\n" in setting or "[[" in setting:
        return setting, source
    try:
        return Path(setting).expanduser().read_text(encoding="utf-8"), setting
    except (OSError, UnicodeDecodeError) as problem:
        why = (problem.strerror or "cannot be read") if isinstance(problem, OSError) else "is not UTF-8 text"
        raise error(f"{source} names the {what} {setting}: {why}.") from None


def as_list(value: Any) -> Any:
    """A single text as a list of one: if several are allowed, one may stand without brackets."""
    return [value] if isinstance(value, str) else value


class TomlTables:
    """The tables ``[[table]]`` of ``text``. ``source`` and ``what`` name the text and its kind in errors.

    Raises:
        Neo4jM2mError: Of the class ``error``: the text does not parse, or holds anything else.
    """

    def __init__(self, text: str, *, table: str, source: str, what: str, error: type[Neo4jM2mError]) -> None:
        self._lines = text.splitlines()
        self._table = table
        self._source = source
        self._error = error
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as problem:
            named = re.search(r"\(at line (\d+)", str(problem))
            line = int(named.group(1)) if named else len(self._lines)
            reason = re.sub(r" \(at .*\)$", "", str(problem))
            raise self.problem(line, f"{reason}. {what} is written in TOML") from None
        unknown = sorted(set(document) - {table})
        if unknown:
            line = self._top_line(unknown[0])
            raise self.problem(line, f"{unknown[0]!r} means nothing here. {what} is a list of [[{table}]]")
        tables = document.get(table, [])
        heading = re.compile(rf"\s*\[\[\s*{table}\s*\]\]")
        self._starts = [number for number, line in enumerate(self._lines, 1) if heading.match(line)]
        listed = isinstance(tables, list) and all(isinstance(entry, dict) for entry in tables)
        if not listed or len(tables) != len(self._starts):
            raise self.problem(self._top_line(table), f"write each {table} under a line [[{table}]]")
        self._tables: list[dict[str, Any]] = tables

    def read(self, model: type[_Model], context: Any = None) -> list[_Model]:
        """Every table as a ``model``, which has a ``name`` that must be unique.

        ``context`` is passed to the model's validators.
        """
        read = [self._read(index, model, context) for index in range(len(self._tables))]
        self.must_differ("name", [[str(entry.name)] for entry in read])  # type: ignore[attr-defined]
        return read

    def must_differ(self, key: str, values: list[list[str]]) -> None:
        """Refuse a value that two tables both have under ``key``; ``values`` has those of each table."""
        seen: set[str] = set()
        for start, of_table in zip(self._starts, values, strict=True):
            for value in of_table:
                if value in seen:
                    line = self._line_of(key, start)
                    raise self.problem(line, f"another {self._table} has the {key} {value!r} already")
            seen.update(of_table)

    def _read(self, index: int, model: type[_Model], context: Any) -> _Model:
        try:
            return model.model_validate(self._tables[index], context=context)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            message = first["msg"].removeprefix("Value error, ")
            key = str(first["loc"][0]) if first["loc"] else message.partition(":")[0]
            reason = message if not first["loc"] else f"{key}: {message}"
            if first["type"] == "extra_forbidden":
                known = ", ".join(model.model_fields)
                reason = f"{key}: {_a(self._table)} has no such key; it has {known}"
            if first["type"] == "missing":
                reason = f"the {self._table} has no {key}"
            raise self.problem(self._line_of(key, self._starts[index]), reason) from None

    def problem(self, line: int, reason: str) -> Neo4jM2mError:
        """The error that says what is wrong, and in which line."""
        return self._error(f"{self._source}, line {line}: {reason}.")

    def _top_line(self, key: str) -> int:
        """The line, from 1 on, that sets ``key`` of the whole text, or opens a table of that name; 1 if none does."""
        pattern = re.compile(rf"\s*[\[\"']*{re.escape(key)}[\"'\]\s]*(=|#|$)")
        return next((number for number, line in enumerate(self._lines, 1) if pattern.match(line)), 1)

    def _line_of(self, key: str, start: int) -> int:
        """The line that sets ``key`` in the table that line ``start`` opens; ``start`` itself if none does."""
        pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
        for number, line in enumerate(self._lines[start:], start + 1):
            if re.match(r"\s*\[\[", line):
                break
            if pattern.match(line):
                return number
        return start


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
