"""Commands that use an embedded database in processes of their own, and a look at the processes behind it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neo4j
import psutil

from local.console import Console
from local.locks import is_held
from local.neo4j import EmbeddedNeo4j
from tests.support.waiting import GENEROUS_SECONDS, eventually

QUIET = Console(quiet=True)

COMMAND = textwrap.dedent(
    """
    import json, sys
    from pathlib import Path
    from local.console import Console
    from local.neo4j import EmbeddedNeo4j

    with EmbeddedNeo4j(Path(sys.argv[1]), console=Console()) as database:
        print(json.dumps({"uri": database.uri, "shared": database.shared}), flush=True)
        sys.stdin.read()
    """
)
"""A command that uses the database until its standard input ends."""


@dataclass
class Command:
    """A running ``COMMAND``."""

    process: subprocess.Popen[str]

    def ready(self) -> dict[str, Any]:
        """Wait until it uses the database; the line that it prints then."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors()
        return dict(json.loads(line))

    def end(self) -> None:
        """Let it end by itself."""
        self.process.communicate(timeout=GENEROUS_SECONDS)

    def errors(self) -> str:
        return self.process.communicate(timeout=GENEROUS_SECONDS)[1]


@contextmanager
def command(data_dir: Path) -> Iterator[Command]:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Command(process)
        finally:
            process.kill()


def state(data_dir: Path) -> dict[str, Any]:
    return dict(json.loads((data_dir / "server.json").read_text()))


def pids(data_dir: Path) -> tuple[int, int]:
    """The process ids of the supervisor and the JVM."""
    now = state(data_dir)
    return now["supervisor"]["pid"], now["jvm"]["pid"]


def has_jvm(data_dir: Path) -> bool:
    return (data_dir / "server.json").exists() and state(data_dir)["jvm"] is not None


def query(database: EmbeddedNeo4j, cypher: str, **parameters: Any) -> list[Any]:
    auth = (database.username, database.password.get_secret_value())
    with neo4j.GraphDatabase.driver(database.uri, auth=auth, telemetry_disabled=True) as driver:
        return [record.values() for record in driver.execute_query(cypher, parameters, database_="neo4j").records]


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def is_gone(data_dir: Path, *processes: int) -> bool:
    """Whether nothing runs on ``data_dir``, ``processes`` included: now, or in the time a process takes to die."""
    return not is_held(data_dir / "supervisor.lock") and eventually(
        lambda: not any(is_running(pid) for pid in processes), 5
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
