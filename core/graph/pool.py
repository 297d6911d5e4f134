"""The driver and its connections: opened when first needed, closed when they can no longer be trusted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from neo4j import AsyncGraphDatabase, NotificationMinimumSeverity
from neo4j.exceptions import DriverError, Neo4jError

from core.errors import DatabaseUnavailable
from core.version import server_version

if TYPE_CHECKING:
    from neo4j import AsyncDriver, AsyncSession

    from core.settings import Settings

__all__ = ["Pool"]

logger = logging.getLogger(__name__)

_USER_AGENT = f"neo4j-m2m/{server_version()}"

_CLOSE_TIMEOUT = 5.0

# The driver writes each notification of the database to its log, with the statement that it is about.
logging.getLogger("neo4j.notifications").disabled = True

_IDLE_LIMIT = 200.0
"""Seconds after which a connection that nobody used is no longer trusted.

NAT gateways forget a connection after 240 to 350 seconds without a word, Aura closes one after some twenty minutes, and
what is sent on a forgotten one is never answered. Asking at every use instead would double what a read costs.
"""


class Pool:
    """One driver for one database user. An instance belongs to one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._driver: AsyncDriver | None = None
        self._last_use = 0.0
        self._in_use = 0
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def session(self, **options: Any) -> AsyncIterator[AsyncSession]:
        """A session with the driver's ``options``; no connection is opened before it runs something.

        Raises:
            DatabaseUnavailable: The settings name no database.
        """
        driver = self._fresh_driver()
        self._in_use += 1
        try:
            async with driver.session(**options) as session:
                yield session
        finally:
            self._in_use -= 1
            self._last_use = time.time()

    def _fresh_driver(self) -> AsyncDriver:
        # The wall clock goes on while a function is frozen between two calls or restored from a snapshot; the clock
        # that the driver itself measures by may not.
        if self._driver is not None and not self._in_use and time.time() - self._last_use > _IDLE_LIMIT:
            logger.info("nobody used the database for a while; connecting to it anew")
            self._discard(self._driver)
            self._driver = None
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
                # Bounds the look at a single connection that lay idle, too; `Graph` tries again after it.
                connection_acquisition_timeout=settings.connect_timeout,
                liveness_check_timeout=_IDLE_LIMIT,
                max_connection_pool_size=settings.pool_size,
                notifications_min_severity=NotificationMinimumSeverity.OFF,
            )
        return self._driver

    async def close(self) -> None:
        """Close the driver and its connections; the next use opens new ones. Never raises."""
        driver, self._driver = self._driver, None
        if driver is not None:
            self._discard(driver)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _discard(self, driver: AsyncDriver) -> None:
        """Close ``driver`` aside: its connections are most likely dead, and no call should wait to find out."""
        task = asyncio.ensure_future(_close(driver))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(driver: AsyncDriver) -> None:
    with contextlib.suppress(TimeoutError, Neo4jError, DriverError, OSError):
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await driver.close()
