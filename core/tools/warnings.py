"""Why an answer may not be what was meant: warnings of the database about a statement, with names that do exist.

For the database a misspelt label is not an error: it answers no rows. The agent would take that for the truth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.errors import NotReadOnly, ToolError
from core.graph.results import Limits
from core.guard.lexer import Token, tokenize
from core.schema.names import Kind, nearest, property_types, schema_names
from core.schema.statements import NAMES

if TYPE_CHECKING:
    from core.call import Call

__all__ = ["WARNINGS", "useful_warnings"]

WARNINGS: dict[str, Any] = {
    "type": "array",
    "description": "Why rows may be missing: names that the graph lacks, comparisons that never hold.",
    "items": {
        "type": "object",
        "properties": {"code": {"type": "string"}, "severity": {"type": "string"}, "text": {"type": "string"}},
        "required": ["severity", "text"],
    },
}
"""The schema of ``warnings`` in an answer."""

_UNKNOWN: dict[str, tuple[Kind, str]] = {
    "01N50": ("label", "label"),
    "01N51": ("type", "relationship type"),
    "01N52": ("property", "property"),
}
"""GQL statuses of names that do not exist.

Source: https://neo4j.com/docs/status-codes/current/notifications/all-notifications/ .
"""

_DEPRECATED = ("01N00", "01N01", "01N02")

_MOST = 5
_SUGGESTED = 3
_LONGEST = 300
_NAME = re.compile(r"`(.*)` does not exist", re.DOTALL)
_SEVERITY = "WARNING"

_READ_NAMES = Limits(rows=3, bytes=4 * 1024 * 1024)
_SECONDS_FOR_NAMES = 2.0

_TEMPORAL = {
    "DATE": "date",
    "LOCAL TIME": "localtime",
    "ZONED TIME": "time",
    "LOCAL DATETIME": "localdatetime",
    "ZONED DATETIME": "datetime",
    "DURATION": "duration",
}
_NUMBERS = frozenset({"INTEGER", "FLOAT"})
_COMPARES = frozenset("=<>")


async def useful_warnings(
    call: Call,
    statement: str,
    parameters: Mapping[str, Any],
    found: Sequence[Mapping[str, str]],
    *,
    rows: Sequence[Sequence[Any]] | None,
) -> list[dict[str, str]]:
    """What of the database's warnings ``found`` the caller should know, as `WARNINGS` describes it.

    Names that do not exist are always told, with similar ones that do. Where ``rows`` hold nothing (no row, or only
    nulls, zeros and empty lists), the others follow, and comparisons of a property with a value of another type; of
    deprecations only where ``rows`` is None, for a plan.
    """
    empty = rows is not None and not any(_holds_something(value) for row in rows for value in row)
    told: dict[str, dict[str, str]] = {}
    known: dict[Kind, list[str]] | None = None
    for warning in found:
        code, text = warning["code"], warning["text"]
        if code in _UNKNOWN:
            known = await _known_names(call) if known is None else known
            text = _about_a_name(code, text, known)
        elif not (rows is None or (empty and code not in _DEPRECATED)):
            continue
        told.setdefault(text, {"code": code, "severity": warning["severity"], "text": text[:_LONGEST]})
    if empty or rows is None:
        for text in _wrong_types(call, statement, parameters):
            told.setdefault(text, {"severity": _SEVERITY, "text": text[:_LONGEST]})
    return list(told.values())[:_MOST]


def _holds_something(value: Any) -> bool:
    return value not in (None, 0, []) or value is False


def _about_a_name(code: str, text: str, known: Mapping[Kind, Sequence[str]]) -> str:
    kind, called = _UNKNOWN[code]
    match = _NAME.search(text)
    if match is None:
        return text
    name = match[1]
    parts = [f"The {called} `{name[:60]}` does not exist."]
    for other, (other_kind, other_called) in _UNKNOWN.items():
        if other != code and name in known[other_kind]:
            parts.append(f"There is a {other_called} of that name.")
    near = nearest(name, (each for each in known[kind] if each != name), most=_SUGGESTED)
    if near:
        parts.append("There is " + " and ".join(f"`{each[:60]}`" for each in near) + ".")
    return " ".join(parts)


async def _known_names(call: Call) -> dict[Kind, list[str]]:
    """The names that the graph has: as remembered with the schema, or else asked for, in one round trip."""
    schema = call.schema.remembered
    if schema is not None:
        return schema_names(schema)
    names: dict[Kind, list[str]] = {"label": [], "type": [], "property": []}
    try:
        deadline = call.deadline.sooner(_SECONDS_FOR_NAMES)
        for kind, values in (await call.database.read(NAMES, {}, limits=_READ_NAMES, deadline=deadline)).rows:
            names[kind] = values
    except ToolError:
        pass  # a warning without a suggestion is better than no answer
    return names


def _wrong_types(call: Call, statement: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Comparisons of a property with a string or number that a value of its type never equals."""
    schema = call.schema.remembered
    if schema is None:
        return
    try:
        tokens = tokenize(statement)
    except NotReadOnly:
        return
    types = property_types(schema)
    for name, value in _comparisons(tokens, parameters):
        text = _never_equal(name, types.get(name, set()), value)
        if text is not None:
            yield text


