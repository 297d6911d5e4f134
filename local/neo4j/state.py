"""``server.json``: what the supervisor of a data directory says about itself, to the commands that use the database."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from local.files import write_atomically

__all__ = ["Failure", "FailureKind", "Phase", "ProcessId", "ServerState", "read_state", "write_state"]

Phase = Literal["starting", "running", "restarting", "stopping", "stopped", "failed"]
FailureKind = Literal["port", "locked", "disk_full", "unusable", "login", "start", "crashes"]


@dataclass(frozen=True)
class ProcessId:
    """A process. Its number alone may be reused by another; its number and creation time together may not."""

    pid: int
    created: float


@dataclass(frozen=True)
class Failure:
    """Why the supervisor gave up: what kind of error it is, and the text for people."""

    kind: FailureKind
    text: str


@dataclass(frozen=True)
class ServerState:
    """The running processes. ``jvm`` is None while no JVM runs; ``failure`` is set in the phase ``failed``."""

    phase: Phase
    supervisor: ProcessId
    port: int
    jvm: ProcessId | None = None
    failure: Failure | None = None
    username: str = "neo4j"
    database: str = "neo4j"
    uri: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "uri", f"bolt://127.0.0.1:{self.port}")


def write_state(path: Path, state: ServerState) -> None:
    """Replace the file at ``path`` by ``state``, atomically."""
    write_atomically(path, json.dumps(asdict(state), indent=1) + "\n")


def read_state(path: Path) -> ServerState | None:
    """The state in the file at ``path``, or None if there is no such file or it has another content."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return ServerState(
            phase=fields["phase"],
            supervisor=ProcessId(**fields["supervisor"]),
            port=int(fields["port"]),
            jvm=ProcessId(**fields["jvm"]) if fields["jvm"] else None,
            failure=Failure(**fields["failure"]) if fields["failure"] else None,
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
