"""Looks through all that the suite puts out for secrets: every password, key and token in it is a canary.

A test marks a secret by calling it ``canary-SOMETHING``. What is looked through: every log record, what each test
prints, and what the processes say that tests start. Whoever shows one fails the whole run.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field

__all__ = ["WATCH", "CanaryWatch"]

_CANARY = re.compile(r"canary-\w[\w-]+")


@dataclass
class CanaryWatch:
    """``texts`` counts what was looked through, ``found`` has what should not have been there, and where."""

    texts: int = 0
    found: list[str] = field(default_factory=list)

    def look(self, text: str, where: str) -> None:
        """Look through ``text``."""
        self.texts += 1
        for match in set(_CANARY.findall(text)):
            self.found.append(f"{match} in {where}")


class _Handler(logging.Handler):
    """Looks through every record that is made, whoever else is shown it."""

    def __init__(self, watch: CanaryWatch) -> None:
        super().__init__(logging.NOTSET)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        self._watch.look(self.format(record), f"the log of {record.name}")


WATCH = CanaryWatch()


def watch_the_log() -> None:
    """Look through the log from now on."""
    logging.getLogger().addHandler(_Handler(WATCH))
