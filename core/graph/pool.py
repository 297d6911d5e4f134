"""The driver and its connections: opened when first needed, replaced with the credential or when they may be dead."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from neo4j import READ_ACCESS, AsyncGraphDatabase, NotificationMinimumSeverity, Query
from neo4j.exceptions import DriverError, Neo4jError

from core.credentials.database_auth import Login, StillRefused, WorkloadTokens, database_auth
from core.credentials.sources import CredentialSource, CredentialVersion, FixedCredential
from core.errors import DatabaseUnavailable, Neo4jM2mError
from core.graph.driver_tables import compute_instead_of_tables
from core.graph.lease import Connected, Lease, LoginRefused
from core.graph.login_failures import explain_lockout, explain_no_login, explain_refused, is_lockout, is_login_refused
from core.graph.login_gate import Entry, LoginWithheld
from core.graph.survivors import Survivors
from core.graph.tcp_nodelay import send_at_once
from core.graph.turns import Turns
from core.origin import Origin, current_origin
from core.version import server_version

if TYPE_CHECKING:
    from neo4j import AsyncDriver

    from core.credentials.credential import Credential
    from core.deadline import Deadline
    from core.settings import Settings

__all__ = ["Pool"]

logger = logging.getLogger(__name__)

_USER_AGENT = f"neo4j-m2m/{server_version()}"

_CLOSE_TIMEOUT = 5.0

compute_instead_of_tables()

# The driver logs each notification of the database, with the statement that it is about.
logging.getLogger("neo4j.notifications").disabled = True

_IDLE_LIMIT = 200.0
"""Seconds after which an unused connection is no longer trusted.

NAT gateways forget an idle connection after 240 to 350 seconds, Aura closes one after about twenty minutes, and nothing
answers what is sent on a forgotten one. A check at every use would double the cost of a read.
"""

_LAST_WORD = 0.3
"""Seconds before a call's deadline at which it stops waiting, so that it can still say what it waited for."""

_PATIENCE = 10.0
"""Seconds for which a call waits for a secret store, or an issuer of tokens, that fails, if there is no login yet."""


