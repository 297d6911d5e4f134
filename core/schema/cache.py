"""The schema of a graph as its database user sees it, remembered for a while.

`core.schema.reading` reads it, `core.schema.view` selects from it what one caller asks for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.deadline import Deadline
from core.remembered import Lifetime, Refreshed
from core.schema.reading import read_schema
from core.schema.statements import quote

if TYPE_CHECKING:
    from core.graph.database import Database

__all__ = ["SchemaCache", "quote", "read_schema"]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of the schema: when it began, and whether values of properties were read with it."""

    schema: dict[str, Any]
    begun_at: float
    samples: bool


class SchemaCache:
    """The schema as one database user sees it in one database, kept for ``ttl`` seconds.

    Calls that find it stale share one reading. A reading belongs to the call that began it: if that call
    fails, is cancelled or runs out of time, the next one in the queue reads, with its own time.
    """

    def __init__(self, database: Database, ttl: float) -> None:
        self._database = database
        kept = Lifetime(ttl, ttl)
        self._samples = False
        self._latest: dict[str, Any] | None = None
        self._readings = Refreshed[_Reading](
            None, lambda reading: None if reading.schema["hurried"] else kept, what=None, retry_seconds=0
        )

    async def get(self, *, refresh: bool, deadline: Deadline, samples: bool = False) -> dict[str, Any]:
        """The schema as `read_schema` answers it, no older than ``ttl``. Do not change it.

        ``refresh`` asks for one whose reading began after this call, ``samples`` for one with values of properties.
        Without ``samples`` the schema may have such values, too. A reading that a short deadline left incomplete goes
        to its caller and is not kept.

        Raises: as `Database.read`, and `DeadlineExceeded` if another call's reading lasts too long.
        """
        asked_at = time.monotonic()
        self._samples = self._samples or samples

        def suits(reading: _Reading) -> bool:
            return (reading.samples or not samples) and (not refresh or reading.begun_at >= asked_at)

        async with deadline.enforced():
            return (await self._readings.get(suits=suits, fetch=lambda: self._read(deadline))).schema

    @property
    def remembered(self) -> dict[str, Any] | None:
        """The schema as it was read last, however long ago; None if it never was. Do not change it."""
        return self._latest

    async def _read(self, deadline: Deadline) -> _Reading:
        begun_at, samples = time.monotonic(), self._samples
        schema = await read_schema(self._database, deadline=deadline, samples=samples)
        self._latest = schema
        return _Reading(schema, begun_at, samples)
