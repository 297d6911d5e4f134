"""The source tables in one compact file, and how it is written and read.

The file is an LZMA stream: a line of JSON with the small tables, column by column, and the names that the columns of
the flights refer to; then the flights, a column after the other, each as 16-bit numbers whose low bytes come first,
then the high ones. Flights are sorted by airline and number, so that equal values stand side by side: they need 1.5 MB
where the CSV files need 8.3 compressed. Times of day are minutes, and an arrival is kept as its distance from what
schedule and delay say.
"""

from __future__ import annotations

import json
import lzma
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

__all__ = ["FlightRecord", "TableRow", "flights_in", "pack", "table_in", "unpack"]

TableRow = dict[str, str | None]

_NONE = -32768
_DAY = 1440

_NAMES = ("carrier", "tail_number", "origin", "destination")
_COLUMNS = (
    *("day", "utc_offset", "scheduled_departure", "departure_delay", "scheduled_arrival", "arrival", "arrival_delay"),
    *(*_NAMES, "number", "air_minutes", "distance"),
)


class FlightRecord(NamedTuple):
    """One scheduled flight. Times of day are local and written ``HHMM`` as a number; None is what the source lacks."""

    date: str
    """ISO date of the scheduled departure in New York."""
    utc_hour: str
    """The hour of the scheduled departure, in UTC, as ISO date and time with ``Z``."""
    scheduled_departure: int
    departure_delay: int | None
    scheduled_arrival: int
    arrival: int | None
    arrival_delay: int | None
    carrier: str
    number: int
    tail_number: str | None
    origin: str
    destination: str
    air_minutes: int | None
    distance: int

    @property
    def cancelled(self) -> bool:
        """Whether it never took off."""
        return self.departure_delay is None

    @property
    def diverted(self) -> bool:
        """Whether it took off, but has no arrival delay: it landed somewhere else first, or only there."""
        return self.departure_delay is not None and self.arrival_delay is None


def pack(about: Mapping[str, str], tables: Mapping[str, Iterable[TableRow]], flights: Iterable[FlightRecord]) -> bytes:
    """The file's content. ``about`` is kept as it is: ``name``, ``version``, ``licence`` and so on."""
    ordered = sorted(
        flights, key=lambda flight: (flight.carrier, flight.number, flight.origin, flight.destination, flight)
    )
    first = min(flight.date for flight in ordered)
    names = {field: sorted({value for f in ordered if (value := getattr(f, field)) is not None}) for field in _NAMES}
    places = {field: {value: place for place, value in enumerate(values)} for field, values in names.items()}
    columns: dict[str, list[int]] = {column: [] for column in _COLUMNS}
    for flight in ordered:
        for column, value in _packed(flight, first, places).items():
            columns[column].append(_NONE if value is None else value)
    header = {
        "about": dict(about),
        "tables": {name: _by_column(list(rows)) for name, rows in tables.items()},
        "first_day": first,
        "names": names,
        "flights": len(ordered),
    }
    body = b"".join(_bytes(columns[column]) for column in _COLUMNS)
    content = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" + body
    return lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)


def unpack(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The line of JSON, and the columns of the flights.

    Raises:
        ValueError, lzma.LZMAError: It is not what `pack` makes, or cut short.
    """
    line, _, body = lzma.decompress(content).partition(b"\n")
    header: dict[str, Any] = json.loads(line)
    if len(body) != 2 * len(_COLUMNS) * header["flights"]:
        raise ValueError("the columns have another length than the header says")
    return header, body


def table_in(header: Mapping[str, Any], table: str) -> Iterator[TableRow]:
    """The rows of one of the small tables. Raises ``KeyError`` if no table has that name."""
    columns: dict[str, list[str | None]] = header["tables"][table]
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def flights_in(header: Mapping[str, Any], body: bytes) -> Iterator[FlightRecord]:
    """Every flight, sorted by airline and number."""
    count = header["flights"]
    names = [header["names"][field] for field in _NAMES]
    start = datetime.fromisoformat(header["first_day"])
    days = [start + timedelta(days=day) for day in range(400)]
    dates = [day.date().isoformat() for day in days]
    columns = [_numbers(body[2 * count * place : 2 * count * (place + 1)]) for place in range(len(_COLUMNS))]
    for values in zip(*columns, strict=True):
        day, offset, departs, late, arrives, arrived, arrives_late = values[:7]
        carrier, tail, origin, destination, number, air, distance = values[7:]
        left = days[day] + timedelta(hours=departs // 60 + offset)
        due = arrives if arrives_late == _NONE else arrives + arrives_late
        yield FlightRecord(
            dates[day],
            left.strftime("%Y-%m-%dT%H:00:00Z"),
            _hhmm(departs),
            _known(late),
            _hhmm(arrives),
            None if arrived == _NONE else _hhmm((due + arrived) % _DAY or _DAY),
            _known(arrives_late),
            names[0][carrier],
            number,
            None if tail == _NONE else names[1][tail],
            names[2][origin],
            names[3][destination],
            _known(air),
            distance,
        )


def _packed(flight: FlightRecord, first: str, places: Mapping[str, Mapping[str, int]]) -> dict[str, int | None]:
    day = datetime.fromisoformat(flight.date)
    departs, arrives = _minutes(flight.scheduled_departure), _minutes(flight.scheduled_arrival)
    left = datetime.fromisoformat(flight.utc_hour.removesuffix("Z"))
    due = arrives + (flight.arrival_delay or 0)
    return {
        "day": (day - datetime.fromisoformat(first)).days,
        "utc_offset": int((left - day).total_seconds()) // 3600 - departs // 60,
        "scheduled_departure": departs,
        "departure_delay": flight.departure_delay,
        "scheduled_arrival": arrives,
        "arrival": None if flight.arrival is None else (_minutes(flight.arrival) - due) % _DAY,
        "arrival_delay": flight.arrival_delay,
        **{field: None if (name := getattr(flight, field)) is None else places[field][name] for field in _NAMES},
        "number": flight.number,
        "air_minutes": flight.air_minutes,
        "distance": flight.distance,
    }


def _minutes(hhmm: int) -> int:
    return hhmm // 100 * 60 + hhmm % 100


def _hhmm(minutes: int) -> int:
    return minutes // 60 * 100 + minutes % 60


def _known(value: int) -> int | None:
    return None if value == _NONE else value


def _by_column(rows: Sequence[TableRow]) -> dict[str, list[str | None]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _bytes(values: Iterable[int]) -> bytes:
    numbers = array("h", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    content = numbers.tobytes()
    return content[0::2] + content[1::2]


def _numbers(content: bytes) -> array[int]:
    half = len(content) // 2
    woven = bytearray(len(content))
    woven[0::2], woven[1::2] = content[:half], content[half:]
    numbers = array("h")
    numbers.frombytes(woven)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
