"""The jars of the embedded database: downloaded, verified, mended; and what is said when that is not possible."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.errors import LocalError
from local.console import Console
from local.neo4j.artifacts import default_cache_dir, ensure_jars, jars_directory
from local.neo4j.errors import CacheUnusable, DiskFull, DownloadFailed, JarMismatch
from local.neo4j.jars import Jar, format_lock, locked_jars, parse_lock

SMALL = sorted(locked_jars(), key=lambda jar: jar.size)[:4]
DEAD_PROXY = "http://127.0.0.1:9"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that holds the few smallest jars, copied from the user's own, which is filled if need be."""
    ensure_jars(Console(quiet=True), default_cache_dir(), SMALL)
    for jar in SMALL:
        copy = path_of(tmp_path, jar)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path_of(default_cache_dir(), jar).read_bytes())
    return tmp_path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is not there stands between this process and every network."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, DEAD_PROXY)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def path_of(cache: Path, jar: Jar) -> Path:
    return jars_directory(cache) / jar.relative_path


def corrupt(path: Path) -> None:
    """Change one byte in the middle, and leave the size, and the time of the last change, as they were."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def assert_right(cache: Path, jars: Sequence[Jar]) -> None:
    """Exactly ``jars`` are in ``cache``, each what it must be."""
    directory = jars_directory(cache)
    files = {path for path in directory.rglob("*") if path.is_file() and path.name != ".lock"}
    assert files == {path_of(cache, jar) for jar in jars}
    for jar in jars:
        assert hashlib.sha256(path_of(cache, jar).read_bytes()).hexdigest() == jar.sha256


def test_the_committed_list_is_in_the_form_that_its_generator_writes() -> None:
    jars = locked_jars()
    assert parse_lock(format_lock(reversed(jars))) == jars
    assert len({jar.relative_path for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)


def test_missing_jars_are_downloaded_with_their_size_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_jars(Console(), tmp_path / "cache", SMALL)
    assert_right(tmp_path / "cache", SMALL)
    shown = capsys.readouterr().err
    assert "Downloading Neo4j" in shown
    assert f"{len(SMALL)} jars" in shown
    assert "MB" in shown


@pytest.mark.usefixtures("no_network")
def test_a_second_start_needs_no_network(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_jars(Console(), cache, SMALL)
    assert capsys.readouterr().err == ""


def test_a_corrupted_jar_of_the_same_size_is_named_deleted_and_downloaded_again(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corrupt(path_of(cache, SMALL[1]))
    ensure_jars(Console(), cache, SMALL)
    assert_right(cache, SMALL)
    shown = capsys.readouterr().err
    assert path_of(cache, SMALL[1]).name in shown
    assert "SHA-256" in shown
    assert path_of(cache, SMALL[0]).name not in shown


@pytest.mark.usefixtures("no_network")
def test_a_corrupted_jar_is_gone_even_when_it_cannot_be_downloaded_again(cache: Path) -> None:
    corrupt(path_of(cache, SMALL[1]))
    with pytest.raises(DownloadFailed):
        ensure_jars(Console(quiet=True), cache, SMALL)
    assert_right(cache, [jar for jar in SMALL if jar != SMALL[1]])


def test_a_jar_whose_sum_differs_twice_is_an_error_that_names_it(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataclasses.replace(SMALL[0], sha256="0" * 64)
    with pytest.raises(JarMismatch, match=SMALL[0].coordinate):
        ensure_jars(Console(), cache, [other, *SMALL[1:]])
    assert_right(cache, SMALL[1:])
    assert f"{SMALL[0].coordinate} arrived with a wrong SHA-256 sum" in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
def test_without_a_network_the_error_says_what_to_do_and_no_address(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="HTTPS_PROXY") as caught:
        ensure_jars(Console(quiet=True), tmp_path, SMALL)
    assert "://" not in str(caught.value)
    assert_right(tmp_path, [])


def test_what_a_killed_download_left_is_cleared_away(cache: Path) -> None:
    path_of(cache, SMALL[0]).unlink()
    half = jars_directory(cache) / ".download-killed" / "half.jar"
    half.parent.mkdir()
    half.write_bytes(b"half")
    ensure_jars(Console(quiet=True), cache, SMALL)
    assert_right(cache, SMALL)


@pytest.mark.processes
def test_two_processes_that_download_at_once_do_each_other_no_harm(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from local.console import Console
        from local.neo4j.artifacts import ensure_jars
        from local.neo4j.jars import locked_jars

        ensure_jars(Console(), Path(sys.argv[1]), sorted(locked_jars(), key=lambda jar: jar.size)[:4])
        """
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    shown = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], shown
    assert sum("Downloading Neo4j 20" in text for text in shown) == 1
    assert_right(tmp_path, SMALL)


@pytest.mark.parametrize("where", ["a file in the way", "a place where nobody may write"])
def test_a_cache_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path, where: str) -> None:
    if where == "a file in the way":
        cache = tmp_path / "file"
        cache.write_text("")
    else:
        cache = Path("/proc/nowhere") if sys.platform == "linux" else Path("/System/nowhere")
    with pytest.raises(CacheUnusable, match=str(jars_directory(cache))):
        ensure_jars(Console(quiet=True), cache, SMALL)


def test_a_full_disk_is_an_error_that_says_how_much_is_needed(tmp_path: Path) -> None:
    enormous = dataclasses.replace(SMALL[0], size=10**18)
    with pytest.raises(DiskFull, match="MB"):
        ensure_jars(Console(quiet=True), tmp_path, [enormous])


@pytest.mark.processes
def test_a_disk_that_fills_up_during_the_download_is_the_same_error(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from local.console import Console
        from local.neo4j.artifacts import ensure_jars
        from local.neo4j.errors import DiskFull
        from local.neo4j.jars import locked_jars

        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            ensure_jars(Console(), Path(sys.argv[1]), sorted(locked_jars(), key=lambda jar: jar.size)[:4])
        except DiskFull as error:
            print(error)
        """
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "No room left" in result.stdout, result.stderr
    assert_right(tmp_path, [])


def test_every_error_is_one_that_a_command_shows_to_a_person() -> None:
    assert all(issubclass(error, LocalError) for error in (CacheUnusable, DiskFull, DownloadFailed, JarMismatch))
