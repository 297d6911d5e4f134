"""The next page of a cut answer: the same statement, run again from a position, where its order is total.

No page is kept anywhere. ``next_cursor`` is a signed token that expires: it holds the position, and it is bound to the
statement, the parameters and the caller, who send these again. A statement is run again only if its ORDER BY decides
between any two different rows; otherwise rows could come twice, or never.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import InvalidArguments, NotReadOnly
from core.guard.lexer import Token, tokenize

if TYPE_CHECKING:
    from core.call import Call

__all__ = ["SKIPPED", "Continuation", "continuation", "next_cursor", "position_of"]

SKIPPED = "neo4j_m2m_skip"
"""The parameter of a continued statement that says how many rows to skip."""

_LIFETIME_SECONDS = 15 * 60
_POSITION = struct.Struct(">IQ")
_MAC_BYTES = 16
_OWN_KEY = secrets.token_bytes(32)
"""Signs the cursors of this process where the operator has set no key."""

_AGGREGATES = frozenset("count sum avg min max collect stdev stdevp percentilecont percentiledisc".split())
_RANDOM = frozenset({"rand", "randomuuid"})
_DIRECTIONS = ("asc", "ascending", "desc", "descending")
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Continuation:
    """A statement that can be run again from a position: ``statement`` skips `SKIPPED` rows more than the original.

    Where ``statement`` is None it cannot be run again, and ``reason`` says why.
    """

    statement: str | None
    reason: str | None = None


def next_cursor(call: Call, statement: str, parameters: Mapping[str, Any], position: int) -> str:
    """The token for the page of ``statement`` that begins at the row ``position``."""
    plain = _POSITION.pack(int(time.time()) + _LIFETIME_SECONDS, position)
    return base64.urlsafe_b64encode(plain + _mac(call, statement, parameters, plain)).decode().rstrip("=")


def position_of(call: Call, statement: str, parameters: Mapping[str, Any], cursor: str) -> int:
    """The row at which the page of ``cursor`` begins.

    Raises:
        InvalidArguments: The token is not one of this caller for this statement with these parameters, or is too old.
    """
    try:
        token = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        plain, mac = token[: _POSITION.size], token[_POSITION.size :]
        expires, position = _POSITION.unpack(plain)
    except (ValueError, struct.error):
        raise InvalidArguments("The cursor is not valid: pass next_cursor of the page before, unchanged.") from None
    if not hmac.compare_digest(mac, _mac(call, statement, parameters, plain)):
        raise InvalidArguments(
            "The cursor is not valid for this query and these params. Send both exactly as for the page before; if you "
            "did, the server has changed its key: run the query again without cursor."
        )
    if expires < time.time():
        raise InvalidArguments(
            f"The cursor has expired after {_LIFETIME_SECONDS // 60} minutes. Run the query again without it."
        )
    return int(position)


def _mac(call: Call, statement: str, parameters: Mapping[str, Any], plain: bytes) -> bytes:
    key = call.settings.cursor_key
    identity = call.principal.identity
    bound = json.dumps([statement, parameters, str(identity), call.grant.database], sort_keys=True)
    digest = hashlib.sha256(bound.encode("utf-8", "surrogatepass")).digest()
    secret = _OWN_KEY if key is None else key.get_secret_value().encode()
    return hmac.digest(secret, b"neo4j-m2m cursor 1" + plain + digest, "sha256")[:_MAC_BYTES]


def continuation(statement: str) -> Continuation:
    """How to go on with ``statement``, or why that is not possible."""
    if "\\u" in statement:
        return Continuation(None, "it has \\u escapes")
    try:
        tokens = tokenize(statement)
    except NotReadOnly:
        return Continuation(None, "it cannot be read")
    while tokens and tokens[-1].is_symbol(";"):
        tokens.pop()
    if any(token.is_word("union", "next") for _, token in _at_top(tokens)):
        return Continuation(None, "it has several parts, joined by UNION or NEXT")
    if any(token.is_word(*_RANDOM) for token in tokens):
        return Continuation(None, "it is random")
    returns = [index for index, token in _at_top(tokens) if token.is_word("return")]
    if not returns:
        return Continuation(None, "it has no RETURN")
    parts = _parts(tokens, returns[-1] + 1)
    missing = _undecided(parts["return"], parts["order"])
    if missing is not None:
        return Continuation(None, missing)
    return Continuation(_rewritten(statement, parts))


def _at_top(tokens: Sequence[Token], start: int = 0) -> Iterator[tuple[int, Token]]:
    """The tokens outside of all brackets, that are not names of properties, labels or parameters."""
    depth = 0
    for index in range(start, len(tokens)):
        token = tokens[index]
        if token.kind == "symbol" and token.text in _CLOSE:
            depth -= 1
        if depth == 0 and not (index and tokens[index - 1].is_symbol(".", ":", "$")):
            yield index, token
        if token.kind == "symbol" and token.text in _OPEN:
            depth += 1


def _parts(tokens: Sequence[Token], start: int) -> dict[str, list[Token]]:
    """What follows the last RETURN: ``return``, ``order``, ``skip`` and ``limit``, without these words."""
    begins: dict[int, tuple[str, int]] = {start: ("return", 0)}
    for index, token in _at_top(tokens, start):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.is_word("order") and following is not None and following.is_word("by"):
            begins[index] = ("order", 2)
        elif token.is_word("skip", "offset"):
            begins[index] = ("skip", 1)
        elif token.is_word("limit"):
            begins[index] = ("limit", 1)
    parts: dict[str, list[Token]] = {"return": [], "order": [], "skip": [], "limit": []}
    places = sorted(begins)
    for place, end in zip(places, [*places[1:], len(tokens)], strict=True):
        name, words = begins[place]
        parts[name] = list(tokens[place + words : end])
    return parts


def _undecided(returned: Sequence[Token], order: Sequence[Token]) -> str | None:
    """Why ORDER BY does not decide between any two different rows; None if it does."""
    if not order:
        return "it has no ORDER BY"
    if returned and returned[0].is_word("distinct"):
        returned = returned[1:]
    keys = {_text(_without_direction(key)) for key in _split(order)}
    items = [_named(item) for item in _split(returned)]
    grouped = any(_aggregates(expression) for expression, _ in items)
    # In ORDER BY such a name is the column, not a variable.
    columns = {alias for expression, alias in items if alias is not None and _text(expression) != (alias,)}
    for expression, alias in items:
        if expression and expression[0].is_symbol("*"):
            return "it returns *, so name the columns"
        if (grouped and _aggregates(expression)) or _decides(keys, expression, alias, columns):
            continue
        shown = (alias or " ".join(token.text for token in expression))[:60]
        return f"ORDER BY does not decide about the column {shown}"
    return None


def _decides(keys: set[tuple[str, ...]], expression: Sequence[Token], alias: str | None, columns: set[str]) -> bool:
    """Whether rows that are equal in ``keys`` are equal in this column."""
    text = _text(expression)
    if text in keys or (alias is not None and (alias,) in keys):
        return True
    variable = text[0] if text and (len(text) == 1 or (len(text) == 3 and text[1] == ".")) else None
    return (
        variable is not None
        and variable not in columns
        and ((variable,) in keys or any((function, "(", variable, ")") in keys for function in ("elementId", "id")))
    )


def _text(tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(f"'{token.text}'" if token.kind == "string" else token.text for token in tokens)


def _aggregates(expression: Sequence[Token]) -> bool:
    return any(
        token.is_word(*_AGGREGATES) and index + 1 < len(expression) and expression[index + 1].is_symbol("(")
        for index, token in enumerate(expression)
    )


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    """``tokens`` between the commas that no bracket surrounds."""
    commas = [index for index, token in _at_top(tokens) if token.is_symbol(",")]
    starts = [0, *(index + 1 for index in commas)]
    return [list(tokens[start:end]) for start, end in zip(starts, [*commas, len(tokens)], strict=True)]


def _named(item: list[Token]) -> tuple[list[Token], str | None]:
    if len(item) > 2 and item[-2].is_word("as"):
        return item[:-2], item[-1].text
    return item, None


def _without_direction(key: list[Token]) -> list[Token]:
    return key[:-1] if len(key) > 1 and key[-1].is_word(*_DIRECTIONS) else key


def _rewritten(statement: str, parts: Mapping[str, Sequence[Token]]) -> str:
    def words(name: str) -> str:
        return statement[parts[name][0].at : parts[name][-1].end]

    text = statement[: parts["order"][-1].end]
    text += f"\nSKIP ({words('skip')}) + ${SKIPPED}" if parts["skip"] else f"\nSKIP ${SKIPPED}"
    return f"{text} LIMIT ({words('limit')}) - ${SKIPPED}" if parts["limit"] else text
