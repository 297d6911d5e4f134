"""What a principal may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.identity.principal import Principal

__all__ = ["READING_TOOLS", "WRITING_TOOLS", "Grant", "GrantFor", "read_only"]

READING_TOOLS = frozenset({"get-schema", "read-cypher", "explain-cypher", "search-index", "list-procedures"})
"""The tools that leave the graph as it is."""

WRITING_TOOLS = frozenset({"write-cypher"})
"""The tools that change the graph."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The tools that a caller may use; a tool that is not among them is neither listed nor run.

    ``rule`` names what decided so, for logs. ``credential`` is the stored credential, and so the database user, that
    statements run with; ``database`` the one that they run in and cannot leave; ``impersonate`` the database user whose
    rights they have (Neo4j Enterprise). None is what the settings say. The limits can only lower those of the settings.
    """

    tools: frozenset[str]
    rule: str
    credential: str | None = None
    database: str | None = None
    impersonate: str | None = None
    max_rows: int | None = None
    max_bytes: int | None = None
    timeout: float | None = None

    def allows(self, tool: str) -> bool:
        """Whether the caller may use ``tool``."""
        return tool in self.tools


GrantFor = Callable[[Principal], Grant | None]
"""Decides what a principal may do; None is nothing at all."""

_READ_ONLY = Grant(tools=READING_TOOLS, rule="default: every proven caller reads, nobody writes")


def read_only(principal: Principal) -> Grant:
    """The grant of everyone where no policy was given."""
    return _READ_ONLY
