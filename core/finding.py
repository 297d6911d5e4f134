"""What was found out about one link of the chain from a caller to the database, for the operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "State", "first_failure", "with_rest"]

State = Literal["ok", "warning", "failed", "not reached"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One link: its name, its state, what was seen there, and what mends it. No text holds a secret.

    ``says`` and ``remedy`` are sentences. They may name hosts and settings: they are for the operator, not for callers.
    """

    link: str
    state: State
    says: str = ""
    remedy: str = ""

    def sentence(self) -> str:
        """What was seen, and what to do about it."""
        return f"{self.says} {self.remedy}".strip()


def first_failure(findings: Iterable[Finding]) -> Finding | None:
    """The first link that is broken: those behind it are not reached. None if all hold."""
    return next((finding for finding in findings if finding.state == "failed"), None)


def with_rest(findings: Sequence[Finding], links: Sequence[str]) -> list[Finding]:
    """One finding for each of ``links``, in their order: that of ``findings``, or that it is not reached."""
    known = {finding.link: finding for finding in findings}
    return [known.get(link, Finding(link, "not reached")) for link in links]
