from __future__ import annotations

import pytest

from local.sample.source import FlightRecord
from local.sample.tallies import clock, tally

ON_TIME = FlightRecord(
    "2013-01-01", "2013-01-01T10:00:00Z", 515, 2, 819, 830, 11, "UA", 1545, "N1", "EWR", "IAH", 227, 1400
)
LATE = ON_TIME._replace(
    date="2013-03-01", scheduled_departure=2359, departure_delay=30, arrival_delay=20, air_minutes=200
)
CANCELLED = ON_TIME._replace(departure_delay=None, arrival=None, arrival_delay=None, air_minutes=None)
DIVERTED = ON_TIME._replace(departure_delay=9, arrival_delay=None, air_minutes=None, tail_number="N2")


def test_averages_leave_out_what_did_not_happen() -> None:
    route = tally([ON_TIME, LATE, CANCELLED, DIVERTED]).routes["EWR", "IAH", "UA"]
    assert (route.flights, route.cancelled, route.diverted) == (4, 1, 1)
    assert route.average_departure_delay == round((2 + 30 + 9) / 3, 2)
    assert route.average_arrival_delay == (11 + 20) / 2
    assert route.average_air_minutes == (227 + 200) / 2


def test_a_route_on_which_nothing_flew_has_no_averages() -> None:
    route = tally([CANCELLED]).routes["EWR", "IAH", "UA"]
    assert route.average_departure_delay is None
    assert route.average_arrival_delay is None
    assert route.average_air_minutes is None


def test_a_route_knows_its_first_and_last_day_and_departure() -> None:
    route = tally([LATE, ON_TIME]).routes["EWR", "IAH", "UA"]
    assert (route.first_date, route.last_date) == ("2013-01-01", "2013-03-01")
    assert (route.earliest_departure, route.latest_departure) == (515, 2359)


def test_a_plane_visits_only_where_it_landed_as_planned() -> None:
    sums = tally([ON_TIME, LATE, CANCELLED, DIVERTED, ON_TIME._replace(tail_number=None)])
    assert dict(sums.visits) == {("N1", "IAH"): 2}
    assert dict(sums.fleets) == {("UA", "N1"): 3, ("UA", "N2"): 1}
    assert sums.air_minutes["N1"] == 427


def test_a_rhythm_has_24_shares_of_one() -> None:
    sums = tally([ON_TIME, LATE])
    rhythm = sums.rhythm("EWR")
    assert rhythm is not None
    assert len(rhythm) == 24
    assert rhythm[5] == rhythm[23] == 0.5
    assert sums.rhythm("IAH") == [0.0] * 8 + [1.0] + [0.0] * 15
    assert sums.rhythm("LAX") is None


@pytest.mark.parametrize(("number", "text"), [(5, "00:05"), (515, "05:15"), (2359, "23:59"), (2400, "00:00")])
def test_a_time_of_day_is_written_in_iso_form(number: int, text: str) -> None:
    assert clock(number) == text
