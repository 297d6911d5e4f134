"""The embedded database as a command uses it: a context manager that shares one running database between commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pydantic import SecretStr

from local.locks import FileLock, LockMode, is_held
from local.neo4j.artifacts import default_cache_dir, ensure_jars, jars_directory
from local.neo4j.data_directory import ELSEWHERE, DataDirectory, default_data_dir
from local.neo4j.errors import (
    DatabaseGone,
    DatabaseLoginRefused,
    DataDirectoryLocked,
    DataDirectoryUnusable,
    DiskFull,
    PortConflict,
    StartFailed,
)
from local.neo4j.jars import NEO4J_VERSION
from local.neo4j.jvm import environment_for_children, is_running
from local.neo4j.state import FailureKind, Phase, ServerState, read_state

if TYPE_CHECKING:
    from core.errors import LocalError
    from local.console import Console

__all__ = ["EmbeddedNeo4j"]

_READY_SECONDS = 150.0
"""Longer than the supervisor's own limit, so that the supervisor is the one to say what is wrong."""

_STOPPING_SECONDS = 45.0
_LEAVING_SECONDS = 12.0
_DECISION_SECONDS = 2.0
_POLL_SECONDS = 0.05
_LITTLE_ROOM_BYTES = 10_000_000

_LIVELY: frozenset[Phase] = frozenset({"starting", "running", "restarting"})

_ERRORS: dict[FailureKind, type[LocalError]] = {
    "port": PortConflict,
    "locked": DataDirectoryLocked,
    "disk_full": DiskFull,
    "unusable": DataDirectoryUnusable,
    "login": DatabaseLoginRefused,
    "start": StartFailed,
    "crashes": DatabaseGone,
}


