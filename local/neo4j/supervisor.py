"""``python -m local.neo4j.supervisor``: the process that keeps one embedded database running while it is used.

It holds ``supervisor.lock`` of its data directory for its life, starts the JVM, restarts it when it dies, and stops it
when no command holds ``users.lock`` any more, because they ended normally or were killed. Commands start it, and read
its state from ``server.json``; it reads only that file and its arguments.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType

from local.files import write_atomically
from local.locks import FileLock, LockMode
from local.neo4j.configuration import jvm_arguments, neo4j_configuration
from local.neo4j.data_directory import ELSEWHERE, DataDirectory
from local.neo4j.diagnosis import LogReader, diagnose, rotate, storage_failure
from local.neo4j.jars import locked_jars
from local.neo4j.jvm import identity, start_jvm, stop_jvm, stop_leftover_jvm
from local.neo4j.readiness import LoginResult, free_port, is_port_free, try_login
from local.neo4j.state import Failure, ServerState, read_state, write_state

__all__ = ["ALREADY_SUPERVISED", "Supervisor", "main"]

ALREADY_SUPERVISED = 3
"""The exit status when the data directory already has a supervisor."""

_START_SECONDS = 90.0
_POLL_SECONDS = 0.2
_START_POLL_SECONDS = 0.05
_RESTARTS = 3
_RESTARTS_WITHIN_SECONDS = 600.0
_LOCK_SECONDS = 3.0


class GaveUp(Exception):
    """The database cannot be kept running; ``failure`` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Supervisor:
    """Keeps the JVM of one data directory running for as long as somebody uses it."""

    def __init__(
        self, data: DataDirectory, jars: list[Path], port: int | None, settings: Mapping[str, str] | None = None
    ) -> None:
        """``port`` is the requested one; None means the one used last time, or any.

        ``settings`` are settings of Neo4j in addition to, or instead of, the usual ones.
        """
        self._data = data
        self._jars = jars
        self._wanted_port = port
        self._settings = settings
        self._users = FileLock(data.users_lock)
        self._stopping = False
        self._jvm: subprocess.Popen[bytes] | None = None
        self._log = LogReader(())
        self._crashes: collections.deque[float] = collections.deque(maxlen=_RESTARTS + 1)
        before = read_state(data.state_file)
        self._leftover = before.jvm if before else None
        self._last_port = before.port if before else None
        self._state = ServerState("starting", identity(os.getpid()), port or self._last_port or 0, self._leftover)
        self._publish()

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Ask for a clean stop; a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Serve until nobody uses the database, ``stop`` is called, or it cannot be kept running."""
        try:
            if self._leftover is not None:
                stop_leftover_jvm(self._leftover, self._data.jvm_arguments)
            self._publish(port=self._choose_port(), jvm=None)
            if not self._unused():
                self._wait_for_login(self._start())
            while not self._unused():
                if self._jvm is not None and self._jvm.poll() is not None:
                    self._restart(self._jvm.returncode)
                time.sleep(_POLL_SECONDS)
            self._publish(phase="stopping")
            self._stop()
            self._publish(phase="stopped", jvm=None)
        except GaveUp as error:
            self._stop()
            self._publish(phase="failed", jvm=None, failure=error.failure)
        except OSError as error:
            self._stop()
            self._publish(phase="failed", jvm=None, failure=storage_failure(error, self._data.path))
        finally:
            self._stop()

    def _choose_port(self) -> int:
        if self._wanted_port is None:
            return self._last_port if self._last_port and is_port_free(self._last_port) else free_port()
        if not is_port_free(self._wanted_port):
            text = (
                f"Port {self._wanted_port} of this machine is taken. Stop what listens there, or give another one with "
                "--port."
            )
            raise GaveUp(Failure("port", text))
        return self._wanted_port

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the JVM, and remember the current end of its logs."""
        self._data.configuration_dir.mkdir(mode=0o700, exist_ok=True)
        configuration = neo4j_configuration(self._state.port, self._settings)
        write_atomically(self._data.configuration_dir / "neo4j.conf", configuration)
        write_atomically(self._data.jvm_arguments, jvm_arguments(self._data.path, self._jars))
        self._data.write_initial_password()
        rotate(self._data.jvm_log)
        self._log = LogReader((self._data.neo4j_log, self._data.jvm_log))
        with self._data.jvm_log.open("ab") as log:
            self._jvm = start_jvm(self._data.jvm_arguments, log)
        self._publish(jvm=identity(self._jvm.pid))
        return self._jvm

    def _wait_for_login(self, jvm: subprocess.Popen[bytes]) -> None:
        """Wait until the database answers a login, nobody needs it any more, or it fails (``GaveUp``)."""
        password = self._data.password()
        deadline = time.monotonic() + _START_SECONDS
        while not self._unused():
            if jvm.poll() is not None:
                raise self._gave_up(f"Neo4j ended with exit status {jvm.returncode} while it started.")
            result = try_login(jvm.pid, self._state.port, password)
            if result is LoginResult.ANSWERED:
                self._data.remove_initial_password()
                self._publish(phase="running")
                return
            if result is LoginResult.REFUSED:
                text = (
                    f"The database in {self._data.path} does not accept the password in {self._data.password_file}. Put"
                    f" the right one there. {ELSEWHERE}"
                )
                raise GaveUp(Failure("login", text))
            if time.monotonic() > deadline:
                raise self._gave_up(f"Neo4j did not answer within {_START_SECONDS:.0f} s.")
            time.sleep(_START_POLL_SECONDS)

    def _restart(self, exit_status: int) -> None:
        """Start the JVM again after it died, on the same port, unless that happens too often (``GaveUp``)."""
        now = time.monotonic()
        self._crashes.append(now)
        recent = [crash for crash in self._crashes if now - crash < _RESTARTS_WITHIN_SECONDS]
        if len(recent) > _RESTARTS:
            reason = (
                f"Neo4j crashed {len(recent)} times within {_RESTARTS_WITHIN_SECONDS / 60:.0f} minutes (last exit "
                f"status {exit_status}) and was not started again."
            )
            raise GaveUp(replace(self._gave_up(reason).failure, kind="crashes"))
        self._publish(phase="restarting", jvm=None)
        try:
            self._wait_for_login(self._start())
        except GaveUp as error:
            if error.failure.kind != "start":
                raise
            self._stop()  # the next turn of the loop sees that it ended, and counts it

    def _gave_up(self, what_happened: str) -> GaveUp:
        return GaveUp(diagnose(self._log, what_happened, self._data.path, self._state.port))

    def _unused(self) -> bool:
        """Whether to stop: on request, or if no user is left. No new one can come then."""
        if not self._stopping:
            self._stopping = not self._users.is_in_place() or self._users.acquire(LockMode.EXCLUSIVE)
        return self._stopping

    def _stop(self) -> None:
        if self._jvm is not None:
            stop_jvm(self._jvm)

    def _publish(self, **changes: object) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]
        with contextlib.suppress(FileNotFoundError):  # the data directory was deleted: nobody can read it
            write_state(self._data.state_file, self._state)


