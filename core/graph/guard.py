"""What a statement may do that comes through a reading tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.call import Deadline
from core.errors import NotReadOnly
from core.graph.connection import Graph

__all__ = ["require_read"]

_DOES = {
    "w": "It writes",
    "rw": "It writes",
    "s": "It changes the schema or administers the database",
}


async def require_read(graph: Graph, statement: str, parameters: Mapping[str, Any], *, deadline: Deadline) -> None:
    """Refuse a statement that the database itself does not plan as a read. Runs nothing.

    Raises:
        NotReadOnly: The plan's type is not ``r``.
        StatementError, DeadlineExceeded, DatabaseUnavailable: as `Graph.read`.
    """
    query_type = await graph.query_type(statement, parameters, deadline=deadline)
    if query_type != "r":
        raise NotReadOnly(
            f"{_DOES.get(query_type, 'It does more than read')}, and this tool only reads, so the statement was not "
            "run. Use only clauses that read, such as MATCH, WITH, UNWIND and RETURN."
        )
