"""Why this server cannot log in to its database, in words for the agent that calls and the operator who can fix it."""

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
    """Whether the database rejects what this server presented.

    Source: https://neo4j.com/docs/status-codes/current/errors/all-errors/ .
    """
    return error.code in _REFUSED


def is_lockout(error: Neo4jError) -> bool:
    """Whether the database refuses this user for some seconds, after several wrong logins in a row."""
    return error.code == _LOCKOUT


def explain_lockout() -> DatabaseUnavailable:
    """The error to raise when the lockout lasts longer than the call."""
    return DatabaseUnavailable(
        "The database has locked this server's user out for some seconds, after several wrong passwords in a row, from "
        "this server or from elsewhere. Try again in ten seconds; if it lasts, tell the operator."
    )


def explain_refused(credential: Credential) -> DatabaseUnavailable:
    """The error to raise when the database has refused ``credential``, or a token that was obtained with it."""
    login = credential.login
    if isinstance(login, PasswordLogin):
        return DatabaseUnavailable(
            f"The database refused this server's own login. {_TELL} to check the database user and password that this "
            "server is configured with; they will not be tried again until they are updated."
        )
    if isinstance(login, ApiKeyLogin):
        return DatabaseUnavailable(
            f"The database refused this server's API key, or does not know its authentication scheme. {_TELL} to "
            "store a user name and password instead, which every Neo4j accepts."
        )
    whose = "exchanged for the user who calls" if isinstance(login, OnBehalfOf) else "machine token"
    return DatabaseUnavailable(
        f"The database refused the token that this server logs in with ({whose}). Neo4j Aura and Community accept a "
        "user name and password only: Aura's single sign-on is for people and refuses machine tokens. Self-hosted "
        "Enterprise accepts tokens once it has an OpenID Connect provider with the token's issuer and audience. "
        f"{_TELL} to configure that, or to store a user name and password (the file that Aura offers for download "
        "is enough) as this server's credential."
    )


def explain_no_login(error: Neo4jM2mError) -> DatabaseUnavailable:
    """The error to raise if there is no login. The agent learns the kind of error; the log has the text."""
    if isinstance(error, SecretError):
        advice = "Try again in some seconds; if it lasts, tell the operator." if error.transient else f"{_TELL}."
        return DatabaseUnavailable(
            f"This server cannot read its database credential from its secret store ({error.kind}). {advice}"
        )
    if isinstance(error, TokenRefused):
        return DatabaseUnavailable(f"This server was refused a token for the database. {error}")
    if isinstance(error, TokenUnavailable):
        return DatabaseUnavailable(
            f"This server cannot get a token for the database. {error} Try again in some seconds; if it "
            "lasts, tell the operator."
        )
    return DatabaseUnavailable(str(error))
