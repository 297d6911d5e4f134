"""Neo4j values as JSON, in the plain form that Neo4j's own Query API uses.

Source: https://neo4j.com/docs/query-api/current/plain-json , compared with the answers of a real one. What plain JSON
cannot say (NaN, the infinities) becomes a string, so that the output is always valid JSON (RFC 8259) and no value is
lost without a trace. ``docs/values.md`` shows every type.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from neo4j.graph import Node, Path, Relationship
from neo4j.spatial import CartesianPoint, Point, WGS84Point
from neo4j.time import Date, DateTime, Duration, Time
from neo4j.types import UnsupportedType
from neo4j.vector import Vector, VectorDType

from core.errors import StatementError
from core.values.iso import date_text, duration_text, float_text, point_text, time_text, zoned_text

__all__ = ["LONG_LIST", "MAX_DEPTH", "Form", "json_size", "json_text", "to_json"]

MAX_DEPTH: Final = 100
"""How deep lists and maps may be nested, in a result or a parameter; JSON libraries of clients allow little more."""

LONG_LIST: Final = 100
"""From so many numbers on, a list may be left out: embeddings have 128 to 4,096."""

_AS_IT_IS: Final = frozenset({str, bool, type(None)})
_EXACT_IN_A_FLOAT: Final = 2**53 - 1
"""The greatest integer that a JSON reader with 64-bit floats alone tells from its neighbours: RFC 8259, section 6."""
_EPOCH_ORDINAL: Final = Date(1970, 1, 1).to_ordinal()
_INFINITY: Final = float("inf")
_LEAST_NORMAL_FLOAT32: Final = 2.0**-126
_pack_float32: Final = struct.Struct(">f").pack


@dataclass(slots=True)
class Form:
    """How values are written where there is a choice, and what was left out so far.

    ``whole_lists`` False replaces each long list of numbers by a text such as ``<1536 numbers>``; ``elided`` counts
    them. ``integers_as_text`` writes integers beyond 2^53 - 1, which JavaScript would round, as text.
    """

    whole_lists: bool = True
    integers_as_text: bool = False
    elided: int = 0

    def leaves_out(self, values: Sequence[Any], *, stored: bool) -> bool:
        """Whether this form leaves ``values`` out: many numbers, with a FLOAT among them unless they are ``stored``.

        Integers that a statement collects are more often what was asked for, such as years or keys.
        """
        if self.whole_lists or len(values) < LONG_LIST:
            return False
        kinds = set(map(type, values))
        return kinds <= {int, float} and (stored or float in kinds)

    def instead_of(self, numbers: int) -> str:
        """The text that stands for a list of so many ``numbers``."""
        self.elided += 1
        return f"<{numbers} numbers>"


_PLAIN: Final = Form()

json_text: Final[Callable[[Any], str]] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Writes what `to_json` returns in the fewest characters: the form that answers have, and that their limits count."""


def json_size(value: Any) -> int:
    """The bytes of ``value`` as `json_text` writes it."""
    return len(json_text(value).encode())


def to_json(value: Any, depth: int = 0, form: Form = _PLAIN) -> Any:
    """Turn a value from the driver into what `json.dumps` can write.

    ===================  ==========================================================================
    node                 ``{elementId, labels, properties}``
    relationship         ``{elementId, type, startNodeElementId, endNodeElementId, properties}``
    path                 the alternating list of nodes and relationships
    temporal, duration   ISO 8601 text; a named zone follows in brackets
    point                WKT with its SRID: ``SRID=4326;POINT (12.99 55.6)``
    bytes                Base64 text
    vector               list of numbers; those of 32 bits in the fewest digits that tell them apart
    UUID                 its text, 36 characters
    NaN, infinities      ``"NaN"``, ``"Infinity"``, ``"-Infinity"``
    ===================  ==========================================================================

    ``form`` says how integers beyond 2^53 - 1 and long lists of numbers are written.
    After `core.values.exact_values.keep_exact_values`, temporals, durations and points come as that text already.
    ``depth`` is how many lists and maps surround the value.

    Raises:
        StatementError: ``value`` is nested deeper than `MAX_DEPTH`.
        TypeError: ``value`` is of a type that the driver does not document.
    """
    # Looked up by exact type, since every value of every row pays for this check. Only relationship types are classes
    # that the driver makes at run time; they are found by inheritance.
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    convert = _BY_TYPE.get(kind)
    if convert is not None:
        return convert(value, depth, form)
    if isinstance(value, Relationship):
        return _relationship(value, depth, form)
    for known, convert in _BY_TYPE.items():
        if isinstance(value, known):
            return convert(value, depth, form)
    raise TypeError(f"no JSON form is known for values of type {kind.__name__}")


def _integer(value: int, _depth: int, form: Form) -> int | str:
    return value if -_EXACT_IN_A_FLOAT <= value <= _EXACT_IN_A_FLOAT or not form.integers_as_text else str(value)


def _float(value: float, _depth: int = 0, _form: Form = _PLAIN) -> float | str:
    # NaN compares false with everything.
    return value if -_INFINITY < value < _INFINITY else float_text(value)


def _list(values: Sequence[Any], depth: int, form: Form) -> list[Any] | str:
    inner = _one_deeper(depth)
    if form.leaves_out(values, stored=False):
        return form.instead_of(len(values))
    return [item if type(item) in _AS_IT_IS else to_json(item, inner, form) for item in values]


