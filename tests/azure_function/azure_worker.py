"""Starts Azure's own Python worker on a published app, with ``real_worker.py`` in place of the Functions host."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

from tests.support.canaries import WATCH

__all__ = ["invocation", "require_installed", "worked"]

PYTHON = Path(__file__).parents[2] / ".venv-azure/bin/python"
DRIVER = Path(__file__).with_name("real_worker.py")

MCP = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25", "host": "app.example"}


def require_installed(python: Path = PYTHON) -> None:
    """Check that the environment of ``python`` is there.

    Raises:
        FileNotFoundError: The worker is not installed.
    """
    if not python.exists():
        raise FileNotFoundError("Azure's worker is not installed: make azure-worker does that")


def invocation(function: str, method: str = "POST", body: Any = None, **headers: str) -> dict[str, Any]:
    """A call of ``function`` as `worked` takes it; ``body`` becomes JSON."""
    paths = {"mcp": "/mcp", "health": "/health", "metadata": "/.well-known/oauth-protected-resource"}
    return {
        "function": function,
        "method": method,
        "path": paths.get(function, "/.well-known/oauth-protected-resource/mcp"),
        "headers": {**MCP, **{name.replace("_", "-"): value for name, value in headers.items()}},
        "body": "" if body is None else json.dumps(body),
        "invocation_id": str(uuid.uuid4()),
        "trace_parent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
    }


def worked(
    published: Path,
    environ: dict[str, str],
    *invocations: list[dict[str, Any]],
    placeholder: bool = False,
    python: Path = PYTHON,
    until: Path | None = None,
) -> tuple[dict[str, Any], str]:
    """What the worker said, and what the app wrote to its log. The worker runs on ``until`` that file exists.

    Raises:
        FileNotFoundError: The worker is not installed.
        RuntimeError: It failed; the text is the end of its log.
    """
    require_installed(python)
    told = {
        "directory": str(published),
        "environ": environ,
        "invocations": invocations,
        "placeholder": placeholder,
        "until": None if until is None else str(until),
    }
    ended = subprocess.run(
        [str(python), "-I", str(DRIVER)],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        cwd=published,
        env={name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        timeout=120,
        check=False,
    )
    WATCH.look(ended.stdout + ended.stderr, "what Azure's worker says")
    if ended.returncode:
        raise RuntimeError(ended.stderr[-2000:])
    said: dict[str, Any] = json.loads(ended.stdout)
    return said, ended.stderr
