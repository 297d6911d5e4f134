"""Some hundred questions on the sample graph: each with the Cypher that answers it, and the answer.

The answers are counted in Python from the tables that the graph was made of, flight by flight, without the graph and
without this server. The Cypher is of the kinds that models write: matches over several relationships, aggregation,
dates as parameters, OPTIONAL MATCH, subqueries, ordered lists.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local.sample.source import FlightRecord, Source

__all__ = ["Facts", "Question", "questions"]

_NEW_YORK = ("EWR", "JFK", "LGA")


@dataclass(frozen=True)
class Question:
    """A question, the Cypher and parameters that answer it, and the rows of the answer."""

    text: str
    cypher: str
    params: dict[str, Any]
    rows: list[list[Any]]


@dataclass
class Facts:
    """What the tables say, by plain counting."""

    names: dict[str, str]
    flights_of: Counter[str] = field(default_factory=Counter)
    flights_to: Counter[str] = field(default_factory=Counter)
    flights_on: Counter[str] = field(default_factory=Counter)
    cancelled_on: Counter[str] = field(default_factory=Counter)
    destinations_of: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    planes_of: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    airlines_to: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    destinations_from: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    miles: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Source) -> Facts:
        """The facts of ``source``, from one pass over its flights."""
        facts = cls({str(row["carrier"]): str(row["name"]) for row in source.rows("airlines")})
        for flight in source.flights():
            facts.add(flight)
        return facts

    def add(self, flight: FlightRecord) -> None:
        """Count one more flight."""
        self.flights_of[flight.carrier] += 1
        self.flights_to[flight.destination] += 1
        self.flights_on[flight.date] += 1
        self.cancelled_on[flight.date] += flight.departure_delay is None
        self.destinations_of[flight.carrier].add(flight.destination)
        self.airlines_to[flight.destination][flight.carrier] += 1
        self.destinations_from[flight.origin].add(flight.destination)
        route = flight.origin, flight.destination
        self.miles[route] = max(self.miles.get(route, 0), flight.distance)
        if flight.tail_number is not None:
            self.planes_of[flight.carrier].add(flight.tail_number)


def questions(facts: Facts) -> Iterator[Question]:
    """All questions, in the same order each time."""
    yield from _about_airlines(facts)
    yield from _about_destinations(facts)
    yield from _about_months(facts)
    yield from _about_new_york(facts)


def _about_airlines(facts: Facts) -> Iterator[Question]:
    for carrier, name in sorted(facts.names.items()):
        params = {"carrier": carrier}
        yield Question(
            f"What is the airline {carrier} called?",
            "MATCH (a:Airline {carrier: $carrier}) RETURN a.name AS name",
            params,
            [[name]],
        )
        yield Question(
            f"How many flights did {name} schedule?",
            "MATCH (:Airport)-[r:ROUTE {carrier: $carrier}]->(:Airport) RETURN sum(r.flights) AS flights",
            params,
            [[facts.flights_of[carrier]]],
        )
        yield Question(
            f"Where does {name} fly to?",
            "MATCH (o:Airport)-[r:ROUTE]->(d:Airport) WHERE r.carrier = $carrier "
            "RETURN DISTINCT d.faa AS destination ORDER BY destination",
            params,
            [[faa] for faa in sorted(facts.destinations_of[carrier])],
        )
        yield Question(
            f"How many planes fly for {name}?",
            "MATCH (a:Airline {carrier: $carrier}) RETURN COUNT { (a)-[:OPERATES]->(:Plane) } AS planes",
            params,
            [[len(facts.planes_of[carrier])]],
        )


def _about_destinations(facts: Facts) -> Iterator[Question]:
    for faa, flights in sorted(facts.flights_to.items()):
        params = {"faa": faa}
        yield Question(
            f"How many flights went to {faa}?",
            "MATCH (d:Airport {faa: $faa})<-[r:ROUTE]-() WITH d, sum(r.flights) AS flights RETURN flights",
            params,
            [[flights]],
        )
        ranked = sorted(facts.airlines_to[faa].items(), key=lambda item: (-item[1], item[0]))
        yield Question(
            f"Which airlines fly to {faa}, the busiest first?",
            "MATCH (d:Airport {faa: $faa})<-[r:ROUTE]-(:Airport) MATCH (a:Airline {carrier: r.carrier}) "
            "RETURN a.name AS airline, sum(r.flights) AS flights, a.carrier AS carrier "
            "ORDER BY flights DESC, carrier, airline",
            params,
            [[facts.names[carrier], count, carrier] for carrier, count in ranked],
        )


def _about_months(facts: Facts) -> Iterator[Question]:
    for month in range(1, 13):
        prefix = f"2013-{month:02d}"
        days = sorted(day for day in facts.flights_on if day.startswith(prefix))
        between = {"first": days[0], "last": days[-1]}
        yield Question(
            f"How many flights were there in month {month}?",
            "MATCH (d:Day) WHERE date($first) <= d.date <= date($last) RETURN sum(d.flights) AS flights",
            between,
            [[sum(facts.flights_on[day] for day in days)]],
        )
        worst = max(days, key=lambda day: (facts.cancelled_on[day], day))
        yield Question(
            f"On which day of month {month} were most flights cancelled?",
            "MATCH (d:Day) WHERE d.date.month = $month RETURN d.date AS date, d.cancelled AS cancelled "
            "ORDER BY cancelled DESC, date DESC LIMIT 1",
            {"month": month},
            [[worst, facts.cancelled_on[worst]]],
        )
        yield Question(
            f"How many flights did the days of the first week of month {month} have, in order?",
            "MATCH path = (first:Day {date: date($first)})-[:NEXT*6]->(:Day) "
            "UNWIND nodes(path) AS day RETURN day.date AS date, day.flights AS flights ORDER BY date, flights",
            {"first": days[0]},
            [[day, facts.flights_on[day]] for day in days[:7]],
        )


def _about_new_york(facts: Facts) -> Iterator[Question]:
    for origin in _NEW_YORK:
        yield Question(
            f"How many airports can be reached from {origin} without a stop?",
            "MATCH (:Airport {faa: $origin})-[:ROUTE]->(d) RETURN count(DISTINCT d) AS airports",
            {"origin": origin},
            [[len(facts.destinations_from[origin])]],
        )
        longest = max(miles for (start, _), miles in facts.miles.items() if start == origin)
        farthest = sorted(end for (start, end), miles in facts.miles.items() if (start, miles) == (origin, longest))
        yield Question(
            f"What is the longest flight from {origin}?",
            "MATCH (:Airport {faa: $origin})-[r:ROUTE]->(d) WITH max(r.distanceMiles) AS longest "
            "MATCH (:Airport {faa: $origin})-[r:ROUTE {distanceMiles: longest}]->(d) "
            "RETURN DISTINCT d.faa AS destination, longest AS miles ORDER BY destination",
            {"origin": origin},
            [[faa, longest] for faa in farthest],
        )
        others = {faa for other in _NEW_YORK if other != origin for faa in facts.destinations_from[other]}
        yield Question(
            f"Which airports can only be reached from {origin}?",
            "MATCH (:Airport {faa: $origin})-[:ROUTE]->(d) "
            "WHERE NOT EXISTS { (o)-[:ROUTE]->(d) WHERE o.faa <> $origin } RETURN DISTINCT d.faa AS faa ORDER BY faa",
            {"origin": origin},
            [[faa] for faa in sorted(facts.destinations_from[origin] - others)],
        )
