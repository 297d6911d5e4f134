"""What a person sees while a command works: sentences and progress bars, all on stderr.

Stdout is for results (one JSON line of a serving command, the demo's answers), which can be piped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

__all__ = ["Console"]

_SECONDS_BETWEEN_LINES = 3.0
"""Seconds between two lines of progress where stderr is not a terminal (a CI log), so that a bar cannot move."""


class Console:
    """Shows a person the progress, on stderr.

    ``say`` prints a line. ``progress`` shows one bar on a terminal, or some lines elsewhere.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._rich = RichConsole(file=sys.stderr, highlight=False, quiet=quiet, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print ``text`` as one line, without interpreting markup in it."""
        self._rich.print(text, markup=False)

    @contextmanager
    def progress(
        self, description: str, total: int, unit: Literal["bytes", "items"] = "items"
    ) -> Iterator[Callable[[int], None]]:
        """Show the progress of one piece of work; yields a thread-safe ``advance(amount)``.

        ``total`` and the amounts are bytes or items, as ``unit`` says.
        """
        if self._rich.is_terminal:
            columns: tuple[ProgressColumn, ...] = (
                (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (MofNCompleteColumn(),)
            )
            with Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                *columns,
                TimeRemainingColumn(),
                console=self._rich,
            ) as bar:
                task = bar.add_task(description, total=total)
                yield lambda amount: bar.advance(task, amount)
            return
        self.say(f"{description}: {_amount(total, unit)}")
        done = 0
        last_line = time.monotonic()

        def advance(amount: int) -> None:
            nonlocal done, last_line
            done += amount
            if time.monotonic() - last_line >= _SECONDS_BETWEEN_LINES:
                last_line = time.monotonic()
                self.say(f"{description}: {_amount(done, unit)} of {_amount(total, unit)}")

        yield advance
        self.say(f"{description}: done")


def _amount(number: int, unit: str) -> str:
    return f"{number / 1e6:,.0f} MB" if unit == "bytes" else f"{number:,}"