def _map(values: Mapping[str, Any], depth: int, form: Form) -> dict[str, Any]:
    inner = _one_deeper(depth)
    return {key: item if type(item) in _AS_IT_IS else to_json(item, inner, form) for key, item in values.items()}


def _one_deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise StatementError(
            f"The result holds lists or maps nested more than {MAX_DEPTH} deep, which JSON cannot carry reliably. "
            "Flatten them in the statement, or return them as text with toString().",
            "Neo.ClientError.Statement.TypeError",
        )
    return depth + 1


def _node(node: Node, depth: int, form: Form) -> dict[str, Any]:
    return {"elementId": node.element_id, "labels": sorted(node.labels), "properties": _properties(node, depth, form)}


def _properties(entity: Node | Relationship, depth: int, form: Form) -> dict[str, Any]:
    left_out = {
        key: form.instead_of(len(value))
        for key, value in (() if form.whole_lists else entity.items())
        if type(value) is list and form.leaves_out(value, stored=True)
    }
    return _map({**entity, **left_out}, depth, form) if left_out else _map(entity, depth, form)


def _relationship(relationship: Relationship, depth: int, form: Form) -> dict[str, Any]:
    # A node without properties is falsy, so what is missing must be told by identity.
    start, end = relationship.nodes
    return {
        "elementId": relationship.element_id,
        "type": relationship.type,
        "startNodeElementId": None if start is None else start.element_id,
        "endNodeElementId": None if end is None else end.element_id,
        "properties": _properties(relationship, depth, form),
    }


def _path(path: Path, depth: int, form: Form) -> list[Any]:
    nodes = path.nodes
    alternating: list[Any] = [_node(nodes[0], depth, form)]
    for relationship, node in zip(path.relationships, nodes[1:], strict=True):
        alternating += (_relationship(relationship, depth, form), _node(node, depth, form))
    return alternating


def _vector(vector: Vector, depth: int, form: Form) -> list[Any] | str:
    if not form.whole_lists and len(vector) >= LONG_LIST:
        return form.instead_of(len(vector))
    if vector.dtype is VectorDType.F32:
        return _shortest_float32(vector.raw())
    return [to_json(number, depth, form) for number in vector.to_native()]


def _shortest_float32(raw: bytes) -> list[float | str]:
    """The shortest decimal for each big-endian 32-bit float: 0.1, where Python says 0.10000000149011612.

    The Query API does the same, and an embedding takes 40 % less room.
    """
    numbers: tuple[float, ...] = struct.unpack(f">{len(raw) // 4}f", raw)
    return [_shortest(number, _pack_float32(number)) for number in numbers]


def _shortest(number: float, bits: bytes) -> float | str:
    if not _LEAST_NORMAL_FLOAT32 <= abs(number) < _INFINITY:
        if number == 0 or not -_INFINITY < number < _INFINITY:
            return _float(number)
        candidates = (float(f"{number:.{digits}g}") for digits in range(2, 10))
        return next(candidate for candidate in candidates if _pack_float32(candidate) == bits)
    # Nine digits always tell a float from its neighbours, and six always survive in it; most need eight.
    candidate = float(f"{number:.8g}")
    if _pack_float32(candidate) != bits:
        return float(f"{number:.9g}")
    shorter = float(f"{number:.7g}")
    if _pack_float32(shorter) != bits:
        return candidate
    shortest = float(f"{number:.6g}")
    return shortest if _pack_float32(shortest) == bits else shorter


def _datetime(value: DateTime, _depth: int, _form: Form) -> str:
    zone = getattr(value.tzinfo, "zone", None) or getattr(value.tzinfo, "key", None)
    # The driver says UTC for an offset of zero too, which is far more often what was meant.
    return zoned_text(_days(value.date()), value.time().ticks, _offset(value), None if zone == "UTC" else zone)


def _days(value: Date) -> str:
    return date_text(value.to_ordinal() - _EPOCH_ORDINAL)


def _offset(value: Time | DateTime) -> int | None:
    delta = value.utc_offset()
    return None if delta is None else round(delta.total_seconds())


def _unsupported(value: UnsupportedType, _depth: int, _form: Form) -> str:
    return f"({value.name}: this server's Neo4j driver is too old for values of this type)"


def _point(point: Point, _depth: int, _form: Form) -> str:
    return point_text(point.srid or 0, *point)


_BY_TYPE: Final[dict[type, Callable[[Any, int, Form], Any]]] = {
    int: _integer,
    float: _float,
    list: _list,
    dict: _map,
    Node: _node,
    Path: _path,
    Date: lambda value, _, __: _days(value),
    DateTime: _datetime,
    Time: lambda value, _, __: time_text(value.ticks, _offset(value)),
    # Points and durations are tuples, too, so this must come before the check for other tuples.
    Duration: lambda value, _, __: duration_text(value.months, value.days, value.seconds, value.nanoseconds),
    WGS84Point: _point,
    CartesianPoint: _point,
    Point: _point,
    tuple: _list,
    bytes: lambda value, _, __: base64.b64encode(value).decode("ascii"),
    bytearray: lambda value, _, __: base64.b64encode(value).decode("ascii"),
    Vector: _vector,
    UUID: lambda value, _, __: str(value),
    UnsupportedType: _unsupported,
}
