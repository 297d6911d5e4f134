"""A year of flights, summed up: by route, day, hour, airline, plane and airport, in one pass over the file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from local.sample.packed import FlightRecord

__all__ = ["RouteTally", "Tallies", "Tally", "clock", "tally"]

HOURS = 24


@dataclass(slots=True)
class Tally:
    """The sums of a set of flights."""

    flights: int = 0
    cancelled: int = 0
    diverted: int = 0
    departure_delay: int = 0
    arrival_delay: int = 0

    def add(self, flight: FlightRecord) -> None:
        """Count one more flight."""
        self.flights += 1
        if flight.departure_delay is None:
            self.cancelled += 1
            return
        self.departure_delay += flight.departure_delay
        if flight.arrival_delay is None:
            self.diverted += 1
            return
        self.arrival_delay += flight.arrival_delay

    @property
    def departed(self) -> int:
        """How many of the flights took off."""
        return self.flights - self.cancelled

    @property
    def completed(self) -> int:
        """How many of the flights arrived where they were meant to, without a landing elsewhere."""
        return self.departed - self.diverted

    @property
    def average_departure_delay(self) -> float | None:
        """Minutes, over the flights that took off; None if no flight did."""
        return round(self.departure_delay / self.departed, 2) if self.departed else None

    @property
    def average_arrival_delay(self) -> float | None:
        """Minutes, over the completed flights; None if no flight was completed."""
        return round(self.arrival_delay / self.completed, 2) if self.completed else None


@dataclass(slots=True)
class RouteTally(Tally):
    """The sums of the flights of one airline from one airport to another."""

    air_minutes: int = 0
    distance: int = 0
    first_date: str = "9999"
    last_date: str = ""
    earliest_departure: int = 9999
    latest_departure: int = 0

    def add(self, flight: FlightRecord) -> None:
        """Count one more flight of the route."""
        Tally.add(self, flight)
        self.air_minutes += flight.air_minutes or 0
        self.distance = max(self.distance, flight.distance)
        self.first_date = min(self.first_date, flight.date)
        self.last_date = max(self.last_date, flight.date)
        self.earliest_departure = min(self.earliest_departure, flight.scheduled_departure)
        self.latest_departure = max(self.latest_departure, flight.scheduled_departure)

    @property
    def average_air_minutes(self) -> float | None:
        """Minutes from take-off to landing, over the completed flights; None if no flight was completed."""
        return round(self.air_minutes / self.completed, 2) if self.completed else None


@dataclass(slots=True)
class Tallies:
    """All sums over the flights. An hour is UTC, as the source writes it; a plane is named by its tail number."""

    flights: int = 0
    routes: dict[tuple[str, str, str], RouteTally] = field(default_factory=lambda: defaultdict(RouteTally))
    """By origin, destination and carrier."""
    departures: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By origin and hour of the scheduled departure."""
    days: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    movements: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0] * HOURS))
    """By airport: scheduled departures and arrivals in each hour of its day."""
    fleets: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By carrier and plane: scheduled flights."""
    visits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By plane and destination: completed flights."""
    air_minutes: Counter[str] = field(default_factory=Counter)
    """By plane: minutes in the air."""

    def rhythm(self, airport: str) -> list[float] | None:
        """The share of each hour of the day in the scheduled traffic of ``airport``; None if it has no traffic."""
        movements = self.movements.get(airport)
        return [round(count / sum(movements), 5) for count in movements] if movements else None


def tally(flights: Iterable[FlightRecord]) -> Tallies:
    """Sum up ``flights``."""
    sums = Tallies()
    for flight in flights:
        sums.flights += 1
        sums.routes[flight.origin, flight.destination, flight.carrier].add(flight)
        sums.days[flight.date].add(flight)
        sums.departures[flight.origin, flight.utc_hour].add(flight)
        sums.movements[flight.origin][flight.scheduled_departure // 100 % HOURS] += 1
        sums.movements[flight.destination][flight.scheduled_arrival // 100 % HOURS] += 1
        if flight.tail_number is not None:
            sums.fleets[flight.carrier, flight.tail_number] += 1
            if flight.air_minutes is not None:
                sums.visits[flight.tail_number, flight.destination] += 1
                sums.air_minutes[flight.tail_number] += flight.air_minutes
    return sums


def clock(hhmm: int) -> str:
    """A time of day, given as the number ``HHMM``, in ISO form; 2400 is midnight."""
    return f"{hhmm // 100 % HOURS:02}:{hhmm % 100:02}"
