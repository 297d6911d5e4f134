"""How long the embedded database lives: as long as somebody uses it, whoever is killed; and its data, for longer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local.neo4j import EmbeddedNeo4j
from local.neo4j.data_directory import DataDirectory
from local.neo4j.errors import (
    DatabaseGone,
    DatabaseLoginRefused,
)
from local.neo4j.jvm import stop_leftover_jvm
from local.neo4j.state import ProcessId
from tests.local.neo4j.processes import QUIET, command, has_jvm, is_gone, is_running, pids, query, state
from tests.support.waiting import GENEROUS_SECONDS, eventually

pytestmark = pytest.mark.processes


@pytest.mark.exhaustive
def test_two_commands_that_start_at_the_same_time_share_one_database(tmp_path: Path) -> None:
    with command(tmp_path) as one, command(tmp_path) as other:
        lines = [one.ready(), other.ready()]
        assert lines[0]["uri"] == lines[1]["uri"]
        assert sorted(line["shared"] for line in lines) == [False, True]
        processes = pids(tmp_path)
        one.process.kill()
        other.process.kill()
    assert eventually(lambda: is_gone(tmp_path, *processes))


@pytest.mark.exhaustive
def test_a_database_outlives_the_command_that_started_it_and_its_own_jvm_but_not_its_last_user(tmp_path: Path) -> None:
    with command(tmp_path) as first:
        uri = first.ready()["uri"]
        with EmbeddedNeo4j(tmp_path, console=QUIET) as database:
            assert (database.uri, database.shared) == (uri, True)
            password = database.password
            query(database, "CREATE (:Kept {what: $what})", what="everything")
            first.end()
            assert query(database, "MATCH (kept:Kept) RETURN kept.what") == [["everything"]]

            supervisor, jvm = pids(tmp_path)
            os.kill(jvm, signal.SIGKILL)
            assert eventually(lambda: state(tmp_path)["phase"] == "restarting")
            assert database.alive
            assert eventually(lambda: state(tmp_path)["phase"] == "running")
            assert state(tmp_path)["uri"] == uri
            assert query(database, "MATCH (kept:Kept) RETURN kept.what") == [["everything"]]
            jvm = pids(tmp_path)[1]
        assert is_gone(tmp_path, supervisor, jvm)

    with command(tmp_path) as last:
        assert last.ready() == {"uri": uri, "shared": False}
        with EmbeddedNeo4j(tmp_path, console=QUIET) as database:
            assert database.password == password
            assert query(database, "MATCH (kept:Kept) RETURN kept.what") == [["everything"]]
        processes = pids(tmp_path)
        last.process.kill()
    assert eventually(lambda: is_gone(tmp_path, *processes))


@pytest.mark.exhaustive
def test_no_jvm_is_left_when_its_supervisor_is_killed_and_the_next_start_is_clean(tmp_path: Path) -> None:
    with EmbeddedNeo4j(tmp_path, console=QUIET) as database:
        supervisor, jvm = pids(tmp_path)
        os.kill(supervisor, signal.SIGKILL)
        assert eventually(lambda: not database.alive)
        with pytest.raises(DatabaseGone, match="Run the command again"):
            database.check()
        if sys.platform == "linux":
            assert eventually(lambda: not is_running(jvm))
    with EmbeddedNeo4j(tmp_path, console=QUIET) as again:
        assert not is_running(jvm)
        assert (again.uri, again.password) == (database.uri, database.password)

    (tmp_path / "password").write_text("another one, which the database has never heard of\n")
    with pytest.raises(DatabaseLoginRefused, match=f"{tmp_path}/password"), EmbeddedNeo4j(tmp_path, console=QUIET):
        pass
    assert is_gone(tmp_path)


def test_a_jvm_that_a_supervisor_left_behind_is_stopped_by_the_next_start(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.prepare()
    data.configuration_dir.mkdir()
    data.jvm_arguments.write_text("-version\n")
    # It answers to the name of the JVM of this data directory, and ends when told to.
    left = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(100)", f"@{data.jvm_arguments}"], start_new_session=True
    )
    with left:
        # For a moment after it was started, the kernel does not know its arguments.
        assert eventually(lambda: f"@{data.jvm_arguments}" in psutil.Process(left.pid).cmdline())
        stranger = ProcessId(os.getpid(), psutil.Process().create_time())
        assert not stop_leftover_jvm(stranger, data.jvm_arguments)
        of_another_time = ProcessId(left.pid, 0.0)
        assert not stop_leftover_jvm(of_another_time, data.jvm_arguments)
        assert left.poll() is None
        assert stop_leftover_jvm(ProcessId(left.pid, psutil.Process(left.pid).create_time()), data.jvm_arguments)
        assert left.wait(GENEROUS_SECONDS) == -signal.SIGTERM


@pytest.mark.exhaustive
def test_a_database_that_crashes_again_and_again_is_given_up_with_the_reason(tmp_path: Path) -> None:
    with EmbeddedNeo4j(tmp_path, console=QUIET) as database:
        killed: set[int] = set()

        def kill_the_next_one() -> bool:
            jvm = state(tmp_path)["jvm"]
            if jvm and jvm["pid"] not in killed:
                killed.add(jvm["pid"])
                os.kill(jvm["pid"], signal.SIGKILL)
            return not database.alive

        assert eventually(kill_the_next_one)
        assert len(killed) == 4
        with pytest.raises(DatabaseGone, match="crashed 4 times within 10 minutes"):
            database.check()
        assert eventually(lambda: is_gone(tmp_path))
        with pytest.raises(DatabaseGone, match="crashed 4 times within 10 minutes"):
            database.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_command_that_is_interrupted_while_the_database_starts(
    tmp_path: Path, number: signal.Signals
) -> None:
    with command(tmp_path) as starting:
        assert eventually(lambda: has_jvm(tmp_path))
        processes = pids(tmp_path)
        starting.process.send_signal(number)
        starting.process.wait(GENEROUS_SECONDS)
    assert eventually(lambda: is_gone(tmp_path, *processes))


def test_a_data_directory_that_is_deleted_takes_its_database_with_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with command(data_dir):
        assert eventually(lambda: has_jvm(data_dir))
        processes = pids(data_dir)
        shutil.rmtree(data_dir, ignore_errors=True)
        assert eventually(lambda: not any(is_running(pid) for pid in processes))
