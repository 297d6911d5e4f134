"""The way to the database: one driver, one Bolt round trip per read, errors that an agent can act on."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from neo4j import READ_ACCESS, WRITE_ACCESS, Query
from neo4j.exceptions import DriverError, Neo4jError

from core.deadline import Deadline
from core.errors import DeadlineExceeded, StatementError, ToolError, WriteUncertain
from core.graph.failures import error_too_long, explain_failure, is_lost_connection, may_pass, too_deep, without_prefix
from core.graph.lease import Lease, LoginRefused
from core.graph.pool import Pool
from core.graph.record_reader import MessageTooLarge, RecordTooLarge
from core.graph.results import Explanation, Limits, ReadResult, RowCollector, WriteResult, collect, warnings_of
from core.origin import current_origin

if TYPE_CHECKING:
    from neo4j import ResultSummary

    from core.identity.principal import Identity
    from core.settings import Settings

__all__ = ["Database"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TIMEOUT_MARGIN = 0.5
"""Seconds that the database gets on top of a call's time: so this server's own deadline is the one that answers."""

_HEALTH_TIMEOUT = 3.0

_EXPLAIN = "EXPLAIN\n"
"""On a line of its own: what the database quotes of a statement is then a line of the caller's own text."""

_MAY_LEAD_ELSEWHERE = re.compile(r"use|show|\\|database|user|role|privilege", re.IGNORECASE)
"""What a statement holds, perhaps as an escape, if it is planned in another database than its session's."""

_EVERY_NOTIFICATION = "INFORMATION"
"""The least severity of the notifications that come with a result: a Cartesian product, too."""

_FIRST_PAUSE = 0.1
"""Seconds to wait before a read is retried after a transient error; doubled for each further try."""

_LARGEST_REST = 4 * 1024 * 1024
"""Bytes of rows, already requested but no longer wanted, that are worth receiving to keep a connection."""


