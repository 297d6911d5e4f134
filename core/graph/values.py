"""Neo4j values as JSON, in the plain form that Neo4j's own Query API uses.

Source: https://neo4j.com/docs/query-api/current/plain-json . What plain JSON cannot say (NaN, the infinities) becomes
a string, so that the output is always valid JSON (RFC 8259) and no value is lost without a trace.
"""

from __future__ import annotations

import base64
import math
from typing import Any

from neo4j.graph import Node, Path, Relationship
from neo4j.spatial import Point
from neo4j.time import Date, DateTime, Duration, Time
from neo4j.types import UnsupportedType
from neo4j.vector import Vector

__all__ = ["to_json"]


def to_json(value: Any) -> Any:
    """Turn a value from the driver into what `json.dumps` can write.

    ===================  ==========================================================================
    node                 ``{elementId, labels, properties}``
    relationship         ``{elementId, type, startNodeElementId, endNodeElementId, properties}``
    path                 the alternating list of nodes and relationships
    temporal, duration   ISO 8601 text; a named zone follows in brackets
    point                WKT with its SRID: ``SRID=4326;POINT (12.99 55.6)``
    bytes                Base64 text
    vector               list of numbers
    NaN, infinities      ``"NaN"``, ``"Infinity"``, ``"-Infinity"``
    ===================  ==========================================================================

    Raises:
        TypeError: ``value`` is of a type that the driver does not document.
    """
    # Ordered by how often a result holds them; points and durations are tuples, so they must be told from lists first.
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Node):
        return _node(value)
    if isinstance(value, Relationship):
        return _relationship(value)
    if isinstance(value, Path):
        return _path(value)
    if isinstance(value, Point):
        return _point(value)
    if isinstance(value, Duration):
        return value.iso_format()
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    return _rarer(value)


def _rarer(value: Any) -> Any:
    if isinstance(value, DateTime):
        return f"{value.date().iso_format()}T{_clock(value)}{_offset(value)}{_zone(value)}"
    if isinstance(value, Date):
        return value.iso_format()
    if isinstance(value, Time):
        return f"{_clock(value)}{_offset(value)}"
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Vector):
        return [to_json(item) for item in value.to_native()]
    if isinstance(value, UnsupportedType):
        return f"({value.name}: this server's Neo4j driver is too old for values of this type)"
    raise TypeError(f"no JSON form is known for values of type {type(value).__name__}")


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _node(node: Node) -> dict[str, Any]:
    return {
        "elementId": node.element_id,
        "labels": sorted(node.labels),
        "properties": {key: to_json(value) for key, value in node.items()},
    }


def _relationship(relationship: Relationship) -> dict[str, Any]:
    # A node without properties is falsy, so what is missing must be told by identity.
    start, end = relationship.nodes
    return {
        "elementId": relationship.element_id,
        "type": relationship.type,
        "startNodeElementId": None if start is None else start.element_id,
        "endNodeElementId": None if end is None else end.element_id,
        "properties": {key: to_json(value) for key, value in relationship.items()},
    }


def _path(path: Path) -> list[Any]:
    alternating: list[Any] = [_node(path.nodes[0])]
    for relationship, node in zip(path.relationships, path.nodes[1:], strict=True):
        alternating += (_relationship(relationship), _node(node))
    return alternating


def _point(point: Point) -> str:
    dimensions = "POINT Z" if len(point) == 3 else "POINT"
    return f"SRID={point.srid};{dimensions} ({' '.join(str(_float(coordinate)) for coordinate in point)})"


def _clock(value: Time | DateTime) -> str:
    """``HH:MM:SS`` and, only where there is one, the fraction to 3, 6 or 9 digits."""
    hour, minute, second, nanosecond = value.hour_minute_second_nanosecond
    text = f"{hour:02d}:{minute:02d}:{second:02d}"
    if not nanosecond:
        return text
    fraction = f"{nanosecond:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{text}.{fraction}"


def _offset(value: Time | DateTime) -> str:
    """The offset from UTC as ``+HH:MM``, with seconds where the zone has them; ``Z`` for none; nothing for local."""
    delta = value.utc_offset()
    if delta is None:
        return ""
    seconds = round(delta.total_seconds())
    if seconds == 0:
        return "Z"
    hours, rest = divmod(abs(seconds), 3600)
    minutes, seconds_left = divmod(rest, 60)
    text = f"{'-' if seconds < 0 else '+'}{hours:02d}:{minutes:02d}"
    return f"{text}:{seconds_left:02d}" if seconds_left else text


def _zone(value: DateTime) -> str:
    """The zone's name in brackets, as Cypher writes it; nothing for a plain offset."""
    name = getattr(value.tzinfo, "zone", None) or getattr(value.tzinfo, "key", None)
    return f"[{name}]" if name else ""
