"""The users of a database, as its administrator sees them: their passwords, and their rights where the edition has any.

Source: https://neo4j.com/docs/operations-manual/current/authentication-authorization/manage-users/ .
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from neo4j import AsyncGraphDatabase, basic_auth
from neo4j.exceptions import ClientError, DriverError, Neo4jError

from core.credentials.rotation_errors import RotationInterrupted, RotationRefused
from core.version import server_version

if TYPE_CHECKING:
    from neo4j import AsyncDriver, Bookmarks

    from core.credentials.credential import PasswordLogin

__all__ = [
    "DatabaseUser",
    "DatabaseUsers",
    "UserRefused",
    "change_own_password",
    "database_users",
    "log_in",
    "may_write",
    "members",
]

_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 20.0
_USER_AGENT = f"neo4j-m2m-rotation/{server_version()}"

_UNAUTHORIZED = "Neo.ClientError.Security.Unauthorized"
_LOCKED_OUT = "Neo.ClientError.Security.AuthenticationRateLimit"
_FORBIDDEN = "Neo.ClientError.Security.Forbidden"
_ACCESS_MODE = "Neo.ClientError.Statement.AccessMode"
_ARGUMENT = "Neo.ClientError.Statement.ArgumentError"
_UNSUPPORTED = "Neo.ClientError.Statement.UnsupportedAdministrationCommand"
_NOT_IN_THIS_EDITION = "51N27"
"""The GQLSTATUS of what an edition has not; source: https://neo4j.com/docs/status-codes/current/errors/gql-errors/ ."""

_READ_ONLY = frozenset(
    {
        "Neo.ClientError.General.WriteOnReadOnlyAccessDatabase",
        "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase",
        "Neo.ClientError.Cluster.NotALeader",
    }
)


class UserRefused(RotationRefused):
    """The database refuses a user name and password. ``locked`` if it listens to nobody of that name for now."""

    def __init__(self, message: str, *, locked: bool) -> None:
        super().__init__(message)
        self.locked = locked


@dataclass(frozen=True)
class DatabaseUser:
    """A user. ``roles`` None means that this edition has none, and that every user may do everything."""

    name: str
    roles: frozenset[str] | None
    home: str | None


