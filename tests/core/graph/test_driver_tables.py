from __future__ import annotations

import calendar
import importlib
import logging
import struct
import subprocess
import sys

import neo4j.time
import pytest
from neo4j._codec.packstream import v1, v2

import core.graph.pool
from core.graph.driver_tables import compute_instead_of_tables

assert core.graph.pool  # importing it is what replaces the tables


def test_the_pool_has_replaced_every_table_of_this_version_of_the_driver() -> None:
    tables = [neo4j.time._DAYS_IN_MONTH, v1.PACKED_UINT_16, v2.PACKED_UINT_16, v1.UNPACKED_UINT_16, v2.UNPACKED_UINT_16]  # type: ignore[attr-defined]
    assert {type(table).__module__ for table in tables} == {"core.graph.driver_tables"}
    assert compute_instead_of_tables()


def test_every_month_has_its_days() -> None:
    days = importlib.import_module("neo4j.time")._DAYS_IN_MONTH
    for year in range(1, 10_000):
        for month in range(1, 13):
            assert days[year, month] == calendar.monthrange(year, month)[1]
    for outside in ((0, 1), (10_000, 1), (2024, 0), (2024, 13)):
        with pytest.raises(KeyError):
            days[outside]


@pytest.mark.parametrize("version", [v1, v2])
def test_every_number_of_two_bytes_is_packed_and_unpacked(version: object) -> None:
    packed, unpacked = version.PACKED_UINT_16, version.UNPACKED_UINT_16  # type: ignore[attr-defined]
    for number in range(0x10000):
        assert packed[number] == struct.pack(">H", number)
        assert unpacked[packed[number]] == number
    for wrong in (b"", b"x", b"xyz"):
        with pytest.raises(KeyError):
            unpacked[wrong]


def test_dates_are_computed_as_before() -> None:
    assert neo4j.time.Date(2024, 2, 29) + neo4j.time.Duration(years=1) == neo4j.time.Date(2025, 2, 28)
    assert neo4j.time.Date(1900, 3, 1).to_ordinal() - neo4j.time.Date(1900, 2, 28).to_ordinal() == 1
    with pytest.raises(ValueError, match="out of range"):
        neo4j.time.Date(2023, 2, 29)


@pytest.mark.parametrize("other", [None, {}, {(2024, 2): 28}])
def test_a_driver_with_other_tables_is_left_alone(
    other: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(neo4j.time, "_DAYS_IN_MONTH", other)
    assert not compute_instead_of_tables()
    assert "neo4j.time._DAYS_IN_MONTH" in caplog.text
    assert neo4j.time._DAYS_IN_MONTH is other  # type: ignore[attr-defined]


@pytest.mark.processes
def test_the_drivers_own_tables_say_the_same() -> None:
    """In a process of its own, whose driver still has its tables."""
    code = """
import neo4j.time
from neo4j._codec.packstream import v1
from core.graph.driver_tables import compute_instead_of_tables
months, packed, unpacked = neo4j.time._DAYS_IN_MONTH, v1.PACKED_UINT_16, v1.UNPACKED_UINT_16
assert (len(months), len(packed), len(unpacked)) == (119_988, 65_536, 65_536)
assert compute_instead_of_tables() and months is not neo4j.time._DAYS_IN_MONTH
assert all(neo4j.time._DAYS_IN_MONTH[month] == days for month, days in months.items())
assert all(v1.PACKED_UINT_16[number] == two for number, two in enumerate(packed))
assert all(v1.UNPACKED_UINT_16[two] == number for two, number in unpacked.items())
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