def _never_equal(name: str, types: set[str], value: str | float) -> str | None:
    shown = f"`{name[:60]}` is {' or '.join(sorted(types))}"
    if isinstance(value, str):
        if types and types <= _TEMPORAL.keys():
            function = _TEMPORAL[min(types)]
            return f"{shown}, and no string compares with it: write {function}('…'), or {function}($x) of a parameter."
        if types and types <= _NUMBERS:
            return f"{shown}, and no string compares with it: write the number without quotes, or toFloat($x)."
    elif types == {"STRING"}:
        return f"{shown}, and no number compares with it: write it in quotes, or toString($x)."
    return None


def _comparisons(tokens: Sequence[Token], parameters: Mapping[str, Any]) -> Iterator[tuple[str, str | float]]:
    """Each property that is compared with a string or number, literal or parameter, on either side."""
    for index, token in enumerate(tokens):
        if token.kind not in ("name", "quoted") or not index:
            continue
        before = tokens[index - 1]
        if before.is_symbol(".") and index >= 2:
            at = index + 1
            while at < len(tokens) and tokens[at].kind == "symbol" and tokens[at].text in _COMPARES:
                at += 1
            if at == index + 1 and _is_word(tokens, at, "starts", "ends"):
                at += 2
            elif at == index + 1 and _is_word(tokens, at, "contains"):
                at += 1
            value = _value(tokens, at, parameters) if at > index + 1 else None
            if value is None and index >= 4 and tokens[index - 3].kind == "symbol":
                value = _value_before(tokens, index - 3, parameters)
        elif before.is_symbol("{", ",") and index + 1 < len(tokens) and tokens[index + 1].is_symbol(":"):
            value = _value(tokens, index + 2, parameters)
        else:
            continue
        if value is not None:
            yield token.text, value


def _is_word(tokens: Sequence[Token], index: int, *words: str) -> bool:
    return index < len(tokens) and tokens[index].is_word(*words)


def _value(tokens: Sequence[Token], index: int, parameters: Mapping[str, Any]) -> str | float | None:
    if index >= len(tokens):
        return None
    token = tokens[index]
    if token.kind == "string":
        return token.text
    if token.kind == "number":
        return 0
    if token.is_symbol("$") and index + 1 < len(tokens):
        value = parameters.get(tokens[index + 1].text)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return value
    return None


def _value_before(tokens: Sequence[Token], index: int, parameters: Mapping[str, Any]) -> str | float | None:
    """The value on the left of the comparison that ends at ``index``, such as ``'2013-01-01' <=``."""
    at = index
    while at >= 0 and tokens[at].kind == "symbol" and tokens[at].text in _COMPARES:
        at -= 1
    if at == index or at < 0:
        return None
    if tokens[at].kind == "name" and at and tokens[at - 1].is_symbol("$"):
        at -= 1
    return _value(tokens, at, parameters)
