"""An app as Databricks Apps runs it: a process in the folder of its snapshot, started as ``app.yaml`` says.

Sources: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/app-runtime (``app.yaml``) and
https://docs.databricks.com/aws/en/dev-tools/databricks-apps/system-env (what is in the environment).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import yaml

from core.errors import LocalError
from local.neo4j.readiness import free_port

__all__ = ["AppProcess", "app_environ"]

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
"""Seconds between SIGTERM and SIGKILL."""


def app_environ(configuration: Mapping[str, Any], resources: Mapping[str, str]) -> dict[str, str]:
    """The variables that ``app.yaml`` asks for; ``resources`` has the values for a resource's ``valueFrom``.

    Raises:
        LocalError: It names a resource that the app does not have.
    """
    environ = {}
    for variable in configuration.get("env", []):
        if "valueFrom" in variable and variable["valueFrom"] not in resources:
            raise LocalError(f"app.yaml asks for the resource {variable['valueFrom']}, which the app does not have.")
        environ[variable["name"]] = (
            resources[variable["valueFrom"]] if "valueFrom" in variable else str(variable["value"])
        )
    return environ


class AppProcess:
    """The app in the folder ``source``, running once this object exists; its output goes to ``log``, or to stderr.

    ``environ`` is its environment in addition to what ``app.yaml`` says, and takes precedence.
    ``python`` is the interpreter that stands for ``python`` in ``app.yaml``.
    """

    def __init__(
        self,
        source: Path,
        environ: Mapping[str, str],
        *,
        resources: Mapping[str, str],
        log: IO[str] | None = None,
        python: str = sys.executable,
    ) -> None:
        """Raises:
        LocalError: The app ends at once, or does not answer.
        """
        configuration = yaml.safe_load((source / "app.yaml").read_text(encoding="utf-8"))
        command = [python if part == "python" else part for part in configuration["command"]]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        found = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.process = subprocess.Popen(
            [shutil.which(command[0]) or command[0], *command[1:]],
            cwd=source,
            stdin=subprocess.DEVNULL,
            stdout=log or sys.stderr,
            stderr=log or sys.stderr,
            env={
                **found,
                "HOME": str(source),
                "DATABRICKS_APP_NAME": "mcp-neo4j",
                "DATABRICKS_APP_PORT": str(self.port),
                **app_environ(configuration, resources),
                **environ,
            },
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        ends_at = time.monotonic() + _START_SECONDS
        while time.monotonic() < ends_at:
            if self.process.poll() is not None:
                raise LocalError(f"The app ended with status {self.process.returncode}; its log says why.")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise LocalError(f"The app did not listen on its port within {_START_SECONDS:g} seconds.")

    def stop(self) -> int:
        """End it with SIGTERM, and if it does not end, with SIGKILL; returns its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
