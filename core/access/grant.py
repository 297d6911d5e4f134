"""What a principal may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from core.access.limits import NO_LIMITS, CallLimits
from core.identity.principal import Principal

__all__ = ["Grant", "GrantFor", "GrantedTool", "read_only"]


class GrantedTool(Protocol):
    """What a grant needs to know about a tool: its name, and whether it leaves the graph unchanged."""

    @property
    def name(self) -> str:
        """As ``tools/list`` names it."""

    @property
    def read_only(self) -> bool:
        """What its annotation ``readOnlyHint`` says."""

    @property
    def by_name_only(self) -> bool:
        """Whether a grant allows it only if it names it: a grant of all tools does not mean this one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a caller may do. A tool that the grant does not allow is neither listed nor run.

    ``rule`` names the rule that decided, for logs. ``writes`` also allows tools that change the graph. ``tools`` allows
    only the named tools; None allows all. Statements run as the database user of ``credential``, a stored credential;
    in ``database``, which they cannot leave; and with the rights of ``impersonate``, a database user (Neo4j
    Enterprise). None means what the settings say. ``max_rows``, ``max_bytes`` and ``timeout`` can only lower those of
    the settings. ``limits`` say how much each caller may ask for.
    """

    rule: str
    writes: bool = False
    tools: frozenset[str] | None = None
    credential: str | None = None
    database: str | None = None
    impersonate: str | None = None
    max_rows: int | None = None
    max_bytes: int | None = None
    timeout: float | None = None
    limits: CallLimits = NO_LIMITS

    def allows(self, tool: GrantedTool) -> bool:
        """Whether the caller may use ``tool``."""
        named = self.tools is not None and tool.name in self.tools
        return (self.writes or tool.read_only) and (named or (self.tools is None and not tool.by_name_only))


GrantFor = Callable[[Principal], Grant | None]
"""Decides what a principal may do; None means nothing at all."""

_READ_ONLY = Grant("default: every proven caller reads, nobody writes")


def read_only(principal: Principal) -> Grant:
    """The grant for every principal if there is no policy."""
    return _READ_ONLY