class Pool:
    """One driver at a time for one credential; an earlier one lives until its last call ends.

    An instance belongs to one event loop.
    """

    def __init__(
        self,
        settings: Settings,
        source: CredentialSource | None = None,
        *,
        workload: WorkloadTokens | None = None,
        changed: Callable[[], None] | None = None,
        survived: Callable[[Origin], None] | None = None,
    ) -> None:
        """``source`` None means the settings. ``changed`` is called for each new credential except the first,
        ``survived`` for each statement that is seen to run after it was told to stop.
        """
        self._settings = settings
        self._source = source or FixedCredential(settings)
        self._workload = workload
        self._changed = changed
        self._connected: Connected | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._refused: CredentialVersion | None = None
        self._patient_until = 0.0
        self._turns = Turns(settings.pool_size)
        self.survivors = Survivors(self._ask, most=settings.max_survivors, noticed=survived)

    @asynccontextmanager
    async def lease(self, deadline: Deadline, *, database: str | None, **options: Any) -> AsyncIterator[Lease]:
        """A session on ``database``, or the credential's, with the driver's ``options``, once it is the caller's turn.

        Raises:
            DatabaseUnavailable: There is no credential, or the database has refused it.
            LoginRefused: The database refuses the login; `recover` says whether to try again.
        """
        origin = current_origin()
        caller = None if origin is None else origin.principal.identity
        async with self._turns.turn(caller):
            with contextlib.nullcontext() if origin is None else origin.database_time.running():
                async with self._lease_at_once(deadline, database=database, **options) as lease:
                    yield lease

    @asynccontextmanager
    async def _lease_at_once(self, deadline: Deadline, *, database: str | None, **options: Any) -> AsyncIterator[Lease]:
        while True:
            connected = await self._ready(deadline)
            login = await self._login(connected, deadline)
            async with self._entered(connected) as entry:
                if connected is not self._connected or connected.known == self._refused:
                    continue
                if login.token is None:
                    await asyncio.sleep(max(0.0, connected.gate.quiet_until - time.monotonic()))
                else:
                    # If a connection was opened with another login, the driver logs it in again on the way.
                    options["auth"] = login.auth
                try:
                    there = database or connected.known.credential.database
                    async with connected.driver.session(database=there, **options) as session:
                        yield Lease(session, entry)
                except LoginWithheld as withheld:
                    raise LoginRefused(connected, login, withheld.error) from None
                except Neo4jError as error:
                    if is_login_refused(error) or is_lockout(error):
                        raise LoginRefused(connected, login, error) from None
                    raise
                return

    async def _ask(self, statement: str, parameters: dict[str, Any], until: Deadline) -> list[list[Any]]:
        query = Query(statement, timeout=until.remaining(), metadata={"app": "neo4j-m2m"})
        options = {"default_access_mode": READ_ACCESS}
        try:
            async with until.enforced(), self._lease_at_once(until, database=None, **options) as lease:
                return [record.values() async for record in await lease.run(query, parameters)]
        except LoginRefused as refusal:
            raise explain_refused(refusal.connected.known.credential) from None

    async def recover(self, refusal: LoginRefused, deadline: Deadline, *, first: bool) -> None:
        """Prepare another attempt after ``refusal``; ``first`` if it is the first one in this call.

        Raises:
            DatabaseUnavailable: Another attempt would be useless.
        """
        connected = refusal.connected
        if is_lockout(refusal.error):
            connected.gate.suspect()
            if connected.gate.quiet_until < time.monotonic():
                connected.gate.lock_out(refusal.error)
            # Most likely the password was changed: more attempts with this one would prolong the lockout.
            pause = max(0.0, connected.gate.quiet_until - time.monotonic())
            left, other = deadline.remaining() - _LAST_WORD, None
            with contextlib.suppress(Neo4jM2mError):
                other = await self._source.other_than(connected.known, deadline.sooner(min(pause, left)))
            if other is None and left < pause:
                raise explain_lockout()
        elif refusal.login.token is None:
            if connected.known != self._refused:
                logger.error("the database refused this server's login: %s", refusal.error.code)
                self._refused = connected.known
                self._patient_until = time.monotonic() + self._settings.timeout
        else:
            connected.auth.refused(refusal.login, again=not first)
            if not first:
                logger.error("the database refused this server's token: %s", refusal.error.code)
                raise explain_refused(connected.known.credential)

    def no_login(self) -> DatabaseUnavailable | None:
        """Why there is no login just now, for a call whose time is up: its statement is not to blame. None if there is.

        ``_LAST_WORD`` may be too short for a process that waits for a processor.
        """
        connected = self._connected
        if connected is None:
            return None
        if connected.known == self._refused:
            return explain_refused(connected.known.credential)
        return explain_lockout() if connected.gate.quiet_until > time.monotonic() else None

    async def credential(self) -> Credential:
        """The credential as it is now. Raises as `CredentialSource.current`."""
        return (await self._source.current()).credential

    def lost_connection(self) -> None:
        """A connection broke: the others may be dead, too."""
        if self._connected is not None:
            self._connected.gate.suspect()

    async def _ready(self, deadline: Deadline) -> Connected:
        """The driver for the current credential."""
        known = await self._known(deadline)
        connected = self._connected
        # The wall clock goes on while a function is frozen between two calls or restored from a snapshot; the clock
        # of the driver itself may not.
        idle = (
            connected is not None
            and not connected.gate.sessions
            and connected.last_use
            and time.time() - connected.last_use > _IDLE_LIMIT
        )
        if connected is not None and connected.known == known and not idle:
            return connected
        if connected is not None:
            if connected.known != known:
                logger.info("the credential has changed; connecting to the database with the new one")
                if self._changed is not None:
                    self._changed()
            else:
                logger.info("the database was not used for a while; opening new connections")
            self._retire(connected)
        self._connected = self._connect(known)
        return self._connected

    async def _known(self, deadline: Deadline) -> CredentialVersion:
        try:
            known = await self._source.current(_patience(deadline))
            if known != self._refused:
                return known
            patience = deadline.sooner(max(0.0, self._patient_until - time.monotonic()))
            other = await self._source.other_than(known, patience.sooner(max(0.0, deadline.remaining() - _LAST_WORD)))
        except Neo4jM2mError as error:
            raise explain_no_login(error) from None
        if other is None:
            raise explain_refused(known.credential)
        return other

    async def _login(self, connected: Connected, deadline: Deadline) -> Login:
        origin = current_origin()
        try:
            return await connected.auth.login(origin.subject_token if origin else None, _patience(deadline))
        except StillRefused:
            raise explain_refused(connected.known.credential) from None
        except Neo4jM2mError as error:
            raise explain_no_login(error) from None

    @asynccontextmanager
    async def _entered(self, connected: Connected) -> AsyncIterator[Entry]:
        try:
            async with connected.gate.entered() as entry:
                yield entry
        finally:
            connected.last_use = time.time()
            if connected is not self._connected:
                self._retire(connected)

    def _connect(self, known: CredentialVersion) -> Connected:
        settings = self._settings
        auth = database_auth(known.credential.login, self._workload, settings.identity_hosts)
        send_at_once()
        driver = AsyncGraphDatabase.driver(
            known.credential.uri,
            auth=auth.constant,
            user_agent=_USER_AGENT,
            telemetry_disabled=True,
            connection_timeout=settings.connect_timeout,
            # Also limits the check of an idle connection; `Database` tries again after it.
            connection_acquisition_timeout=settings.connect_timeout,
            liveness_check_timeout=_IDLE_LIMIT,
            # `Turns` lets in as many as the settings say; one more is for `Survivors`.
            max_connection_pool_size=settings.pool_size + 1,
            notifications_min_severity=NotificationMinimumSeverity.OFF,
        )
        connected = Connected(known, driver, auth)
        connected.gate.guard(driver, constant=auth.constant is not None)
        return connected

    def _retire(self, connected: Connected) -> None:
        """Close a driver that is no longer needed, or let its last session do so."""
        if not connected.gate.sessions and not connected.retired:
            connected.retired = True
            # In the background: its connections are most likely dead, and no call should wait to find out.
            task = asyncio.ensure_future(_close(connected.driver))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the driver and its connections; the next use opens new ones. Never raises."""
        connected, self._connected = self._connected, None
        if connected is not None:
            self._retire(connected)
        await asyncio.gather(*self._closing, return_exceptions=True)


def _patience(deadline: Deadline) -> Deadline:
    return deadline.sooner(min(_PATIENCE, deadline.remaining() - _LAST_WORD))


async def _close(driver: AsyncDriver) -> None:
    with contextlib.suppress(TimeoutError, Neo4jError, DriverError, OSError):
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await driver.close()
