"""A worker as its host sees it: a process that has reported its functions and accepts invocations."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any

import local
from core.errors import LocalError

__all__ = ["APP_ROOT", "Worker", "WorkerFailed"]

APP_ROOT = Path(local.__file__).resolve().parent.parent
"""The folder of ``host.json`` and ``function_app.py``."""

_START_SECONDS = 40.0
_STOP_SECONDS = 2.0


class WorkerFailed(Exception):
    """The function raised, or the worker is gone."""


class Worker:
    """One worker process. ``triggers`` are the bindings of its functions; ``loading_error`` is why it has none."""

    def __init__(self, environ: Mapping[str, str], *, module: str = "function_app", log: IO[str] | None = None) -> None:
        """Start it with the app in ``module``. ``environ`` is the function's environment in addition to the platform's
        variables; its output goes to ``log``, or to stderr.

        Raises:
            LocalError: This is not a checkout of the repository.
        """
        if not (APP_ROOT / "host.json").is_file():
            raise LocalError(
                "The function app is at the root of the repository, and this program is installed without it. Clone "
                "the repository and run it from there."
            )
        self.environ = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "HOME") if name in os.environ},
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "WEBSITE_SITE_NAME": "neo4j-m2m",
            **environ,
        }
        self._socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local.emulators.azure.worker", str(theirs.fileno()), module],
                cwd=APP_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log or sys.stderr,
                stderr=log or sys.stderr,
                env=self.environ,
                pass_fds=(theirs.fileno(),),
            )
        self._lines = self._socket.makefile("rb")
        self._calls: dict[str, Future[dict[str, Any]]] = {}
        self._writing = threading.Lock()
        self._listener = threading.Thread(target=self._listen, name="answers of the worker", daemon=True)
        self.triggers: list[dict[str, Any]] = []
        self.loading_error: str | None = None

    def load(self) -> None:
        """Wait until it has indexed its functions.

        Raises:
            LocalError: It does not report in time.
        """
        self._socket.settimeout(_START_SECONDS)
        try:
            line = self._lines.readline()
        except OSError:
            line = b""
        self._socket.settimeout(None)
        if not line:
            self.close()
            raise LocalError("The worker of the function app did not start; its output says why.")
        said = json.loads(line)
        self.triggers = said.get("triggers", [])
        self.loading_error = said.get("failed")
        self._listener.start()

    async def invoke(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """The function's answer; ``told`` has the ``invocation_id``.

        Raises:
            WorkerFailed: It does not answer.
        """
        if not self._listener.is_alive():
            raise WorkerFailed("the worker is gone")
        call: Future[dict[str, Any]] = Future()
        self._calls[told["invocation_id"]] = call
        try:
            await asyncio.to_thread(self._send, json.dumps(told).encode() + b"\n")
            said = await asyncio.wrap_future(call)
        except OSError:
            raise WorkerFailed("the worker is gone") from None
        finally:
            del self._calls[told["invocation_id"]]
        if "failed" in said:
            raise WorkerFailed(said["failed"])
        return said

    def _send(self, line: bytes) -> None:
        with self._writing:
            self._socket.sendall(line)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            for line in self._lines:
                said = json.loads(line)
                self._settle(said["invocation_id"], said)
        for invocation_id in list(self._calls):
            self._settle(invocation_id, {"failed": "the worker is gone"})

    def _settle(self, invocation_id: str, said: dict[str, Any]) -> None:
        call = self._calls.get(invocation_id)
        if call is not None and not call.done():
            call.set_result(said)

    def close(self) -> None:
        """End the process: it ends when there are no more calls, or is killed."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._listener.is_alive():
            self._listener.join(_STOP_SECONDS)
        self._lines.close()
        self._socket.close()
