"""What a grant comes to, by the names of the tools that its holder may use."""

from __future__ import annotations

from core.access.grant import Grant
from core.tools import ALL_TOOLS

READING = frozenset({"get-schema", "read-cypher", "explain-cypher", "search-index", "list-procedures"})
"""The tools that leave the graph as it is, written down apart from what they say of themselves."""

WRITING = frozenset({"write-cypher"})


def allowed(grant: Grant) -> frozenset[str]:
    """The names of the tools that ``grant`` allows."""
    return frozenset(tool.name for tool in ALL_TOOLS if grant.allows(tool))
