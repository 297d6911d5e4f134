"""Runs the command line as a person would: as a process of its own, or, where that shows nothing more, in this one."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any
from unittest import mock

from cli.main import main
from tests.support.canaries import WATCH
from tests.support.waiting import GENEROUS_SECONDS

_SECONDS = 180.0


@dataclass
class Command:
    """A command that runs: its process, the JSON line that it printed, and what it has said on stderr so far.

    It writes to a file, so what it has said before it does something else is there to be read by then.
    """

    process: subprocess.Popen[str]
    stderr: IO[bytes]
    ready: dict[str, Any] = field(default_factory=dict)
    last: list[str] | None = None

    @property
    def said(self) -> list[str]:
        """The lines on stderr, with their ends; all of them once it has ended."""
        if self.last is not None:
            return self.last
        size = os.fstat(self.stderr.fileno()).st_size
        return os.pread(self.stderr.fileno(), size, 0).decode("utf-8", "replace").splitlines(keepends=True)

    def stop(self, number: int = signal.SIGTERM, seconds: float = GENEROUS_SECONDS) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


def environment(**changed: str) -> dict[str, str]:
    """This process's environment, without settings of the project but those in ``changed``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_")}
    return {**kept, **changed}


@contextmanager
def running(*arguments: str, environ: Mapping[str, str], ready_within: float = _SECONDS) -> Iterator[Command]:
    """The command, once it has printed its JSON line; stopped at the end if it still runs."""
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=dict(environ),
        )
        command = Command(process, stderr)
        stdout = process.stdout
        assert stdout is not None
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.append(stdout.readline()))
        reader.start()
        try:
            reader.join(ready_within)
            assert lines, f"not ready within {ready_within} s: {''.join(command.said)}"
            assert lines[0], f"it ended with status {process.wait(ready_within)}: {''.join(command.said)}"
            command.ready = json.loads(lines[0])
            yield command
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(GENEROUS_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            reader.join()
            command.last = command.said
            WATCH.look("".join((*lines, *command.said)), f"what {' '.join(arguments[:2])} says")
            stdout.close()


def finished(
    *arguments: str, environ: Mapping[str, str], seconds: float = _SECONDS
) -> subprocess.CompletedProcess[str]:
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


def called(*arguments: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The command, run to its end in this process: for what soon ends, and leaves nothing behind in its process.

    What it changes in the log and in the handling of signals is changed back.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        _as_it_was(),
        mock.patch.dict(os.environ, environ, clear=True),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
    WATCH.look(stdout.getvalue() + stderr.getvalue(), f"what {' '.join(arguments[:2])} says")
    return subprocess.CompletedProcess(arguments, status, stdout.getvalue(), stderr.getvalue())


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Leave the log and the handling of signals as they are found."""
    handling = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    before = [(logger, logger.level, logger.handlers[:], logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, level, handlers, propagate in before:
            logger.setLevel(level)
            logger.handlers[:], logger.propagate = handlers, propagate
        for number, handler in handling.items():
            signal.signal(number, handler)
