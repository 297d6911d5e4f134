"""The single flights of the sample graph, which only a full load adds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import LiteralString

from local.sample.packed import FlightRecord
from local.sample.tallies import clock

__all__ = ["FLIGHTS", "flight_batches"]

FLIGHTS: LiteralString = """
UNWIND $rows AS row
WITH row, datetime({datetime: datetime(row[1]) + duration({minutes: row[2]}), timezone: 'America/New_York'}) AS planned
MATCH (origin:Airport {faa: row[3]}), (destination:Airport {faa: row[4]})
MATCH (airline:Airline {carrier: row[5]}), (day:Day {date: date(planned)})
OPTIONAL MATCH (plane:Plane {tailNumber: row[7]})
MERGE (f:Flight {id: row[0]})
SET f.number = row[6],
    f.scheduledDeparture = planned,
    f.departure = planned + duration('PT' + row[8] + 'M'),
    f.scheduledArrival = localtime(row[9]),
    f.arrival = localtime(row[10]),
    f.departureDelay = row[8],
    f.arrivalDelay = row[11],
    f.airMinutes = row[12],
    f.distanceMiles = row[13],
    f.cancelled = row[8] IS NULL,
    f.diverted = row[8] IS NOT NULL AND row[11] IS NULL
MERGE (f)-[:FROM]->(origin)
MERGE (f)-[:TO]->(destination)
MERGE (f)-[:OPERATED_BY]->(airline)
MERGE (f)-[:ON]->(day)
FOREACH (known IN CASE WHEN plane IS NULL THEN [] ELSE [plane] END | MERGE (f)-[:FLOWN_BY]->(known))
"""
"""Merges a batch of flights, each a list as ``_row`` makes it, with all their relationships."""

FlightRow = list[str | int | None]


def flight_batches(flights: Iterable[FlightRecord], size: int) -> Iterator[list[FlightRow]]:
    """Cut ``flights`` into lists of at most ``size`` rows for ``FLIGHTS``."""
    rows = map(_row, flights)
    while batch := list(islice(rows, size)):
        yield batch


def _row(flight: FlightRecord) -> FlightRow:
    return [
        f"{flight.date}-{flight.carrier}-{flight.number}-{flight.origin}",
        flight.utc_hour,
        flight.scheduled_departure % 100,
        flight.origin,
        flight.destination,
        flight.carrier,
        flight.number,
        flight.tail_number,
        flight.departure_delay,
        clock(flight.scheduled_arrival),
        None if flight.arrival is None else clock(flight.arrival),
        flight.arrival_delay,
        flight.air_minutes,
        flight.distance,
    ]
