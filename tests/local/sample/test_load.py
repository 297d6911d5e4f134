"""Loading into a database of its own. The tests share it, and run in the order in which they stand here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

import neo4j
import pytest

from core.errors import LocalError
from local.console import Console
from local.sample import load, load_sample, source
from local.sample.flights import flight_batches
from tests.local.sample import raw

pytestmark = pytest.mark.exhaustive  # each run loads the graph twice more; every other test reads what was loaded once


class Killed(BaseException):
    """Stands for the end of the process: nothing in the code under test may catch it."""


class KillingConsole(Console):
    """Ends the load in the middle of its progress, after ``items`` of them."""

    def __init__(self, items: int) -> None:
        super().__init__(quiet=True)
        self._left = items

    @contextmanager
    def progress(
        self, description: str, total: int, unit: Literal["bytes", "items"] = "items"
    ) -> Iterator[Callable[[int], None]]:
        def advance(amount: int) -> None:
            self._left -= amount
            if self._left <= 0:
                raise Killed

        yield advance


QUIET = Console(quiet=True)
LAST_DAY = 13
"""Of January: a full load in these tests has the flights until then, some 11,000. All of them would take a minute."""


@cache
def part() -> tuple[dict[str, str], ...]:
    """The rows of the source that a full load of these tests has."""
    rows = raw.table("flights")
    return tuple(row for row in rows if row["month"] == "1" and int(row["day"]) <= LAST_DAY)


def wipe(driver: neo4j.Driver) -> None:
    with driver.session() as session:
        for record in list(session.run("SHOW CONSTRAINTS YIELD name")):
            session.run(f"DROP CONSTRAINT {record['name']}").consume()
        for record in list(session.run("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'")):
            session.run(f"DROP INDEX {record['name']}").consume()
        # The airports, where thousands of relationships meet, come last.
        for label in ("Flight", "Weather", "Plane"):
            session.run(f"MATCH (n:{label}) CALL (n) {{ DETACH DELETE n }} IN TRANSACTIONS OF 5000 ROWS").consume()
        session.run("MATCH (n) DETACH DELETE n").consume()


def counts(driver: neo4j.Driver) -> dict[str, int]:
    """How many nodes there are of each label, and relationships of each type."""
    records = driver.execute_query(
        "MATCH (n) RETURN labels(n)[0] AS kind, count(*) AS number UNION ALL "
        "MATCH ()-[r]->() RETURN type(r) AS kind, count(*) AS number"
    ).records
    return {record["kind"]: record["number"] for record in records}


def names(driver: neo4j.Driver) -> set[str]:
    records = driver.execute_query("SHOW INDEXES YIELD name, state, type WHERE type <> 'LOOKUP' RETURN *").records
    assert {record["state"] for record in records} <= {"ONLINE"}
    return {record["name"] for record in records}


@pytest.fixture(scope="module")
def scratch(empty_neo4j_driver: neo4j.Driver) -> Iterator[neo4j.Driver]:
    wipe(empty_neo4j_driver)
    yield empty_neo4j_driver
    wipe(empty_neo4j_driver)


def test_missing_data_leave_the_database_empty(
    scratch: neo4j.Driver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(source, "PACKED", tmp_path / "none.xz")
    with pytest.raises(LocalError, match="pip install"):
        load_sample(scratch, console=QUIET)
    assert not counts(scratch)


@pytest.mark.parametrize(
    "foreign",
    [
        "CREATE (:Person {name: 'Ada'})",
        "CREATE (:Dataset {name: 'census'})",
        "CREATE (:Dataset {name: 'nycflights13'})",
        "CREATE ()",
    ],
)
@pytest.mark.parametrize("full", [False, True])
def test_somebody_elses_graph_is_left_alone(scratch: neo4j.Driver, foreign: str, full: bool) -> None:
    scratch.execute_query(foreign)
    try:
        with pytest.raises(LocalError, match="only into an empty embedded database"):
            load_sample(scratch, full=full, console=QUIET)
        assert sum(counts(scratch).values()) == 1
        assert not names(scratch)
    finally:
        scratch.execute_query("MATCH (n) DETACH DELETE n")


def test_a_database_that_is_not_there_is_an_error_of_this_machine() -> None:
    with (
        neo4j.GraphDatabase.driver("bolt://127.0.0.1:1", max_transaction_retry_time=0) as nowhere,
        pytest.raises(LocalError, match="Loading again completes it"),
    ):
        load_sample(nowhere, console=QUIET)


def test_two_loads_at_once_killed_halfway_are_completed_without_duplicates(
    scratch: neo4j.Driver, neo4j_driver: neo4j.Driver
) -> None:
    def load_and_die(_: int) -> None:
        with pytest.raises(Killed):
            load_sample(scratch, console=KillingConsole(25_000))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(load_and_die, range(2)))
    assert 0 < sum(counts(scratch).values()) < sum(counts(neo4j_driver).values())
    summary = load_sample(scratch, console=QUIET)
    assert not summary.already_loaded
    assert counts(scratch) == counts(neo4j_driver)
    assert names(scratch) == names(neo4j_driver)


def test_loading_twice_changes_nothing(scratch: neo4j.Driver) -> None:
    before = counts(scratch)
    loaded = scratch.execute_query("MATCH (d:Dataset) RETURN d.loaded").records[0][0]
    summary = load_sample(scratch, console=QUIET)
    assert summary.already_loaded
    assert not summary.full
    assert summary.nodes + summary.relationships == sum(before.values())
    assert counts(scratch) == before
    assert scratch.execute_query("MATCH (d:Dataset) RETURN d.loaded").records[0][0] == loaded


def test_finding_the_graph_loaded_takes_no_time_and_no_package(
    scratch: neo4j.Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "find_source", lambda: pytest.fail("looked for the data"))
    summaries = [load_sample(scratch, console=QUIET) for _ in range(3)]
    assert min(summary.seconds for summary in summaries) < 0.1


@pytest.mark.parametrize("full", [False, True])
def test_a_graph_of_another_shape_is_refused(scratch: neo4j.Driver, full: bool) -> None:
    scratch.execute_query("MATCH (d:Dataset) SET d.edition = d.edition + 1")
    try:
        with pytest.raises(LocalError, match="another release"):
            load_sample(scratch, full=full, console=QUIET)
    finally:
        scratch.execute_query("MATCH (d:Dataset) SET d.edition = d.edition - 1")


def test_flights_of_another_version_of_the_data_are_not_mixed_in(scratch: neo4j.Driver) -> None:
    scratch.execute_query("MATCH (d:Dataset) SET d.version = '9.9.9'")
    try:
        with pytest.raises(LocalError, match=r"9\.9\.9"):
            load_sample(scratch, full=True, console=QUIET)
        assert "Flight" not in counts(scratch)
    finally:
        scratch.execute_query("MATCH (d:Dataset) SET d.version = $version", version=source.find_source().version)


def test_every_flight_has_an_id_of_its_own() -> None:
    flights = source.find_source().flights()
    ids = {row[0] for batch in flight_batches(flights, 10_000) for row in batch}
    assert len(ids) == len(raw.table("flights"))


def _is_part(flight: source.FlightRecord) -> bool:
    return flight.date <= f"2013-01-{LAST_DAY}"


@pytest.fixture
def fewer_flights(monkeypatch: pytest.MonkeyPatch) -> None:
    every_flight = source.Source.flights
    monkeypatch.setattr(source.Source, "flights", lambda self: filter(_is_part, every_flight(self)))


@pytest.mark.usefixtures("fewer_flights")
def test_a_full_load_killed_halfway_says_so_until_it_is_completed(
    scratch: neo4j.Driver, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        load_sample(scratch, full=True, console=KillingConsole(6_000))
    summary = load_sample(scratch, console=Console())
    assert summary.already_loaded
    assert not summary.full
    assert "Only some of the single flights" in capsys.readouterr().err
    assert 0 < counts(scratch)["Flight"] < len(part())


@pytest.mark.usefixtures("fewer_flights")
def test_a_full_load_adds_every_flight_and_nothing_else(scratch: neo4j.Driver, neo4j_driver: neo4j.Driver) -> None:
    summary = load_sample(scratch, full=True, console=QUIET)
    assert summary.full
    assert not summary.already_loaded
    known = sum(row["tailnum"] != "NA" for row in part())
    expected = counts(neo4j_driver)
    expected |= {**dict.fromkeys(("Flight", "FROM", "TO", "OPERATED_BY"), len(part())), "FLOWN_BY": known}
    expected["ON"] += len(part())
    assert counts(scratch) == expected


def test_a_default_load_leaves_a_full_graph_as_it_is(scratch: neo4j.Driver) -> None:
    for full in (False, True):
        summary = load_sample(scratch, full=full, console=QUIET)
        assert summary.already_loaded
        assert summary.full
        assert summary.seconds < 1


def test_a_flight_is_as_the_source_tells_it(scratch: neo4j.Driver) -> None:
    cypher = (
        "MATCH (airport)<-[:TO]-(f:Flight {id: $id})-[:FLOWN_BY]->(plane) "
        "RETURN airport.faa, plane.tailNumber, toString(f.scheduledDeparture), toString(f.departure), "
        "toString(f.arrival), f.departureDelay, f.arrivalDelay, f.cancelled, f.diverted"
    )
    record = scratch.execute_query(cypher, id="2013-01-09-HA-51-JFK").records[0]
    (row,) = (
        row
        for row in raw.table("flights")
        if (row["month"], row["day"], row["carrier"], row["flight"]) == ("1", "9", "HA", "51")
    )
    assert list(record.values()) == [
        row["dest"],
        row["tailnum"],
        "2013-01-09T09:00:00-05:00[America/New_York]",
        "2013-01-10T06:41:00-05:00[America/New_York]",
        "12:42:00",
        int(row["dep_delay"]),
        int(row["arr_delay"]),
        False,
        False,
    ]


def test_a_cancelled_flight_has_no_times_of_its_own(scratch: neo4j.Driver) -> None:
    records = scratch.execute_query(
        "MATCH (f:Flight) WHERE f.cancelled "
        "RETURN count(*), count(f.departure), count(f.arrivalDelay), count(f.arrival)"
    ).records
    assert list(records[0].values()) == [
        sum(row["dep_time"] == "NA" for row in part()),
        0,
        0,
        0,
    ]
