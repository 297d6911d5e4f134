"""Runs the command line as a person would: as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.canaries import WATCH


@dataclass
class Command:
    """A command that runs: its process, the JSON line that it printed, and what it has said on stderr so far."""

    process: subprocess.Popen[str]
    ready: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 15) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


def environment(**changed: str) -> dict[str, str]:
    """This process's environment, without settings of the project but those in ``changed``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_")}
    return {**kept, **changed}


@contextmanager
def running(*arguments: str, environ: Mapping[str, str], ready_within: float = 60) -> Iterator[Command]:
    """The command, once it has printed its JSON line; stopped at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(environ),
    )
    command = Command(process)
    assert process.stdout is not None
    assert process.stderr is not None
    listener = threading.Thread(target=command.said.extend, args=(process.stderr,))
    listener.start()
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.append(process.stdout.readline()))  # type: ignore[union-attr]
    reader.start()
    try:
        reader.join(ready_within)
        assert lines, f"not ready within {ready_within} s: {''.join(command.said)}"
        assert lines[0], f"it ended with status {process.wait(5)}: {''.join(command.said)}"
        command.ready = json.loads(lines[0])
        yield command
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        listener.join(10)
        reader.join(10)
        WATCH.look("".join((*lines, *command.said)), f"what {' '.join(arguments[:2])} says")
        process.stdout.close()
        process.stderr.close()


def finished(*arguments: str, environ: Mapping[str, str], seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=dict(environ),
        timeout=seconds,
        check=False,
    )
    WATCH.look(ended.stdout + ended.stderr, f"what {' '.join(arguments[:2])} says")
    return ended
