"""Arguments as clients send them, understood where nothing is at stake.

Some clients send a key for every argument, empty where the model gave none; some turn whatever the model wrote into
strings; JSON itself does not tell 10 from 10.0. None of that leaves a doubt about what was meant. It is understood
here, for all tools, before arguments are checked against the input schema.

Sources: https://github.com/neo4j-contrib/mcp-neo4j/issues/231 , https://github.com/neo4j/mcp/issues/114 .
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from core.strict_json import NotJson, strict_json

__all__ = ["understood"]

_INTEGER = re.compile(r"[+-]?\d{1,15}(?:\.0{1,15})?")
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,17})?(?:[eE][+-]?\d{1,3})?")
_EXACT: Final = 2**53 - 1


def understood(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """``arguments`` with what ``schema``, an input schema, leaves no doubt about in the form that it asks for.

    ===============================================  ====================================
    null or an empty text, for what may be left out  is left out, whatever its name
    text that holds a JSON object or array           is that, where one is asked for
    a text, where an array of texts is asked for     is an array of one
    ``"10"``, ``10.0``, ``"10.0"``                   10, where an integer is asked for
    ``"1.5"``                                        1.5, where a number is asked for
    ``"true"``, ``"False"``                          true or false, where that is asked for
    ===============================================  ====================================

    All else stays as it is, for the check against the schema to refuse. Values inside of ``params`` are never touched.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    required = schema.get("required", ())
    return {
        name: _converted(value, properties.get(name, {}))
        for name, value in arguments.items()
        if name in required or not (value is None or value == "")
    }


def _converted(value: Any, schema: Mapping[str, Any]) -> Any:
    convert = _CONVERSIONS.get(schema.get("type", ""))
    return value if convert is None else convert(value, schema)


def _integer(value: Any, _schema: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    return value


def _number(value: Any, _schema: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return value


def _boolean(value: Any, _schema: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value


def _object(value: Any, _schema: Mapping[str, Any]) -> Any:
    found = _json(value)
    return found if isinstance(found, dict) else value


def _array(value: Any, schema: Mapping[str, Any]) -> Any:
    found = _json(value)
    items = schema.get("items", {})
    if isinstance(found, list):
        return [_converted(item, items) for item in found]
    return [value] if isinstance(value, str) and items.get("type") == "string" else value


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return strict_json(value.encode())
    except (NotJson, UnicodeEncodeError):
        return value


_CONVERSIONS: Final[dict[str, Callable[[Any, Mapping[str, Any]], Any]]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "object": _object,
    "array": _array,
}
