"""The schema of a graph as its database user sees it, remembered for a while.

`core.schema.reading` reads it, `core.schema.view` picks from it what one caller asks for.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from core.deadline import Deadline
from core.schema.reading import read_schema
from core.schema.statements import quote

if TYPE_CHECKING:
    from core.graph.database import Database

__all__ = ["SchemaCache", "quote", "read_schema"]


class SchemaCache:
    """The schema as one database user sees it in one database, kept for ``ttl`` seconds.

    Several calls that find it stale share one reading of it. A reading belongs to the call that began it: if that call
    fails, is cancelled or runs out of time, the next one in the queue reads, with its own time.
    """

    def __init__(self, graph: Database, ttl: float) -> None:
        self._graph = graph
        self._ttl = ttl
        self._lock = asyncio.Lock()
        self._schema: dict[str, Any] | None = None
        self._samples = False
        self._begun_at = 0.0
        self._read_at = 0.0

    async def get(self, *, refresh: bool, deadline: Deadline, samples: bool = False) -> dict[str, Any]:
        """The schema as `read_schema` answers it, no older than the time limit. Not to be changed.

        ``refresh`` wants one whose reading began after this call; ``samples`` one that has values of properties, which
        who only looks something up may be given unasked. A reading that a short deadline left incomplete goes to its
        caller and is not kept.

        Raises: as `Database.read`, and `DeadlineExceeded` if another call's reading lasts too long.
        """
        asked_at = time.monotonic()
        kept = self._kept(asked_at, refresh, samples)
        if kept is not None:
            return kept
        async with deadline.enforced(), self._lock:
            kept = self._kept(asked_at, refresh, samples)
            if kept is not None:
                return kept
            begun_at = time.monotonic()
            samples = samples or self._samples
            schema = await read_schema(self._graph, deadline=deadline, samples=samples)
            if not schema["hurried"]:
                self._schema, self._samples = schema, samples
                self._begun_at, self._read_at = begun_at, time.monotonic()
            return schema

    def _kept(self, asked_at: float, refresh: bool, samples: bool) -> dict[str, Any] | None:
        if self._schema is None or (samples and not self._samples):
            return None
        fresh = self._begun_at >= asked_at if refresh else self._read_at >= asked_at - self._ttl
        return self._schema if fresh else None
