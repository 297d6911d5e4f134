"""Function apps for tests: a worker in a process of its own, behind the front; what it says is kept and looked at."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from local.emulators.azure.emulate import Subscription
from local.emulators.azure.functions_host import FunctionsHost, HostKeys
from local.emulators.azure.worker_process import Worker
from local.emulators.loopback_server import served
from tests.support.canaries import WATCH
from tests.support.waiting import eventually

PING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def call(name: str = "read-cypher", **arguments: Any) -> dict[str, Any]:
    arguments = arguments or {"query": "RETURN 1 AS one"}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


@dataclass
class App:
    """A function app that is served at ``url``, the MCP endpoint."""

    url: str
    worker: Worker
    keys: HostKeys
    _log: Path = field(repr=False)
    _before: int = 0

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/mcp")

    @property
    def said(self) -> str:
        return self._log.read_text()

    def _audit_lines(self) -> list[str]:
        lines = [line.partition("neo4j_m2m.audit: ")[2] for line in self.said.splitlines()]
        return [line for line in lines if line.endswith("}")]

    def post(self, body: Any = PING, token: str | None = None, **headers: str) -> httpx2.Response:
        sent = {"mcp-protocol-version": "2025-11-25"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        self._before = len(self._audit_lines())
        with httpx2.Client(trust_env=False, timeout=60) as client:
            return client.post(self.url, json=body, headers=sent)

    def audit(self) -> dict[str, Any]:
        """The audit's line of the last ``post``. It is written before the answer is sent, and read a moment later."""
        assert eventually(lambda: len(self._audit_lines()) > self._before), "no audit line"
        last: dict[str, Any] = json.loads(self._audit_lines()[-1])
        return last


@contextmanager
def function_app(running: Subscription, *, leave_out: frozenset[str] = frozenset(), **environ: str) -> Iterator[App]:
    """The app with ``environ`` besides what a function app of ``running`` has, less what is left out."""
    base = {name: value for name, value in running.environ.items() if name not in leave_out}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "log"
        with path.open("w") as log:
            worker = Worker({**base, **environ}, log=log)
            try:
                worker.load()
                assert worker.loading_error is None, worker.loading_error
                keys = HostKeys(functions={"mcp": "canary-function-key-1f0c"})
                with served(FunctionsHost(worker, keys), name="the function app") as origin:
                    yield App(f"{origin}/mcp", worker, keys, path)
            finally:
                worker.close()
        WATCH.look(path.read_text(), "what a function app says")
