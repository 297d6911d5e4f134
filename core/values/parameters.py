"""The parameters of a statement, checked before the driver sees them.

JSON can say things that Neo4j cannot hold, and Python's reader of JSON accepts even more (``NaN``, ``1e999``, halves of
surrogate pairs). The driver would fail on them with an error of its own, after it took a connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from core.errors import InvalidArguments
from core.values.plain_json import MAX_DEPTH

__all__ = ["check_parameters", "check_statement"]

_LEAST: Final = -(2**63)
_GREATEST: Final = 2**63 - 1
_INFINITY: Final = float("inf")
_LONGEST_NAME: Final = 60
_HALF_PAIR: Final = "holds half of a surrogate pair, which is not Unicode"
_TOO_BIG: Final = (
    "is an integer beyond 64 bits, the most that Neo4j holds. Pass it as a string, and use toFloat() on it where an "
    "approximate number will do"
)
_NOT_FINITE: Final = (
    "is not a finite number, and JSON has no other. Pass it as a string and use toFloat() on it: it reads 'NaN', "
    "'Infinity' and '-Infinity'"
)


def check_statement(statement: str) -> str:
    """``statement`` itself, if it can be sent.

    Raises:
        InvalidArguments: It holds half of a surrogate pair.
    """
    if not _is_unicode(statement):
        raise InvalidArguments(f"The statement {_HALF_PAIR}. Remove it.")
    return statement


def check_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as the driver takes them: strings, numbers, booleans, null, and lists and maps of these.

    Raises:
        InvalidArguments: A value cannot be a Neo4j value. The text names the parameter, the place in it, and what to
            pass instead.
    """
    for name in parameters:
        if not isinstance(name, str):
            raise InvalidArguments("The names of parameters must be strings.")
        if not _is_unicode(name):
            raise InvalidArguments(f"The name of a parameter {_HALF_PAIR}. Rename it.")
    _check_items(parameters.items(), ())
    return dict(parameters)


def _check_items(items: Iterable[tuple[str | int, Any]], place: tuple[str | int, ...]) -> None:
    for step, value in items:
        if isinstance(value, list | tuple):
            _check_depth(place, step)
            _check_items(enumerate(value), (*place, step))
        elif isinstance(value, Mapping):
            _check_depth(place, step)
            _check_keys(value, (*place, step))
            _check_items(value.items(), (*place, step))
        else:
            fault = _fault(value)
            if fault is not None:
                _refuse((*place, step), fault)


def _fault(value: Any) -> str | None:
    # bool is a kind of int.
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return None if _is_unicode(value) else f"{_HALF_PAIR}. Replace or remove it"
    if isinstance(value, int):
        return None if _LEAST <= value <= _GREATEST else _TOO_BIG
    if isinstance(value, float):
        return None if -_INFINITY < value < _INFINITY else _NOT_FINITE
    return f"is of type {type(value).__name__}, which JSON does not have"


def _check_keys(keys: Iterable[Any], place: tuple[str | int, ...]) -> None:
    for key in keys:
        if not isinstance(key, str):
            _refuse(place, "has a key that is not a string. Write the key as a string")
        if not _is_unicode(key):
            _refuse(place, f"has a key that {_HALF_PAIR}. Rename the key")


def _check_depth(place: tuple[str | int, ...], step: str | int) -> None:
    if len(place) >= MAX_DEPTH:
        _refuse((*place, step)[:1], f"nests lists or maps more than {MAX_DEPTH} deep. Flatten it, or pass it as text")


def _is_unicode(text: str) -> bool:
    # Python keeps for each string whether it is ASCII: most are, and cost nothing more.
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(place: tuple[str | int, ...], why: str) -> NoReturn:
    name, *inner = place
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in inner)
    path = f"${name}{where}"
    if len(path) > _LONGEST_NAME:
        path = f"{path[:_LONGEST_NAME]}…"
    raise InvalidArguments(f"The parameter {path} {why}.")
