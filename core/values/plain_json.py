"""Neo4j values as JSON, in the plain form that Neo4j's own Query API uses.

Source: https://neo4j.com/docs/query-api/current/plain-json , compared with the answers of a real one. What plain JSON
cannot say (NaN, the infinities) becomes a string, so that the output is always valid JSON (RFC 8259) and no value is
lost without a trace. ``docs/values.md`` shows every type.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from neo4j.graph import Node, Path, Relationship
from neo4j.spatial import CartesianPoint, Point, WGS84Point
from neo4j.time import Date, DateTime, Duration, Time
from neo4j.types import UnsupportedType
from neo4j.vector import Vector, VectorDType

from core.errors import StatementError
from core.values.iso import date_text, duration_text, float_text, point_text, time_text, zoned_text

__all__ = ["MAX_DEPTH", "to_json"]

MAX_DEPTH: Final = 100
"""How deep lists and maps may be nested, in a result or a parameter; JSON libraries of clients allow little more."""

_AS_IT_IS: Final = frozenset({str, int, bool, type(None)})
_EPOCH_ORDINAL: Final = Date(1970, 1, 1).to_ordinal()
_INFINITY: Final = float("inf")
_LEAST_NORMAL_FLOAT32: Final = 2.0**-126
_pack_float32: Final = struct.Struct(">f").pack


def to_json(value: Any, depth: int = 0) -> Any:
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
        return convert(value, depth)
    if isinstance(value, Relationship):
        return _relationship(value, depth)
    for known, convert in _BY_TYPE.items():
        if isinstance(value, known):
            return convert(value, depth)
    raise TypeError(f"no JSON form is known for values of type {kind.__name__}")


def _float(value: float, _depth: int = 0) -> float | str:
    # NaN compares false with everything.
    return value if -_INFINITY < value < _INFINITY else float_text(value)


def _list(values: Iterable[Any], depth: int) -> list[Any]:
    inner = _one_deeper(depth)
    return [item if type(item) in _AS_IT_IS else to_json(item, inner) for item in values]


def _map(values: Mapping[str, Any], depth: int) -> dict[str, Any]:
    inner = _one_deeper(depth)
    return {key: item if type(item) in _AS_IT_IS else to_json(item, inner) for key, item in values.items()}


def _one_deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise StatementError(
            f"The result holds lists or maps nested more than {MAX_DEPTH} deep, which JSON cannot carry reliably. "
            "Flatten them in the statement, or return them as text with toString().",
            "Neo.ClientError.Statement.TypeError",
        )
    return depth + 1


def _node(node: Node, depth: int = 0) -> dict[str, Any]:
    return {"elementId": node.element_id, "labels": sorted(node.labels), "properties": _map(node, depth)}


def _relationship(relationship: Relationship, depth: int = 0) -> dict[str, Any]:
    # A node without properties is falsy, so what is missing must be told by identity.
    start, end = relationship.nodes
    return {
        "elementId": relationship.element_id,
        "type": relationship.type,
        "startNodeElementId": None if start is None else start.element_id,
        "endNodeElementId": None if end is None else end.element_id,
        "properties": _map(relationship, depth),
    }


def _path(path: Path, depth: int) -> list[Any]:
    nodes = path.nodes
    alternating: list[Any] = [_node(nodes[0], depth)]
    for relationship, node in zip(path.relationships, nodes[1:], strict=True):
        alternating += (_relationship(relationship, depth), _node(node, depth))
    return alternating


def _vector(vector: Vector, _depth: int) -> list[Any]:
    if vector.dtype is VectorDType.F32:
        return _shortest_float32(vector.raw())
    numbers: list[Any] = vector.to_native()
    return [_float(number) for number in numbers] if vector.dtype is VectorDType.F64 else numbers


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


def _datetime(value: DateTime, _depth: int) -> str:
    zone = getattr(value.tzinfo, "zone", None) or getattr(value.tzinfo, "key", None)
    # The driver says UTC for an offset of zero too, which is far more often what was meant.
    return zoned_text(_days(value.date()), value.time().ticks, _offset(value), None if zone == "UTC" else zone)


def _days(value: Date) -> str:
    return date_text(value.to_ordinal() - _EPOCH_ORDINAL)


def _offset(value: Time | DateTime) -> int | None:
    delta = value.utc_offset()
    return None if delta is None else round(delta.total_seconds())


def _unsupported(value: UnsupportedType, _depth: int) -> str:
    return f"({value.name}: this server's Neo4j driver is too old for values of this type)"


def _point(point: Point, _depth: int) -> str:
    return point_text(point.srid or 0, *point)


_BY_TYPE: Final[dict[type, Callable[[Any, int], Any]]] = {
    float: _float,
    list: _list,
    dict: _map,
    Node: _node,
    Path: _path,
    Date: lambda value, _: _days(value),
    DateTime: _datetime,
    Time: lambda value, _: time_text(value.ticks, _offset(value)),
    # Points and durations are tuples, too, so this must come before the check for other tuples.
    Duration: lambda value, _: duration_text(value.months, value.days, value.seconds, value.nanoseconds),
    WGS84Point: _point,
    CartesianPoint: _point,
    Point: _point,
    tuple: _list,
    bytes: lambda value, _: base64.b64encode(value).decode("ascii"),
    bytearray: lambda value, _: base64.b64encode(value).decode("ascii"),
    Vector: _vector,
    UUID: lambda value, _: str(value),
    UnsupportedType: _unsupported,
}