class DatabaseUsers:
    """The users of one database management system, seen through an administrator's ``driver``."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver
        self.bookmarks: Bookmarks | None = None

    async def edition(self) -> str:
        """What the database says that it is: ``community`` or ``enterprise``, which Aura is, too; or another word."""
        rows = await self._run("CALL dbms.components() YIELD name, edition RETURN name, edition")
        return next((str(row["edition"]) for row in rows if row["edition"]), "unknown")

    async def find(self, name: str) -> DatabaseUser | None:
        """The user ``name``, if there is one."""
        rows = await self._run("SHOW USERS YIELD user, roles, home WHERE user = $name", name=name)
        if not rows:
            return None
        roles = rows[0]["roles"]
        return DatabaseUser(name, None if roles is None else frozenset(roles), rows[0]["home"])

    async def set_password(self, login: PasswordLogin) -> None:
        """Let the user be there and have that password. It may be repeated.

        Without CHANGE NOT REQUIRED the user could log in and do nothing but change the password.
        """
        name, password = login.username, login.password.get_secret_value()
        create = "CREATE USER $name IF NOT EXISTS SET PASSWORD $password CHANGE NOT REQUIRED"
        await self._run(create, name=name, password=password)
        try:
            await self._run("ALTER USER $name SET PASSWORD $password CHANGE NOT REQUIRED", name=name, password=password)
        except _ArgumentError:
            # The password that a user has already is refused. Whether that was the reason, a login will tell.
            await self._run("ALTER USER $name SET PASSWORD CHANGE NOT REQUIRED", name=name)

    async def drop(self, name: str) -> None:
        """Let there be no user ``name``."""
        await self._run("DROP USER $name IF EXISTS", name=name)

    async def execute(self, statement: str, **parameters: Any) -> bool:
        """Run an administration command; False if this edition has no such command."""
        try:
            await self._run(statement, **parameters)
        except _NotInThisEdition:
            return False
        return True

    async def wait_at(self, uri: str, login: PasswordLogin) -> None:
        """Wait until the member of the cluster at ``uri`` knows all that was changed here, seen as ``login``."""
        async with _driver(uri, login) as driver:
            await _run(driver, "SHOW CURRENT USER YIELD user", {}, self.bookmarks)

    async def _run(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        rows, self.bookmarks = await _run(self._driver, statement, parameters, self.bookmarks)
        return rows


@contextlib.asynccontextmanager
async def database_users(uri: str, administrator: PasswordLogin) -> AsyncIterator[DatabaseUsers]:
    """The users of the database at ``uri``, while the context lasts. Nothing is asked before it is needed.

    Every method raises:
        UserRefused: The database does not let the administrator in.
        RotationRefused: The administrator may not do that.
        RotationInterrupted: The database does not answer, or is read-only.
    """
    async with _driver(uri, administrator) as driver:
        yield DatabaseUsers(driver)


async def log_in(uri: str, login: PasswordLogin, *, database: str | None = None) -> None:
    """Log in once, and have a statement answered by ``database``, or the user's home database.

    Raises:
        UserRefused: The database refuses the login.
        RotationRefused: The user is let in and may not use that database.
        RotationInterrupted: The database does not answer.
    """
    async with _driver(uri, login) as driver:
        await _run(driver, "RETURN 1", {}, None, database=database, access="r")


async def change_own_password(uri: str, login: PasswordLogin, new: PasswordLogin) -> None:
    """Let a user change the password from that of ``login`` to that of ``new``.

    Raises:
        UserRefused, RotationInterrupted: as `log_in`.
    """
    passwords = {"old": login.password.get_secret_value(), "new": new.password.get_secret_value()}
    async with _driver(uri, login) as driver:
        await _run(driver, "ALTER CURRENT USER SET PASSWORD FROM $old TO $new", passwords, None)


async def may_write(uri: str, login: PasswordLogin, *, database: str | None, access: Literal["r", "w"]) -> bool:
    """Whether a user may change the graph, in READ (``r``) or WRITE access mode: tried, and rolled back.

    Raises:
        UserRefused, RotationInterrupted: as `log_in`.
    """
    async with _driver(uri, login) as driver:
        try:
            # Without a label: the name of a label that was tried would stay.
            await _run(driver, "CREATE ()", {}, None, database=database, access=access, keep=False)
        except _WriteRefused:
            return False
    return True


async def members(uri: str, login: PasswordLogin, database: str | None) -> list[str]:
    """The addresses that a driver is sent to from ``uri``, each as a URI of one server; none if it is never sent on.

    Source: https://neo4j.com/docs/operations-manual/current/clustering/routing/ .
    """
    scheme = urlsplit(uri).scheme
    if not scheme.startswith("neo4j"):
        return []
    async with _driver(uri, login) as driver:
        table = "CALL dbms.routing.getRoutingTable({}) YIELD servers RETURN servers"
        rows, _ = await _run(driver, table, {}, None, database=database, access="r")
    addresses = {address for row in rows for server in row["servers"] for address in server["addresses"]}
    return [f"{scheme.replace('neo4j', 'bolt')}://{address}" for address in sorted(addresses)]


class _WriteRefused(RotationRefused):
    """The user may not do that, or not in this access mode."""


class _ArgumentError(RotationRefused):
    """The database does not take an argument of a statement."""


class _NotInThisEdition(RotationRefused):
    """This edition has no such command."""


@contextlib.asynccontextmanager
async def _driver(uri: str, login: PasswordLogin) -> AsyncIterator[AsyncDriver]:
    driver = AsyncGraphDatabase.driver(
        uri,
        auth=basic_auth(login.username, login.password.get_secret_value()),
        user_agent=_USER_AGENT,
        telemetry_disabled=True,
        connection_timeout=_CONNECT_SECONDS,
        connection_acquisition_timeout=_CONNECT_SECONDS,
        max_transaction_retry_time=_CONNECT_SECONDS,
        max_connection_pool_size=1,
    )
    try:
        yield driver
    finally:
        with contextlib.suppress(TimeoutError, Neo4jError, DriverError, OSError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                await driver.close()


async def _run(
    driver: AsyncDriver,
    statement: str,
    parameters: dict[str, Any],
    bookmarks: Bookmarks | None,
    *,
    database: str | None = "system",
    access: Literal["r", "w"] = "w",
    keep: bool = True,
) -> tuple[list[dict[str, Any]], Bookmarks]:
    """The rows, and the bookmarks of what was done. Without ``keep`` it is rolled back.

    The text of the database stays out of errors: it may quote a password.
    """
    mode = "READ" if access == "r" else "WRITE"
    try:
        async with asyncio.timeout(_STATEMENT_SECONDS):
            async with driver.session(database=database, bookmarks=bookmarks, default_access_mode=mode) as session:
                if not keep:
                    async with await session.begin_transaction() as transaction:
                        await (await transaction.run(statement, parameters)).consume()
                        await transaction.rollback()
                    return [], await session.last_bookmarks()
                result = await session.run(statement, parameters)
                rows = [record.data() async for record in result]
                return rows, await session.last_bookmarks()
    except Neo4jError as error:
        raise _explained(error) from None
    except (DriverError, TimeoutError, OSError) as error:
        raise RotationInterrupted(
            f"The database does not answer ({type(error).__name__}). Look at its state and at the network between; "
            "then rotate again: that finishes what was begun."
        ) from None


def _explained(error: Neo4jError) -> RotationInterrupted | RotationRefused:
    code = error.code or "unknown"
    if code == _UNAUTHORIZED:
        return UserRefused("The database refuses the user name and password.", locked=False)
    if code == _LOCKED_OUT:
        return UserRefused("The database has locked the user out for some seconds.", locked=True)
    if code == _FORBIDDEN:
        return _WriteRefused(
            "The database does not let this user do that. The administrator's credential has to be of a user who may "
            "show, create and alter users and assign roles."
        )
    if code == _ACCESS_MODE:
        return _WriteRefused("The database does not let anybody write in READ access mode.")
    if code == _ARGUMENT:
        return _ArgumentError("The database does not accept the user name or password in this form.")
    if code == _UNSUPPORTED or error.gql_status == _NOT_IN_THIS_EDITION:
        return _NotInThisEdition("This edition of the database has no such command.")
    if code in _READ_ONLY:
        return RotationInterrupted(
            f"The database takes no changes now ({code}): it is read-only, or changes its leader. Rotate again later."
        )
    if isinstance(error, ClientError) and not error.is_retryable():
        return RotationRefused(
            f"The database refuses a command of the rotation ({code}). Look that code up in its documentation."
        )
    return RotationInterrupted(f"The database fails ({code}). Rotate again later: that finishes what was begun.")
