"""Temporal values, durations and points as text, straight from the integers that Bolt carries.

The text is the one of Neo4j's Query API (https://neo4j.com/docs/query-api/current/plain-json), and it is made from
the fields of Bolt's structures (https://neo4j.com/docs/bolt/current/bolt/structure-semantics) by integer arithmetic
alone. So it holds for what Python's and the driver's own types cannot hold: years outside of 1 to 9999, offsets with
seconds, local mean time of centuries ago, and summer time after 2037.

In one point the text says more than the Query API, which drops the name of a zone: ``+02:00[Europe/Paris]``, as
Cypher's ``toString()`` writes it and its ``datetime()`` reads it.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["date_text", "datetime_text", "duration_text", "float_text", "point_text", "time_text", "zoned_text"]

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - Python's arithmetic on UTC needs no zone
_ORDINALS = date.max.toordinal()
_DAY = 86_400
_NANOS = 1_000_000_000

_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097
"""The Gregorian calendar, and every rule for summer time, repeats after 400 years."""

_FIRST_RULE = -60_000_000_000
"""Seconds before 1970, in the year 68: long before any zone had rules, so its offset holds for all times before."""
_LAST_RULE = 250_000_000_000
"""Seconds after 1970, in the year 9892, up to where Python's arithmetic holds in every zone."""


def date_text(days: int) -> str:
    """``days`` after 1970-01-01; years of more than four digits have a sign, as in ISO 8601 and in Cypher."""
    ordinal = days + _EPOCH_ORDINAL
    if 0 < ordinal <= _ORDINALS:
        return date.fromordinal(ordinal).isoformat()
    cycles, day = divmod(ordinal - 1, _CYCLE_DAYS)
    inside = date.fromordinal(day + 1)
    year = inside.year + cycles * _CYCLE_YEARS
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}{inside.isoformat()[4:]}"


def time_text(nanoseconds: int, offset: int | None = None) -> str:
    """``nanoseconds`` after midnight, and where there is one the offset from UTC in seconds."""
    seconds, fraction = divmod(nanoseconds, _NANOS)
    return f"{_clock(seconds, fraction)}{'' if offset is None else _offset(offset)}"


def datetime_text(seconds: int, nanoseconds: int, zone: int | str | None = None) -> str:
    """``seconds`` after 1970-01-01T00:00, in UTC where ``zone`` is an offset or a name, else local.

    A name that the IANA database lacks leaves the time in UTC, with the name behind it: the instant stays exact.
    """
    if zone is None:
        return _local(seconds, nanoseconds)
    if isinstance(zone, int):
        return f"{_local(seconds + zone, nanoseconds)}{_offset(zone)}"
    offset = _offset_at(zone, seconds)
    return f"{_local(seconds + offset, nanoseconds)}{_offset(offset)}[{zone}]"


def zoned_text(day: str, nanoseconds: int, offset: int | None, zone: str | None) -> str:
    """A date's text, the time of day, and the offset and zone where there are any."""
    return f"{day}T{time_text(nanoseconds, offset)}{f'[{zone}]' if zone else ''}"


def duration_text(months: int, days: int, seconds: int, nanoseconds: int) -> str:
    """ISO 8601 with a sign at each part. Only months become years, and only seconds become minutes and hours."""
    years, months = _towards_zero(months, 12)
    parts = [f"{number}{unit}" for number, unit in ((years, "Y"), (months, "M"), (days, "D")) if number]
    total = seconds * _NANOS + nanoseconds
    if total:
        sign = "-" if total < 0 else ""
        whole, fraction = divmod(abs(total), _NANOS)
        minutes, second = divmod(whole, 60)
        hours, minute = divmod(minutes, 60)
        parts.append("T")
        parts += [f"{sign}{number}{unit}" for number, unit in ((hours, "H"), (minute, "M")) if number]
        if second or fraction:
            parts.append(f"{sign}{second}{_fraction(fraction)}S")
    return f"P{''.join(parts)}" if parts else "PT0S"


def point_text(srid: int, *coordinates: float) -> str:
    """Extended WKT, as in ``SRID=4326;POINT (12.99 55.6)``; any SRID that the database may know."""
    dimensions = "POINT Z" if len(coordinates) == 3 else "POINT"
    return f"SRID={srid};{dimensions} ({' '.join(map(float_text, coordinates))})"


def float_text(number: float) -> str:
    """A float as Java writes it, which is how the Query API does: ``1.0E7`` and not ``10000000.0`` or ``1e+07``.

    Source: ``Double.toString`` of Java 19 and later.
    """
    if 1e-3 <= abs(number) < 1e7 or number == 0:
        return repr(number)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    from decimal import Decimal

    text = f"{Decimal(repr(number)):E}"
    mantissa, _, exponent = text.partition("E")
    if "." not in mantissa:
        # Where one digit is enough, Java takes the closest of the texts with two.
        text = f"{number:.1e}"
        if float(text) == number:
            mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.rstrip("0")
    return f"{mantissa}{'0' if mantissa.endswith('.') else ''}E{int(exponent)}"


def _local(seconds: int, nanoseconds: int) -> str:
    days, second = divmod(seconds, _DAY)
    return f"{date_text(days)}T{_clock(second, nanoseconds)}"


def _clock(seconds: int, nanoseconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}{_fraction(nanoseconds)}"


def _fraction(nanoseconds: int) -> str:
    return "." + f"{nanoseconds:09d}".rstrip("0") if nanoseconds else ""


def _offset(seconds: int) -> str:
    if not seconds:
        return "Z"
    minutes, second = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{second:02d}" if second else text


def _offset_at(zone: str, seconds: int) -> int:
    """The offset from UTC, in seconds, that the zone has at an instant; 0 where the zone is not known."""
    rules = _rules(zone)
    if rules is None:
        return 0
    if seconds > _LAST_RULE:
        cycle = _CYCLE_DAYS * _DAY
        seconds = _LAST_RULE - cycle + (seconds - _LAST_RULE) % cycle
    instant = _EPOCH + timedelta(seconds=max(seconds, _FIRST_RULE))
    offset = rules.fromutc(instant.replace(tzinfo=rules)).utcoffset()
    return 0 if offset is None else offset.days * _DAY + offset.seconds


@lru_cache(maxsize=1024)
def _rules(zone: str) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo

    # The driver brings pytz, whose files are those of the IANA database, the same on every machine. They are read with
    # the standard library, since pytz's own arithmetic rounds offsets to minutes and knows no summer time after 2037.
    import pytz  # type: ignore[import-untyped]

    try:
        with pytz.open_resource(zone) as file:
            return ZoneInfo.from_file(file, key=zone)
    except (OSError, ValueError):
        return None


def _towards_zero(number: int, divisor: int) -> tuple[int, int]:
    quotient, rest = divmod(abs(number), divisor)
    return (-quotient, -rest) if number < 0 else (quotient, rest)
