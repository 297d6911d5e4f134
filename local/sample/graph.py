"""The sample graph, step by step: a statement that merges a batch of rows, and the rows.

Every statement merges on a constrained key, so a batch may run twice, or again after an interrupted load.
Properties that the source does not have are None in a row, and Cypher leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import LiteralString, NamedTuple

from local.sample.packed import TableRow
from local.sample.source import Source
from local.sample.tallies import Tallies, Tally, clock

__all__ = ["GraphRow", "Step", "steps"]

GraphRow = Mapping[str, object] | Sequence[object]
"""A map where that is easier to read, a list for tens of thousands of rows: names in every row are expensive."""


class Step(NamedTuple):
    """One statement, which takes its rows as the parameter ``rows``."""

    statement: LiteralString
    rows: list[GraphRow]


def steps(source: Source, tallies: Tallies) -> Iterator[Step]:
    """Yield the steps that make the graph, in an order in which every step finds the nodes that it needs.

    Raises LocalError when a file of the source cannot be read.
    """
    yield Step(_AIRPORTS, list(_airports(source, tallies)))
    yield Step(_AIRLINES, [{"carrier": row["carrier"], "name": row["name"]} for row in source.rows("airlines")])
    yield Step(_DAYS, [{"date": day, "sums": _sums(sums)} for day, sums in sorted(tallies.days.items())])
    yield Step(_NEXT_DAYS, list(_next_days(tallies)))
    registered = list(source.rows("planes"))
    yield Step(_PLANES, list(_planes(registered, tallies)))
    yield Step(
        _REGISTERED,
        [{"tail": row["tailnum"], "model": row["model"], "manufacturer": row["manufacturer"]} for row in registered],
    )
    yield Step(_ROUTES, list(_routes(tallies)))
    yield Step(_SERVES, list(_serves(tallies)))
    yield Step(_OPERATES, [(carrier, tail, flights) for (carrier, tail), flights in tallies.fleets.items()])
    yield Step(_VISITED, [(tail, faa, flights) for (tail, faa), flights in tallies.visits.items()])
    yield Step(_WEATHER, list(_weather(source, tallies)))


_AIRPORTS: LiteralString = """
UNWIND $rows AS row
MERGE (a:Airport {faa: row.faa})
SET a += row.properties,
    a.location = point({latitude: row.latitude, longitude: row.longitude})
"""

_AIRLINES: LiteralString = "UNWIND $rows AS row MERGE (a:Airline {carrier: row.carrier}) SET a.name = row.name"

_DAYS: LiteralString = "UNWIND $rows AS row MERGE (d:Day {date: date(row.date)}) SET d += row.sums"

_NEXT_DAYS: LiteralString = """
UNWIND $rows AS row
MATCH (day:Day {date: date(row.day)}), (next:Day {date: date(row.next)})
MERGE (day)-[:NEXT]->(next)
"""

_PLANES: LiteralString = """
UNWIND $rows AS row
MERGE (p:Plane {tailNumber: row.tail})
SET p += row.properties,
    p.timeInAir = duration('PT' + row.airMinutes + 'M')
"""

_REGISTERED: LiteralString = """
UNWIND $rows AS row
MATCH (p:Plane {tailNumber: row.tail})
MERGE (model:Model {name: row.model})
MERGE (manufacturer:Manufacturer {name: row.manufacturer})
MERGE (p)-[:OF_MODEL]->(model)
MERGE (p)-[:BUILT_BY]->(manufacturer)
"""

_ROUTES: LiteralString = """
UNWIND $rows AS row
MATCH (origin:Airport {faa: row.origin}), (destination:Airport {faa: row.destination})
MERGE (origin)-[r:ROUTE {carrier: row.carrier}]->(destination)
SET r += row.properties,
    r.firstDate = date(row.firstDate),
    r.lastDate = date(row.lastDate),
    r.earliestDeparture = localtime(row.earliestDeparture),
    r.latestDeparture = localtime(row.latestDeparture)
"""

_SERVES: LiteralString = """
UNWIND $rows AS row
MATCH (airline:Airline {carrier: row.carrier}), (airport:Airport {faa: row.faa})
MERGE (airline)-[r:SERVES]->(airport)
SET r.flights = row.flights
"""

_OPERATES: LiteralString = """
UNWIND $rows AS row
WITH row[0] AS carrier, row[1] AS tail, row[2] AS flights
MATCH (airline:Airline {carrier: carrier}), (plane:Plane {tailNumber: tail})
MERGE (airline)-[r:OPERATES]->(plane)
SET r.flights = flights
"""

_VISITED: LiteralString = """
UNWIND $rows AS row
WITH row[0] AS tail, row[1] AS faa, row[2] AS flights
MATCH (plane:Plane {tailNumber: tail}), (airport:Airport {faa: faa})
MERGE (plane)-[r:VISITED]->(airport)
SET r.flights = flights
"""

_WEATHER: LiteralString = """
UNWIND $rows AS row
WITH row, row[0] AS faa, datetime({datetime: datetime(row[1]), timezone: 'America/New_York'}) AS time
MATCH (airport:Airport {faa: faa}), (day:Day {date: date(time)})
MERGE (w:Weather {airport: faa, time: time})
SET w.temperatureF = row[2],
    w.dewPointF = row[3],
    w.humidityPercent = row[4],
    w.windDirectionDegrees = row[5],
    w.windSpeedMph = row[6],
    w.windGustMph = row[7],
    w.precipitationInches = row[8],
    w.pressureMillibars = row[9],
    w.visibilityMiles = row[10],
    w.departures = row[11],
    w.cancelled = row[12],
    w.averageDepartureDelay = row[13]
