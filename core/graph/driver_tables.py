"""Answers that the driver keeps in large tables, computed instead: 25 MB less memory."""

from __future__ import annotations

import calendar
import importlib
import logging
from typing import Any

__all__ = ["compute_instead_of_tables"]

logger = logging.getLogger(__name__)


class _DaysInMonth:
    """The days of a (year, month), years 1 to 9999."""

    def __getitem__(self, asked: tuple[int, int]) -> int:
        year, month = asked
        if not (1 <= year <= 9999 and 1 <= month <= 12):
            raise KeyError(asked)
        return calendar.monthrange(year, month)[1]


class _TwoBytes:
    """The big-endian bytes of a number from 0 to 65,535."""

    def __getitem__(self, number: int) -> bytes:
        return number.to_bytes(2, "big")


class _FromTwoBytes:
    """The number that two big-endian bytes are."""

    def __getitem__(self, two: bytes) -> int:
        if len(two) != 2:
            raise KeyError(two)
        return int.from_bytes(two, "big")


def compute_instead_of_tables() -> bool:
    """Put what computes in the place of the driver's tables (6.4); returns whether all of them were found.

    On import the driver lists the days of every month of 9,999 years, and every number of two bytes, twice: 29 MB, a
    quarter of this process. The sooner after that import this runs, the more of it the system gets back.

    These are private names of the driver, in this function alone. A table that is not found as expected stays as it is.
    """
    to_bytes, from_bytes = _TwoBytes(), _FromTwoBytes()
    found = [_replaced("neo4j.time", "_DAYS_IN_MONTH", _DaysInMonth(), (2024, 2))]
    for place in ("neo4j._codec.packstream.v1", "neo4j._codec.packstream.v2"):
        found.append(_replaced(place, "PACKED_UINT_16", to_bytes, 258))
        found.append(_replaced(place, "UNPACKED_UINT_16", from_bytes, b"\x01\x02"))
    return all(found)


def _replaced(place: str, name: str, computed: Any, asked: Any) -> bool:
    try:
        module = importlib.import_module(place)
        if getattr(module, name)[asked] == computed[asked]:
            setattr(module, name, computed)
            return True
    except (ImportError, AttributeError, LookupError, TypeError):
        pass
    logger.info("the driver has no table %s.%s of the known form; nothing is put in its place", place, name)
    return False
