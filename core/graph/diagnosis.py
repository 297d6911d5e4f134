"""Whether the database can be used with the credential there is; if not, at which link the way to it ends.

It says more than any caller may know: hosts, ports, users. Its findings go to the operator only.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from neo4j import READ_ACCESS, Query
from neo4j.exceptions import DriverError, Neo4jError, ServiceUnavailable

from core.deadline import Deadline
from core.errors import DeadlineExceeded, Neo4jM2mError, ToolError
from core.finding import Finding, first_failure, with_rest
from core.graph.lease import LoginRefused
from core.graph.login_failures import is_lockout
from core.graph.pool import Pool
from core.graph.reachability import REACHABILITY, reach

if TYPE_CHECKING:
    from core.credentials.credential import Credential

__all__ = ["DATABASE_LINKS", "diagnose"]

DATABASE_LINKS = ("credential", *REACHABILITY, "login", "database")
"""The links that `diagnose` looks at, in their order."""

_STEP_SECONDS = 3.0

_NOT_FOUND = ("Neo.ClientError.Database.DatabaseNotFound", "Neo.ClientError.Database.DatabaseUnavailable")
_FORBIDDEN = "Neo.ClientError.Security.Forbidden"


async def diagnose(pool: Pool, deadline: Deadline, *, database: str | None = None) -> list[Finding]:
    """What is found at each of `DATABASE_LINKS`, in at most one login, until ``deadline``.

    ``database`` None is the credential's. Never raises for what a network or a database can do.
    """
    try:
        credential = await pool.credential()
    except Neo4jM2mError as error:
        failed = Finding("credential", "failed", str(error), "")
        return with_rest([failed], DATABASE_LINKS)
    found = [Finding("credential", "ok", f"It names {credential.uri}.")]
    found += await reach(credential.uri, seconds=max(0.1, min(_STEP_SECONDS, deadline.remaining())))
    if first_failure(found) is None:
        found += await _log_in(pool, credential, database or credential.database, deadline)
    return with_rest(found, DATABASE_LINKS)


async def _log_in(pool: Pool, credential: Credential, database: str | None, deadline: Deadline) -> list[Finding]:
    """One login and one trivial read."""
    let_in = Finding("login", "ok", "The database accepts the login.")
    try:
        async with (
            deadline.enforced(),
            pool.lease(deadline, database=database, default_access_mode=READ_ACCESS, fetch_size=1) as lease,
        ):
            result = await lease.run(Query("RETURN 1", timeout=deadline.remaining() + 0.5), {})
            await result.consume()
    except LoginRefused as refusal:
        with contextlib.suppress(ToolError):
            await pool.recover(refusal, deadline, first=True)
        return [_refused(refusal.error, credential)]
    except DeadlineExceeded:
        return [Finding("login", "failed", "The database does not answer the login in time.", "Look at its load.")]
    except ToolError as error:
        return [Finding("login", "failed", str(error), "Look at the user and password in the credential.")]
    except Neo4jError as error:
        return [*_refused_database(error, database, let_in)]
    except (DriverError, OSError) as error:
        return [_unreachable_member(error, credential)]
    name = database or "the home database of the user"
    return [let_in, Finding("database", "ok", f"{name} answers.")]


def _refused(error: Neo4jError, credential: Credential) -> Finding:
    user = getattr(credential.login, "username", None)
    if is_lockout(error):
        return Finding(
            "login",
            "failed",
            "The database has locked the user out for some seconds, after wrong passwords in a row.",
            "Find out who else logs in with an old password; then wait ten seconds.",
        )
    who = f"the user {user} with this password" if user else "this server's token or key"
    return Finding(
        "login",
        "failed",
        f"The database refuses {who} ({error.code}).",
        "Correct the user or the password in NEO4J_USERNAME and NEO4J_PASSWORD, or in the secret. Test it alone: "
        "cypher-shell -a URI -u USER",
    )


def _refused_database(error: Neo4jError, database: str | None, let_in: Finding) -> list[Finding]:
    if error.code in _NOT_FOUND:
        says = f"There is no database {database} that answers ({error.code})."
        remedy = "Correct NEO4J_DATABASE, or the secret's `database`; unset, it is the user's home database."
    elif error.code == _FORBIDDEN:
        says = f"The user may not use the database {database or 'that is the home database'} ({error.code})."
        remedy = "Give the user's role ACCESS to it."
    else:
        says = f"The database answers with an error ({error.code})."
        remedy = "Look at the log of the database."
    return [let_in, Finding("database", "failed", says, remedy)]


def _unreachable_member(error: Exception, credential: Credential) -> Finding:
    if isinstance(error, ServiceUnavailable) and credential.uri.startswith("neo4j"):
        return Finding(
            "login",
            "failed",
            "The database speaks Bolt, but the addresses in its routing table cannot be reached.",
            "Write bolt:// instead of neo4j:// for a single instance, or set server.bolt.advertised_address in the "
            "database to the name by which this server reaches it.",
        )
    return Finding("login", "failed", f"The connection ends during the login ({type(error).__name__}).", "Try again.")