def main() -> None:
    """Become the supervisor of a data directory, detached from the process that started this one.

    Exits with status 0 as soon as there is a supervisor process that has written its first state, with
    ``ALREADY_SUPERVISED`` if another one lives.
    """
    parser = argparse.ArgumentParser(prog="neo4j-m2m-supervisor")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("jars_dir", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    data = DataDirectory(arguments.data_dir)
    jars = [arguments.jars_dir / jar.relative_path for jar in locked_jars()]
    lock = FileLock(data.supervisor_lock)
    if not lock.acquire(LockMode.EXCLUSIVE, timeout=_LOCK_SECONDS):
        sys.exit(ALREADY_SUPERVISED)
    readable, writable = os.pipe()
    if os.fork():
        os.close(writable)
        sys.exit(0 if os.read(readable, 1) else 1)
    os.close(readable)
    _redirect_output(data.supervisor_log)
    try:
        settings = dict(setting.split("=", 1) for setting in arguments.setting)
        supervisor = Supervisor(data, jars, arguments.port, settings)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, supervisor.stop)
        os.write(writable, b"1")
        os.close(writable)
        supervisor.run()
    except BaseException:
        traceback.print_exc()
        raise
    # The lock is not closed here: the kernel drops it when this process has really ended.


def _redirect_output(log: Path) -> None:
    """Detach from the terminal and the pipes of the process that started this one."""
    os.chdir("/")
    os.umask(0o077)
    with open(os.devnull, "rb") as nothing, log.open("ab") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)


if __name__ == "__main__":
    main()