class Database:
    """One database user's view of one database.

    Nothing is opened before a call needs it. An instance belongs to one event loop.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        pool: Pool | None = None,
        database: str | None = None,
        impersonate: str | None = None,
    ) -> None:
        """Several databases may share a ``pool``. ``database`` None means the credential's; ``impersonate`` is a user
        whose rights the statements get (Neo4j Enterprise).
        """
        self._pool = pool or Pool(settings)
        self._database = database
        self._impersonate = impersonate
        self._own_database: str | None = None

    async def read(
        self, statement: str, parameters: Mapping[str, Any], *, limits: Limits, deadline: Deadline
    ) -> ReadResult:
        """Run a reading statement in an auto-commit transaction with READ access, one Bolt round trip.

        If a connection died while it lay in the pool, the read is tried once more on a new one: that is safe for reads.
        Rows are turned into JSON and counted as they arrive; what exceeds ``limits`` is neither fetched nor kept.

        Raises:
            StatementError, NotReadOnly: The database refused the statement.
            DeadlineExceeded: ``deadline`` passed. The connection is dropped, which tells the database to stop the
                statement; the text says whether it was seen to stop.
            TooManySurvivors: Earlier statements of this caller still run, though they were told to stop.
            DatabaseUnavailable: The database cannot be reached or refused the login.
        """
        origin = current_origin()
        if origin is not None:
            await self._pool.survivors.require_few(origin.principal.identity)
        started = asyncio.Event()

        async def attempt() -> ReadResult:
            try:
                return await self._read_once(statement, parameters, limits, deadline, started)
            except LoginRefused:
                started.clear()
                raise

        try:
            return await self._retried(attempt, deadline)
        except DeadlineExceeded as error:
            if not started.is_set():
                raise self._pool.no_login() or error from None
            raise await self._pool.survivors.explained(error, origin) from None

    async def left_running(self, caller: Identity) -> list[str]:
        """The requests of ``caller`` whose statements still run, though they were told to stop."""
        return await self._pool.survivors.left_by(caller)

    async def _read_once(
        self,
        statement: str,
        parameters: Mapping[str, Any],
        limits: Limits,
        deadline: Deadline,
        started: asyncio.Event,
    ) -> ReadResult:
        # One row more than requested shows whether there are more, without another round trip.
        fetch_size = limits.rows + 1
        options = {"fetch_size": fetch_size, "notifications_min_severity": _EVERY_NOTIFICATION}
        async with self._lease(deadline, READ_ACCESS, **options) as lease:
            started.set()
            result = await lease.run(_labelled(statement, deadline), dict(parameters))
            collector = RowCollector(limits)
            try:
                columns = await collect(result, collector)
            except RecordTooLarge:
                columns = list(result.keys())
                collector.cut_by = "bytes"
                lease.cancel()
            except MessageTooLarge:
                lease.cancel()
                raise error_too_long() from None
            if collector.rest_of_page(fetch_size) > _LARGEST_REST:
                # The requested rows are on their way, and nobody wants them: a new connection costs less.
                lease.cancel()
            # The end of a complete result has arrived with its last row, so this asks for nothing.
            warnings = warnings_of(await result.consume()) if collector.cut_by is None else []
            return ReadResult(columns, collector.rows, collector.cut_by, collector.elided, warnings)

    async def write(
        self, statement: str, parameters: Mapping[str, Any], *, limits: Limits, deadline: Deadline
    ) -> WriteResult:
        """Run a statement in one transaction with WRITE access: all of it takes effect, or nothing.

        It is tried once only. A statement that opens transactions of its own (``CALL … IN TRANSACTIONS``) is refused by
        the database.

        Raises:
            StatementError: The database refused the statement; nothing was changed.
            WriteUncertain: The connection broke during the commit; the changes may have been made.
            DeadlineExceeded, DatabaseUnavailable: as `read`; nothing was changed.
        """
        refused = False
        while True:
            try:
                return await self._write_once(statement, parameters, limits, deadline)
            except LoginRefused as refusal:
                # The database refused one of the steps: nothing of it can have taken effect.
                await self._pool.recover(refusal, deadline, first=not refused)
                refused = True

    async def _write_once(
        self, statement: str, parameters: Mapping[str, Any], limits: Limits, deadline: Deadline
    ) -> WriteResult:
        committing = False
        try:
            options = {"fetch_size": limits.rows + 1, "notifications_min_severity": _EVERY_NOTIFICATION}
            async with deadline.enforced(), self._lease(deadline, WRITE_ACCESS, **options) as lease:
                transaction = await lease.begin(timeout=deadline.remaining() + _TIMEOUT_MARGIN, metadata=_metadata())
                async with transaction:
                    result = await transaction.run(statement, dict(parameters))
                    collector = RowCollector(limits)
                    try:
                        columns = await collect(result, collector)
                    except (RecordTooLarge, MessageTooLarge):
                        lease.cancel()
                        raise
                    summary = await result.consume()
                    committing = True
                    await transaction.commit()
                counters = {name: value for name, value in vars(summary.counters).items() if name[0] != "_" and value}
                return WriteResult(
                    columns, collector.rows, collector.cut_by, counters, collector.elided, warnings_of(summary)
                )
        except RecursionError:
            raise too_deep() from None
        except MessageTooLarge:
            raise error_too_long() from None
        except RecordTooLarge:
            raise StatementError(
                "A row that the statement returns is far beyond what an answer may hold, so nothing was changed. "
                "Return less, such as single properties, or nothing.",
                "Neo.ClientError.Statement.ArgumentError",
            ) from None
        except (Neo4jError, DriverError, DeadlineExceeded) as error:
            if committing and (isinstance(error, DeadlineExceeded) or is_lost_connection(error)):
                raise WriteUncertain(
                    "The connection to the database was lost while the changes were being committed: they may have "
                    "been made, or not. Read the graph to find out before you try again."
                ) from None
            raise error if isinstance(error, DeadlineExceeded) else explain_failure(error) from None

    async def explain(self, statement: str, parameters: Mapping[str, Any], *, deadline: Deadline) -> Explanation:
        """What the database would do with ``statement``, from an EXPLAIN. Runs nothing.

        Raises: as `read`.
        """
        try:
            summary = await self._retried(lambda: self._explain_once(statement, parameters, deadline), deadline)
        except StatementError as error:
            raise without_prefix(error, _EXPLAIN) from None
        if self._own_database is None:
            told = summary
            if _MAY_LEAD_ELSEWHERE.search(statement):
                told = await self._retried(lambda: self._explain_once("RETURN 1", {}, deadline), deadline)
            self._own_database = str((told.plan or {"operatorType": ""})["operatorType"]).partition("@")[2]
        return Explanation(
            query_type=summary.query_type or "unknown",
            plan=summary.plan or {"operatorType": "none"},
            database=self._own_database,
            warnings=warnings_of(summary),
        )

    async def _explain_once(self, statement: str, parameters: Mapping[str, Any], deadline: Deadline) -> ResultSummary:
        options = {"fetch_size": 1, "notifications_min_severity": _EVERY_NOTIFICATION}
        async with self._lease(deadline, READ_ACCESS, **options) as lease:
            result = await lease.run(_labelled(f"{_EXPLAIN}{statement}", deadline), dict(parameters))
            return await result.consume()

    async def _retried(self, attempt: Callable[[], Awaitable[T]], deadline: Deadline) -> T:
        """The outcome of ``attempt``, repeated after a failure that may pass, for as long as ``deadline`` allows.

        A broken connection is replaced once, immediately: it may have died in the pool. After a transient error of the
        database (a lost election, a deadlock, a full queue), this waits, a little longer each time.
        """
        replaced = refused = False
        pause = _FIRST_PAUSE
        async with deadline.enforced():
            while True:
                try:
                    return await attempt()
                except RecursionError:
                    raise too_deep() from None
                except LoginRefused as refusal:
                    await self._pool.recover(refusal, deadline, first=not refused)
                    refused = True
                    continue
                except (Neo4jError, DriverError) as error:
                    if is_lost_connection(error) and not replaced:
                        replaced = True
                        self._pool.lost_connection()
                        logger.info("a connection to the database was lost; trying once more on a new one")
                        continue
                    if not may_pass(error) or deadline.remaining() < 2 * pause:
                        raise explain_failure(error) from None
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, keeps no secret
                pause *= 2

    async def answers(self) -> bool:
        """Whether the database answers a trivial read within a few seconds. Never raises."""
        try:
            await self.read("RETURN 1", {}, limits=Limits(1, 64), deadline=Deadline.after(_HEALTH_TIMEOUT))
        except ToolError:
            return False
        return True

    async def close(self) -> None:
        """Close the connections; the next call opens new ones. Never raises."""
        await self._pool.close()

    def _lease(self, deadline: Deadline, access: str, **options: Any) -> AbstractAsyncContextManager[Lease]:
        return self._pool.lease(
            deadline,
            database=self._database,
            default_access_mode=access,
            impersonated_user=self._impersonate,
            **options,
        )


def _labelled(statement: str, deadline: Deadline) -> Query:
    return Query(statement, timeout=deadline.remaining() + _TIMEOUT_MARGIN, metadata=_metadata())


def _metadata() -> dict[str, str]:
    origin = current_origin()
    return {"app": "neo4j-m2m"} if origin is None else origin.metadata()
