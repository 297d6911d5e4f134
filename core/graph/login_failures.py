"""Why this server cannot log in to its database, said for the agent that calls and the operator who can mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.credentials.credential import ApiKeyLogin, OnBehalfOf, PasswordLogin
from core.credentials.secret_store import SecretError
from core.errors import DatabaseUnavailable, Neo4jM2mError, TokenRefused, TokenUnavailable

if TYPE_CHECKING:
    from neo4j.exceptions import Neo4jError

    from core.credentials.credential import Credential

__all__ = ["explain_lockout", "explain_no_login", "explain_refused", "is_lockout", "is_login_refused"]

_REFUSED = frozenset(
    f"Neo.ClientError.Security.{name}" for name in ("Unauthorized", "TokenExpired", "CredentialsExpired")
)
_LOCKOUT = "Neo.ClientError.Security.AuthenticationRateLimit"

_TELL = "Nothing in the call can change that: tell the operator"


def is_login_refused(error: Neo4jError) -> bool:
    """Whether the database does not accept what this server presented.

    Source: https://neo4j.com/docs/status-codes/current/errors/all-errors/ .
    """
    return error.code in _REFUSED


def is_lockout(error: Neo4jError) -> bool:
    """Whether the database listens to nobody of that name for some seconds, after wrong logins in a row."""
    return error.code == _LOCKOUT


def explain_lockout() -> DatabaseUnavailable:
    """The error to raise when the lockout lasts longer than the call."""
    return DatabaseUnavailable(
        "The database has locked this server's user out for some seconds, after wrong passwords in a row: its own, or "
        "somebody else's. Try again in ten seconds; if it lasts, tell the operator."
    )


def explain_refused(credential: Credential) -> DatabaseUnavailable:
    """The error to raise when the database has refused ``credential``, or the token that it led to."""
    login = credential.login
    if isinstance(login, PasswordLogin):
        return DatabaseUnavailable(
            f"The database refused this server's own login. {_TELL} to check the database user and password that this "
            "server is configured with; the same ones are not tried again before they were stored anew."
        )
    if isinstance(login, ApiKeyLogin):
        return DatabaseUnavailable(
            f"The database refused this server's API key, or knows no authentication scheme of that name. {_TELL} to "
            "store a user name and password instead, which every Neo4j accepts."
        )
    whose = "exchanged for the user who calls" if isinstance(login, OnBehalfOf) else "machine token"
    return DatabaseUnavailable(
        f"The database refused the token that this server logs in with ({whose}). Neo4j Aura and Community accept a "
        "user name and password only: Aura's single sign-on is for people and refuses machine tokens. Self-hosted "
        "Enterprise accepts tokens once it has an OpenID Connect provider with the token's issuer and audience. "
        f"{_TELL} to configure that, or to store a user name and password (the file that Aura offers for download "
        "will do) as this server's credential."
    )


def explain_no_login(error: Neo4jM2mError) -> DatabaseUnavailable:
    """The error to raise when there is nothing to log in with. The agent gets the kind of it, the log has the text."""
    if isinstance(error, SecretError):
        advice = "Try again in some seconds; if it lasts, tell the operator." if error.transient else f"{_TELL}."
        return DatabaseUnavailable(
            f"This server cannot read its database credential from its secret store ({error.kind}). {advice}"
        )
    if isinstance(error, TokenRefused):
        return DatabaseUnavailable(f"This server is given no token to log in to the database with. {error}")
    if isinstance(error, TokenUnavailable):
        return DatabaseUnavailable(
            f"This server cannot get a token to log in to the database with. {error} Try again in some seconds; if it "
            "lasts, tell the operator."
        )
    return DatabaseUnavailable(str(error))
