"""What a principal may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from core.identity.principal import Principal

__all__ = ["Grant", "GrantFor", "GrantedTool", "read_only"]


class GrantedTool(Protocol):
    """What a grant looks at of a tool: its name, and whether it leaves the graph as it is."""

    @property
    def name(self) -> str:
        """As ``tools/list`` names it."""

    @property
    def read_only(self) -> bool:
        """What its annotation ``readOnlyHint`` says."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a caller may do. A tool that the grant does not allow is neither listed nor run.

    ``rule`` names what decided so, for logs. ``writes`` allows tools that change the graph, too; ``tools`` allows only
    those of these names, None all. ``credential`` is the stored credential, and so the database user, that statements
    run with; ``database`` the one that they run in and cannot leave; ``impersonate`` the database user whose rights
    they have (Neo4j Enterprise). None is what the settings say. The limits can only lower those of the settings.
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

    def allows(self, tool: GrantedTool) -> bool:
        """Whether the caller may use ``tool``."""
        return (self.writes or tool.read_only) and (self.tools is None or tool.name in self.tools)


GrantFor = Callable[[Principal], Grant | None]
"""Decides what a principal may do; None is nothing at all."""

_READ_ONLY = Grant("default: every proven caller reads, nobody writes")


def read_only(principal: Principal) -> Grant:
    """The grant of everyone where no policy was given."""
    return _READ_ONLY
