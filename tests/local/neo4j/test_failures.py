"""What is said when the embedded database cannot start: each error names what is in the way and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.errors import LocalError
from local.neo4j import EmbeddedNeo4j
from local.neo4j.data_directory import DataDirectory
from local.neo4j.errors import (
    DatabaseGone,
    DatabaseLoginRefused,
    DataDirectoryLocked,
    DataDirectoryUnusable,
    PortConflict,
    StartFailed,
)
from tests.local.neo4j.processes import QUIET, is_gone, query

pytestmark = pytest.mark.processes


def test_a_command_that_names_another_port_than_the_one_in_use_is_told_so(database: EmbeddedNeo4j) -> None:
    other = EmbeddedNeo4j(database.data_dir, port=database.port + 1, console=QUIET)
    with pytest.raises(PortConflict, match=f"--port {database.port}"), other:
        pass
    assert query(database, "RETURN 1") == [[1]]


def test_a_port_that_is_taken_is_an_error_that_names_it(database: EmbeddedNeo4j, tmp_path: Path) -> None:
    with (
        pytest.raises(PortConflict, match=f"Port {database.port} .*--port"),
        EmbeddedNeo4j(tmp_path, port=database.port, console=QUIET),
    ):
        pass
    assert is_gone(tmp_path)


def test_a_data_directory_that_another_neo4j_uses_is_an_error_that_names_it(
    database: EmbeddedNeo4j, tmp_path: Path
) -> None:
    DataDirectory(tmp_path).prepare()
    (tmp_path / "data").symlink_to(database.data_dir / "data")
    with (
        pytest.raises(DataDirectoryLocked, match=f"Another Neo4j uses .*{tmp_path}"),
        EmbeddedNeo4j(tmp_path, console=QUIET),
    ):
        pass
    assert is_gone(tmp_path)
    assert query(database, "RETURN 1") == [[1]]


def test_a_crash_at_start_shows_the_last_lines_of_the_log_and_where_it_is(tmp_path: Path) -> None:
    DataDirectory(tmp_path).prepare()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "databases").write_text("no directory")
    with pytest.raises(StartFailed) as caught, EmbeddedNeo4j(tmp_path, console=QUIET):
        pass
    text = str(caught.value)
    assert "Neo4j ended with exit status 1 while it started." in text
    assert str(tmp_path / "logs") in text
    assert "Exception" in text
    assert len(text.splitlines()) <= 16
    assert is_gone(tmp_path)


@pytest.mark.parametrize("obstacle", ["a file", "a directory with other things", "a place where nobody may write"])
def test_a_data_directory_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path, obstacle: str) -> None:
    data_dir = tmp_path / "data"
    if obstacle == "a file":
        data_dir.write_text("")
    elif obstacle == "a directory with other things":
        data_dir.mkdir()
        (data_dir / "thesis.tex").write_text("")
    else:
        data_dir = Path("/proc/nowhere") if sys.platform == "linux" else Path("/System/nowhere")
    with pytest.raises(DataDirectoryUnusable, match=str(data_dir)), EmbeddedNeo4j(data_dir, console=QUIET):
        pass


def test_every_error_is_one_that_a_command_shows_to_a_person() -> None:
    classes = (
        DatabaseGone,
        DataDirectoryLocked,
        DataDirectoryUnusable,
        DatabaseLoginRefused,
        PortConflict,
        StartFailed,
    )
    assert all(issubclass(error, LocalError) for error in classes)


def test_port_0_is_any_that_is_free(tmp_path: Path) -> None:
    assert EmbeddedNeo4j(tmp_path, port=0, console=QUIET)._wanted_port is None
