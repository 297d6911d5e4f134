"""The way to the database: one driver, one Bolt round trip a read, errors that an agent can act on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from neo4j import READ_ACCESS, AsyncGraphDatabase, NotificationMinimumSeverity, Query
from neo4j.exceptions import DriverError, Neo4jError

from core.call import Deadline
from core.errors import DatabaseUnavailable, ToolError
from core.graph.failures import explain_failure, is_lost_connection
from core.graph.results import Limits, ReadResult, RowCollector

if TYPE_CHECKING:
    from neo4j import AsyncDriver, AsyncSession

    from core.settings import Settings

__all__ = ["Explanation", "Graph"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_USER_AGENT = "neo4j-m2m/0.1.0"

_TIMEOUT_MARGIN = 0.5
"""Seconds by which the database gives up after this server has: the client side's deadline is the one that answers."""

_HEALTH_TIMEOUT = 3.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """A statement as the database plans it.

    ``query_type`` is ``r``, ``w``, ``rw`` or ``s``; ``plan`` the tree of operators, each with ``operatorType``
    (``Name@database``), ``args`` and ``children``; ``database`` the one that this server reads, as plans call it.
    """

    query_type: str
    plan: dict[str, Any]
    database: str


class Graph:
    """One database user's view of one database.

    Nothing is opened before a call needs it. An instance belongs to one event loop.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._driver: AsyncDriver | None = None
        self._own_database: str | None = None

    async def read(
        self, statement: str, parameters: Mapping[str, Any], *, limits: Limits, deadline: Deadline
    ) -> ReadResult:
        """Run a reading statement in an auto-commit transaction with READ access, one Bolt round trip.

        A connection that died while it lay in the pool costs one more try, on a new one: a read can be repeated.
        Rows are turned into JSON and counted as they arrive; what exceeds ``limits`` is neither fetched nor kept.

        Raises:
            StatementError, NotReadOnly: The database refused the statement.
            DeadlineExceeded: ``deadline`` passed; the statement is stopped and its connection dropped.
            DatabaseUnavailable: The database cannot be reached or refused the login.
        """
        return await self._with_one_retry(lambda: self._read_once(statement, parameters, limits, deadline), deadline)

    async def _read_once(
        self, statement: str, parameters: Mapping[str, Any], limits: Limits, deadline: Deadline
    ) -> ReadResult:
        # One row more than asked for tells whether there is more, without another round trip.
        async with self._session(fetch_size=limits.rows + 1) as session:
            timeout = deadline.remaining() + _TIMEOUT_MARGIN
            result = await session.run(Query(statement, timeout=timeout), dict(parameters))
            collector = RowCollector(limits)
            async for record in result:
                if not collector.add(list(record.values())):
                    break
            return ReadResult(list(result.keys()), collector.rows, collector.cut_by)

    async def explain(self, statement: str, parameters: Mapping[str, Any], *, deadline: Deadline) -> Explanation:
        """What the database would do with ``statement``, from an EXPLAIN. Runs nothing.

        Raises: as `read`.
        """
        if self._own_database is None:
            _, plan = await self._with_one_retry(lambda: self._explain_once("RETURN 1", {}), deadline)
            self._own_database = str(plan["operatorType"]).partition("@")[2]
        query_type, plan = await self._with_one_retry(lambda: self._explain_once(statement, parameters), deadline)
        return Explanation(query_type=query_type, plan=plan, database=self._own_database)

    async def _explain_once(self, statement: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        async with self._session(fetch_size=1) as session:
            result = await session.run(f"EXPLAIN {statement}", dict(parameters))
            summary = await result.consume()
            return summary.query_type or "unknown", summary.plan or {"operatorType": "none"}

    async def _with_one_retry(self, attempt: Callable[[], Awaitable[T]], deadline: Deadline) -> T:
        async with deadline.enforced():
            for last in (False, True):
                try:
                    return await attempt()
                except (Neo4jError, DriverError) as error:
                    if last or not is_lost_connection(error):
                        raise explain_failure(error) from None
                    logger.info("a connection to the database was lost; trying once more on a new one")
            raise AssertionError("the second attempt either returns or raises")

    async def answers(self) -> bool:
        """Whether the database answers a trivial read within a few seconds. Never raises."""
        try:
            await self.read("RETURN 1", {}, limits=Limits(1, 64), deadline=Deadline.after(_HEALTH_TIMEOUT))
        except ToolError:
            return False
        return True

    async def close(self) -> None:
        """Close the driver and its connections; the next call opens a new one."""
        driver, self._driver = self._driver, None
        if driver is not None:
            async with asyncio.timeout(5):
                await driver.close()

    def _session(self, *, fetch_size: int) -> AsyncSession:
        return self._open_driver().session(
            database=self._settings.neo4j_database, default_access_mode=READ_ACCESS, fetch_size=fetch_size
        )

    def _open_driver(self) -> AsyncDriver:
        if self._driver is None:
            settings = self._settings
            if settings.neo4j_uri is None or settings.neo4j_password is None:
                raise DatabaseUnavailable(
                    "This server has no database configured. Its operator must set NEO4J_URI, NEO4J_USERNAME and "
                    "NEO4J_PASSWORD."
                )
            self._driver = AsyncGraphDatabase.driver(
                settings.neo4j_uri,
                auth=(settings.neo4j_username, settings.neo4j_password.get_secret_value()),
                user_agent=_USER_AGENT,
                telemetry_disabled=True,
                connection_timeout=settings.connect_timeout,
                connection_acquisition_timeout=settings.timeout,
                max_connection_pool_size=settings.pool_size,
                notifications_min_severity=NotificationMinimumSeverity.OFF,
            )
        return self._driver
