"""What is presented to the database: a password, a key, or a bearer token that is kept fresh.

The caller's own token is never passed on; the specification forbids it
(https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization#access-token-privilege-restriction ):
on behalf of a user, it is exchanged for one that is addressed to the database.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from neo4j import Auth, basic_auth, bearer_auth, custom_auth
from pydantic import SecretStr

from core.addresses import Hosts
from core.credentials.credential import (
    ApiKeyLogin,
    ClientCredentials,
    LoginMethod,
    OnBehalfOf,
    PasswordLogin,
)
from core.credentials.token_endpoint import AccessToken, by_client_credentials, by_exchange
from core.deadline import Deadline
from core.errors import Neo4jM2mError, TokenRefused, TokenUnavailable
from core.remembered import BoundedMap, Refreshed

__all__ = ["DatabaseAuth", "Login", "StillRefused", "WorkloadTokens", "database_auth"]

WorkloadTokens = Callable[[str | None], Awaitable[AccessToken]]
"""Fetches a token of this server's own platform identity, for a scope.

It asks the platform at every call, and raises `TokenUnavailable` or `TokenRefused`.
"""

_EXCHANGES_KEPT = 256

_QUIET_SECONDS = 30.0
"""Seconds for which no token is presented after the database has refused two in a row."""


class StillRefused(Neo4jM2mError):
    """The database refused this same login a short time ago."""


@dataclass(frozen=True, slots=True)
class Login:
    """What one session presents. ``token`` is None if the login stays the same as long as the credential does."""

    auth: Auth
    token: AccessToken | None = None
    issued_by: _Token | None = None


class DatabaseAuth(Protocol):
    """One way to log in, for one credential. An instance belongs to one event loop.

    ``constant`` is what every connection presents; None if it depends on the time or on the caller.
    """

    constant: Auth | None

    async def login(self, subject_token: SecretStr | None, patience: Deadline | None = None) -> Login:
        """What to present now. ``subject_token`` is what the caller came with.

        Until ``patience`` ends, a token's issuer that fails is asked again.

        Raises:
            TokenUnavailable: It needs a token, and cannot get one.
            StillRefused: The database has refused the last ones.
        """

    def refused(self, login: Login, *, again: bool) -> None:
        """The database has refused ``login``: do not present it again.

        ``again`` says that it refused the one before, too: then a third attempt soon would be useless.
        """


def database_auth(method: LoginMethod, workload: WorkloadTokens | None = None, hosts: Hosts = None) -> DatabaseAuth:
    """The way to log in that ``method`` describes; ``workload`` is the platform's token issuer, if it has one.

    ``hosts`` are those that may be asked for a token.
    """
    if isinstance(method, PasswordLogin):
        return _Constant(basic_auth(method.username, method.password.get_secret_value()))
    if isinstance(method, ApiKeyLogin):
        key = method.api_key.get_secret_value()
        return _Constant(custom_auth(method.principal, key, method.realm, method.scheme))
    if isinstance(method, ClientCredentials):
        return _Token(lambda: by_client_credentials(method, hosts), "the token for the database")
    if isinstance(method, OnBehalfOf):
        return _Exchange(method, hosts)
    scope = method.scope

    async def own_token() -> AccessToken:
        if workload is None:
            raise TokenRefused(
                "The credential needs a token of this server's own identity, and this server has no issuer for it: set "
                "NEO4J_M2M_WORKLOAD_TOKEN_FILE, or use another way to log in."
            )
        return await workload(scope)

    return _Token(own_token, "the token of this server's own identity")


class _Constant:
    """The same login every time. Once it is refused, only a new credential helps."""

    def __init__(self, auth: Auth) -> None:
        self.constant: Auth | None = auth
        self._login = Login(auth)

    async def login(self, subject_token: SecretStr | None, patience: Deadline | None = None) -> Login:
        return self._login

    def refused(self, login: Login, *, again: bool) -> None:
        pass


class _Token:
    """A bearer token, replaced before it expires."""

    constant: Auth | None = None

    def __init__(self, fetch: Callable[[], Awaitable[AccessToken]], what: str) -> None:
        self._token = Refreshed(fetch, AccessToken.lifetime, what=what)
        self._quiet_until = 0.0

    async def login(self, subject_token: SecretStr | None, patience: Deadline | None = None) -> Login:
        if time.monotonic() < self._quiet_until:
            raise StillRefused
        try:
            token = await self._token.get(patience=patience)
        except TimeoutError:
            raise TokenUnavailable("The issuer of tokens had not answered when the time of the call was up.") from None
        return Login(bearer_auth(token.text.get_secret_value()), token, self)

    def refused(self, login: Login, *, again: bool) -> None:
        if login.token is not None:
            self._token.forget(login.token)
        if again:
            self._quiet_until = time.monotonic() + _QUIET_SECONDS


class _Exchange:
    """A token for each user, exchanged for the user's token that came with the call."""

    constant: Auth | None = None

    def __init__(self, method: OnBehalfOf, hosts: Hosts) -> None:
        self._method = method
        self._hosts = hosts
        self._users: BoundedMap[str, _Token] = BoundedMap(_EXCHANGES_KEPT)

    async def login(self, subject_token: SecretStr | None, patience: Deadline | None = None) -> Login:
        if subject_token is None:
            raise TokenRefused(
                "The credential logs in on behalf of users, but this call carries no user's token to exchange. The "
                "policy should give such a credential to callers of the kind user_on_behalf only."
            )
        return await self._user(subject_token).login(None, patience)

    def refused(self, login: Login, *, again: bool) -> None:
        if login.issued_by is not None:
            login.issued_by.refused(login, again=again)

    def _user(self, subject_token: SecretStr) -> _Token:
        key = hashlib.sha256(subject_token.get_secret_value().encode()).hexdigest()
        user = self._users.get(key)
        if user is None:
            user = self._users[key] = _Token(
                lambda: by_exchange(self._method, subject_token, self._hosts), "the token on behalf of a user"
            )
        return user
