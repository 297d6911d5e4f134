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

__all__ = ["Competitor", "competitors"]

RIVALS = Path(sys.prefix).parent / ".venv-rivals" / "bin"


@dataclass(frozen=True)
class Competitor:
    """A server: how to start it, where it answers, and the name of its reading tool.

    ``credentials`` is what a caller must send by HTTP Basic, if the server passes it on to the database.
    """

    name: str
    command: list[str]
    tool: str
    port: int
    credentials: tuple[str, str] | None = None
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @contextmanager
    def running(self) -> Iterator[None]:
        """The server, once its port answers; its output is discarded."""
        silent = subprocess.DEVNULL
        with subprocess.Popen(self.command, env=self.environ, stdin=silent, stdout=silent, stderr=silent) as process:
            try:
                self._wait(process)
                yield
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        for _ in range(600):
            if process.poll() is not None:
                raise RuntimeError(f"{self.name} ended while starting, with status {process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} does not answer")


def competitors(uri: str, password: str) -> list[Competitor]:
    """This server, and the others that are installed (``make bench`` installs them), on the database at ``uri``."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_")}
    database = {"NEO4J_URI": uri, "NEO4J_USERNAME": "neo4j", "NEO4J_PASSWORD": password, "NEO4J_DATABASE": "neo4j"}
    port = _free_port()
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port)]
    found = [Competitor("neo4j-m2m", command, "read-cypher", port, environ=environ | database)]
    if (RIVALS / "neo4j-mcp-server").exists():
        port = _free_port()
        command = [
            *(str(RIVALS / "neo4j-mcp-server"), "--uri", uri, "--database", "neo4j", "--telemetry", "false"),
            *("--transport-mode", "http", "--http-host", "127.0.0.1", "--http-port", str(port)),
        ]
        found.append(
            Competitor("neo4j-mcp-server (official)", command, "read-cypher", port, ("neo4j", password), environ)
        )
    if (RIVALS / "mcp-neo4j-cypher").exists():
        port = _free_port()
        command = [
            *(str(RIVALS / "mcp-neo4j-cypher"), "--transport", "http"),
            *("--server-host", "127.0.0.1", "--server-port", str(port), "--server-path", "/mcp"),
        ]
        labs = Competitor("mcp-neo4j-cypher (labs)", command, "read_neo4j_cypher", port, environ=environ | database)
        found.append(labs)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
