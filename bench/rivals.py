"""The servers that are measured, each started as a process that speaks MCP over HTTP on the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.caller import McpCaller
from bench.figures import OFFICIAL, OURS
from local.neo4j.readiness import free_port

__all__ = ["RIVALS", "Competitor", "competitors", "installed_rivals", "megabytes", "ours", "processor_seconds"]

RIVALS = Path(sys.prefix).parent / ".venv-rivals" / "bin"

_PROGRAMS = {
    OFFICIAL: "neo4j-mcp-server",
    "neo4j-mcp-canary": "neo4j-mcp-canary",
    "mcp-neo4j-cypher (labs)": "mcp-neo4j-cypher",
}


@dataclass(frozen=True)
class Competitor:
    """A server: how to start it, where it answers, and the names of its tools for reading and for the schema.

    ``credentials`` is what a caller must send by HTTP Basic, if the server passes it on to the database.
    """

    name: str
    command: list[str]
    tool: str
    schema_tool: str
    port: int
    credentials: tuple[str, str] | None = None
    environ: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The server's process, once its port answers; its output is discarded."""
        silent = subprocess.DEVNULL
        with subprocess.Popen(self.command, env=self.environ, stdin=silent, stdout=silent, stderr=silent) as process:
            try:
                self._wait(process)
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()

    def caller(self) -> McpCaller:
        """Someone who may call; enter it to say hello."""
        return McpCaller(self.port, self.credentials)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            if process.poll() is not None:
                raise RuntimeError(f"{self.name} ended while starting, with status {process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} does not answer")


def installed_rivals() -> dict[str, Path]:
    """The programs of the other servers that are installed, by the servers' names; ``make bench`` installs them."""
    return {name: RIVALS / program for name, program in _PROGRAMS.items() if (RIVALS / program).exists()}


def competitors(uri: str, password: str, *, bare: bool = False) -> list[Competitor]:
    """This server, ``bare`` or not, and the others that are installed, on the database at ``uri``."""
    return [
        ours(uri, password, bare=bare),
        *(_rival(name, path, uri, password) for name, path in installed_rivals().items()),
    ]


def ours(uri: str, password: str, *, bare: bool = False) -> Competitor:
    """This server, as ``serve``; or ``bare``, as a function is, which asks the database nothing as it starts."""
    port = free_port()
    how = ("bench.bare_server", str(port)) if bare else ("cli.main", "serve", "--port", str(port))
    command = [sys.executable, "-m", *how]
    return Competitor(OURS, command, "read-cypher", "get-schema", port, environ=_environ(uri, password))


def megabytes(process: subprocess.Popen[bytes]) -> float:
    """The resident memory of ``process`` and those that it started."""
    first = psutil.Process(process.pid)
    return sum(float(one.memory_info().rss) for one in (first, *first.children(recursive=True))) / 1e6


def processor_seconds(pid: int) -> float:
    """What the process ``pid`` and those that it started have used of the processor."""
    first = psutil.Process(pid)
    return float(sum(sum(one.cpu_times()[:2]) for one in (first, *first.children(recursive=True))))


def _rival(name: str, path: Path, uri: str, password: str) -> Competitor:
    port = free_port()
    environ, login = _environ(uri, password), ("neo4j", password)
    bare = {key: value for key, value in environ.items() if not key.startswith("NEO4J_")}
    if path.name == "neo4j-mcp-server":
        command = [
            *(str(path), "--uri", uri, "--database", "neo4j", "--telemetry", "false"),
            *("--transport-mode", "http", "--http-host", "127.0.0.1", "--http-port", str(port)),
        ]
        return Competitor(name, command, "read-cypher", "get-schema", port, login, bare)
    if path.name == "neo4j-mcp-canary":
        command = [
            *(str(path), "--neo4j-uri", uri, "--neo4j-database", "neo4j", "--neo4j-telemetry", "false"),
            *("--neo4j-transport-mode", "http", "--neo4j-http-host", "127.0.0.1", "--neo4j-http-port", str(port)),
        ]
        return Competitor(name, command, "read-cypher", "get-schema", port, login, bare)
    command = [
        *(str(path), "--transport", "http"),
        *("--server-host", "127.0.0.1", "--server-port", str(port), "--server-path", "/mcp"),
    ]
    return Competitor(name, command, "read_neo4j_cypher", "get_neo4j_schema", port, environ=environ)


def _environ(uri: str, password: str) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_")}
    database = {"NEO4J_URI": uri, "NEO4J_USERNAME": "neo4j", "NEO4J_PASSWORD": password, "NEO4J_DATABASE": "neo4j"}
    return environ | database