MERGE (w)-[:OBSERVED_AT]->(airport)
MERGE (w)-[:ON]->(day)
"""


def _airports(source: Source, tallies: Tallies) -> Iterator[GraphRow]:
    described = {row["faa"]: row for row in source.rows("airports")}
    undescribed = sorted(tallies.movements.keys() - described.keys())
    for faa, row in [*described.items(), *((faa, TableRow()) for faa in undescribed)]:
        yield {
            "faa": faa,
            "latitude": _number(row.get("lat")),
            "longitude": _number(row.get("lon")),
            "properties": {
                "name": (row.get("name") or "").replace("\\", "") or None,  # some apostrophes are escaped
                "altitudeFeet": _whole(row.get("alt")),
                "timezone": row.get("tzone"),
                "utcOffsetHours": _whole(row.get("tz")),
                "rhythm": tallies.rhythm(faa or ""),
            },
        }


def _planes(registered: list[TableRow], tallies: Tallies) -> Iterator[GraphRow]:
    known = {row["tailnum"]: row for row in registered}
    unknown = sorted({tail for _, tail in tallies.fleets} - known.keys())
    for tail, row in [*known.items(), *((tail, TableRow()) for tail in unknown)]:
        yield {
            "tail": tail,
            "airMinutes": tallies.air_minutes.get(tail or ""),
            "properties": {
                "year": _whole(row.get("year")),
                "type": row.get("type"),
                "engine": row.get("engine"),
                "engines": _whole(row.get("engines")),
                "seats": _whole(row.get("seats")),
                "cruisingSpeedMph": _whole(row.get("speed")),
            },
        }


def _next_days(tallies: Tallies) -> Iterator[GraphRow]:
    for day in sorted(tallies.days):
        following = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
        if following in tallies.days:
            yield {"day": day, "next": following}


def _routes(tallies: Tallies) -> Iterator[GraphRow]:
    for (origin, destination, carrier), sums in tallies.routes.items():
        yield {
            "origin": origin,
            "destination": destination,
            "carrier": carrier,
            "firstDate": sums.first_date,
            "lastDate": sums.last_date,
            "earliestDeparture": clock(sums.earliest_departure),
            "latestDeparture": clock(sums.latest_departure),
            "properties": {
                **_sums(sums),
                "averageAirMinutes": sums.average_air_minutes,
                "distanceMiles": sums.distance,
            },
        }


def _serves(tallies: Tallies) -> Iterator[GraphRow]:
    served: dict[tuple[str, str], int] = {}
    for (origin, destination, carrier), sums in tallies.routes.items():
        for faa in (origin, destination):
            served[carrier, faa] = served.get((carrier, faa), 0) + sums.flights
    for (carrier, faa), flights in served.items():
        yield {"carrier": carrier, "faa": faa, "flights": flights}


def _weather(source: Source, tallies: Tallies) -> Iterator[GraphRow]:
    for row in source.rows("weather"):
        airport, hour = row["origin"] or "", row["time_hour"] or ""
        departures = tallies.departures.get((airport, hour)) or Tally()
        yield (
            airport,
            hour,
            _number(row["temp"]),
            _number(row["dewp"]),
            _number(row["humid"]),
            _whole(row["wind_dir"]),
            _number(row["wind_speed"]),
            _number(row["wind_gust"]),
            _number(row["precip"]),
            _number(row["pressure"]),
            _number(row["visib"]),
            departures.flights,
            departures.cancelled,
            departures.average_departure_delay,
        )


def _sums(sums: Tally) -> dict[str, object]:
    return {
        "flights": sums.flights,
        "cancelled": sums.cancelled,
        "diverted": sums.diverted,
        "averageDepartureDelay": sums.average_departure_delay,
        "averageArrivalDelay": sums.average_arrival_delay,
    }


def _whole(value: str | None) -> int | None:
    return None if value is None else int(value)


def _number(value: str | None) -> float | None:
    """Read a decimal number; the source's conversions left errors after the seventh place."""
    return None if value is None else round(float(value), 7)