class EmbeddedNeo4j:
    """A real Neo4j on this machine, for as long as the ``with`` block lasts.

    ::

        with EmbeddedNeo4j(console=console) as database:
            driver = GraphDatabase.driver(database.uri, auth=(database.username, database.password.get_secret_value()))

    Entering downloads what is missing, starts the database or joins the one that runs on the same data directory, and
    returns once it answers a login. Leaving stops it, unless another command still uses it. If the process is killed
    instead, the database stops by itself.
    """

    username = "neo4j"
    database = "neo4j"

    def __init__(
        self,
        data_dir: Path | None = None,
        port: int | None = None,
        cache_dir: Path | None = None,
        *,
        console: Console,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing happens before the block is entered.

        ``data_dir`` and ``cache_dir`` default to this user's own; ``port`` to that of the running database, else to the
        one used last, else to any free one. ``settings`` are settings of Neo4j, by name, in addition to or instead of
        the usual ones; a running database keeps those that it was started with.
        """
        self._data = DataDirectory(default_data_dir() if data_dir is None else data_dir)
        self.data_dir = self._data.path
        self._wanted_port = port or None
        self._cache_dir = default_cache_dir() if cache_dir is None else cache_dir
        self._console = console
        self._settings = dict(settings or {})
        self._lease: FileLock | None = None
        self._supervisor_pid = 0
        self.uri = ""
        self.port = 0
        self.password = SecretStr("")
        self.shared = False

    def __enter__(self) -> EmbeddedNeo4j:
        """Make the database run and answer.

        Raises a ``LocalError`` whose text says what to do: see ``local.neo4j.errors``. When it raises, or is
        interrupted, nothing that it started keeps running.
        """
        ensure_jars(self._console, self._cache_dir)
        self._data.prepare()
        try:
            self._join()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the database, and wait until it has stopped if nobody else uses it."""
        self._leave()

    def check(self) -> None:
        """Raise ``DatabaseGone`` if the database ended and will not come back by itself. Cheap."""
        state = read_state(self._data.state_file)
        if state is not None and state.supervisor.pid == self._supervisor_pid and state.failure is not None:
            raise DatabaseGone(state.failure.text)
        if state is not None and state.port != self.port:
            raise DatabaseGone(
                f"The embedded database in {self._data.path} was restarted on port {state.port}. Run the command "
                "again to use it."
            )
        if not is_held(self._data.supervisor_lock):
            raise DatabaseGone(
                f"The process that kept the embedded database in {self._data.path} running was killed, and the "
                "database with it. Run the command again; the data are kept."
            )

    @property
    def alive(self) -> bool:
        """Whether the database runs, or is being restarted after a crash."""
        try:
            self.check()
        except DatabaseGone:
            return False
        return True

    def _join(self) -> None:
        """Take the lease, make sure that a supervisor runs, and wait until its database answers."""
        started = time.monotonic()
        self._lease = FileLock(self._data.users_lock)
        if not self._lease.acquire(LockMode.SHARED):
            self._console.say("The database is stopping; waiting for it …")
            if not self._lease.acquire(LockMode.SHARED, timeout=_STOPPING_SECONDS):
                raise StartFailed(
                    f"The database in {self._data.path} has been stopping for {_STOPPING_SECONDS:.0f} s. Try again in "
                    "a moment."
                )
        state = self._supervised()
        while state.phase != "running":
            if state.failure is not None:
                raise _ERRORS[state.failure.kind](state.failure.text)
            if not is_held(self._data.supervisor_lock):
                raise self._died_in_silence()
            if time.monotonic() - started > _READY_SECONDS:
                raise StartFailed(f"The database in {self._data.path} is not ready after {_READY_SECONDS:.0f} s.")
            time.sleep(_POLL_SECONDS)
            state = read_state(self._data.state_file) or state
        if self._wanted_port not in (None, state.port):
            raise PortConflict(
                f"The database in {self._data.path} already runs, on port {state.port}. Give --port {state.port}, or "
                f"no port at all. {ELSEWHERE}"
            )
        self._supervisor_pid = state.supervisor.pid
        self.uri, self.port, self.password = state.uri, state.port, self._data.password()
        if self.shared:
            self._console.say(f"Sharing the Neo4j that runs on port {state.port}.")
        else:
            self._console.say(f"Neo4j answers on port {state.port}, after {time.monotonic() - started:.1f} s.")

    def _supervised(self) -> ServerState:
        """The state of the living supervisor, which is started if necessary.

        The lease is held, so a living supervisor stays; the start lock is held here, so only one is started.
        """
        with FileLock(self._data.start_lock) as starting:
            if not starting.acquire(LockMode.EXCLUSIVE, timeout=_STOPPING_SECONDS):
                raise StartFailed(f"Another command is stuck starting the database in {self._data.path}. End it first.")
            deadline = time.monotonic() + _STOPPING_SECONDS
            while is_held(self._data.supervisor_lock):
                state = read_state(self._data.state_file)
                if state is not None and state.phase in _LIVELY and is_running(state.supervisor):
                    self.shared = True
                    return state
                if time.monotonic() > deadline:
                    raise StartFailed(f"The database in {self._data.path} does not stop. Try again in a moment.")
                time.sleep(_POLL_SECONDS)
            self._console.say(f"Starting Neo4j Community {NEO4J_VERSION} …")
            self._start_supervisor()
            state = read_state(self._data.state_file)
            if state is None:
                raise self._died_in_silence()
            return state

    def _start_supervisor(self) -> None:
        """Start the supervisor; returns when it has written its first state. It may outlive this process."""
        command = [
            *(sys.executable, "-P", "-m", "local.neo4j.supervisor"),
            *(str(self._data.path), str(jars_directory(self._cache_dir))),
            *(("--port", str(self._wanted_port)) if self._wanted_port is not None else ()),
            *(f"--setting={name}={value}" for name, value in self._settings.items()),
        ]
        try:
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                env=environment_for_children(),
                timeout=_STOPPING_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise self._died_in_silence() from error
        if result.returncode != 0:
            last_words = result.stderr.decode("utf-8", "replace").strip()[-2000:]
            raise self._died_in_silence(last_words)

    def _died_in_silence(self, last_words: str = "") -> LocalError:
        """The error for a supervisor that ended without saying why."""
        if shutil.disk_usage(self._data.path).free < _LITTLE_ROOM_BYTES:
            return DiskFull(
                f"No room left for the database's data in {self._data.path}. Free some space and try again."
            )
        return StartFailed(
            f"The supervisor of the embedded database ended unexpectedly. Its log is {self._data.supervisor_log}."
            + (f" It said:\n{last_words}" if last_words else "")
        )

    def _leave(self) -> None:
        """Drop the lease; if it was the last one, wait for a limited time until the database has stopped."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        last = lease.acquire(LockMode.EXCLUSIVE)
        lease.close()
        if not last:
            return
        left = time.monotonic()
        while is_held(self._data.supervisor_lock):
            waited = time.monotonic() - left
            state = read_state(self._data.state_file)
            if waited > _DECISION_SECONDS and state is not None and state.phase == "running":
                return  # somebody else came in time
            if waited > _LEAVING_SECONDS:
                self._console.say("Neo4j is still busy stopping; it will end by itself.")
                return
            time.sleep(_POLL_SECONDS)
