"""Where the credential of a database comes from: the settings, or a secret that is read anew from time to time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.credentials.credential import Credential, PasswordLogin, WorkloadIdentity, parse_credential
from core.credentials.secret_store import Secret, SecretMalformed, SecretNotFound, SecretStore, SecretUnreachable
from core.errors import CredentialError, SettingsError
from core.remembered import Lifetime, Refreshed

if TYPE_CHECKING:
    from core.deadline import Deadline
    from core.settings import Settings

__all__ = ["CredentialSource", "CredentialVersion", "Credentials", "FixedCredential", "StoredCredential", "load_secret"]

logger = logging.getLogger(__name__)

_FETCH_SECONDS = 10.0
"""How long a secret store may take for one answer, its own retries included."""

_OVERRIDES = ("uri", "username", "password", "database")


@dataclass(frozen=True, slots=True)
class CredentialVersion:
    """A credential as it was found, and the version of the secret that said so."""

    credential: Credential
    version: str = ""


class CredentialSource(Protocol):
    """Gives the credential of one database user, as it is now."""

    async def current(self) -> CredentialVersion:
        """The credential, which may be remembered.

        Raises:
            SecretError, SettingsError: There is none to be had.
        """

    async def other_than(self, known: CredentialVersion, patience: Deadline) -> CredentialVersion | None:
        """Another credential than ``known``, which the database has refused; None if there is none in time."""


class FixedCredential:
    """The credential in the settings. It stays as it is until the server is started anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: CredentialVersion | None = None

    async def current(self) -> CredentialVersion:
        """As `CredentialSource.current`."""
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> CredentialVersion:
        settings = self._settings
        if settings.neo4j_uri is None or (settings.database_auth == "basic" and settings.neo4j_password is None):
            raise SettingsError(
                "This server has no database configured. Its operator must set NEO4J_URI, NEO4J_USERNAME and "
                "NEO4J_PASSWORD, or name the secret that holds them."
            )
        if settings.database_auth == "workload_identity" or settings.neo4j_password is None:
            login: PasswordLogin | WorkloadIdentity = WorkloadIdentity(scope=settings.database_scope)
        else:
            login = PasswordLogin(username=settings.neo4j_username, password=settings.neo4j_password)
        return CredentialVersion(Credential(uri=settings.neo4j_uri, database=settings.neo4j_database, login=login))

    async def other_than(self, known: CredentialVersion, patience: Deadline) -> CredentialVersion | None:
        """There is no other."""
        return None


class StoredCredential:
    """The credential in the secret ``name`` of ``store``, asked for again after ``ttl`` seconds.

    If the store does not answer then, what it said last is used until it is ``max_stale`` seconds old. ``instead`` has
    values that hold instead of the secret's.
    """

    def __init__(
        self, store: SecretStore, name: str, *, ttl: float, max_stale: float, instead: dict[str, str] | None = None
    ) -> None:
        self._store = store
        self._name = name
        self._instead = instead or {}
        lifetime = Lifetime(ttl, max(ttl, max_stale))
        self._known = Refreshed(self._fetch, lambda known: lifetime, what=f"the credential {name}")

    async def _fetch(self) -> CredentialVersion:
        secret = await load_secret(self._store, self._name)
        text = secret.text.get_secret_value()
        try:
            credential = parse_credential(text, source=self._name, instead=self._instead)
        except CredentialError as error:
            raise SecretMalformed(str(error)) from None
        return CredentialVersion(credential, secret.version)

    async def current(self) -> CredentialVersion:
        """As `CredentialSource.current`."""
        return await self._known.get()

    async def other_than(self, known: CredentialVersion, patience: Deadline) -> CredentialVersion | None:
        """As `CredentialSource.other_than`. A secret that was written anew is another, whatever it says."""
        return await self._known.other_than(known, patience)


class Credentials:
    """The credentials of one server: the default one, and those that the policy names, each a secret of that name."""

    def __init__(self, settings: Settings, store: SecretStore | None = None) -> None:
        self._settings = settings
        self._store = store
        if settings.secret is not None and store is None:
            raise SettingsError(
                f"{settings.variable('secret')} names a secret, and this server has no secret store to find it in."
            )
        if instead := self._overrides():
            variables = ", ".join(settings.variable(f"neo4j_{name}") for name in instead)
            logger.info("what %s says holds instead of what the secret %s says", variables, settings.secret)

    def source(self, name: str | None) -> CredentialSource:
        """The source of the credential ``name``; None is the default one.

        It is not looked up here: that there is none shows when it is used.
        """
        settings, store = self._settings, self._store
        name, instead = (settings.secret, self._overrides()) if name is None else (name, {})
        if name is None:
            return FixedCredential(settings)
        if store is None:
            return _Missing(name)
        return StoredCredential(store, name, ttl=settings.secret_ttl, max_stale=settings.secret_stale, instead=instead)

    def _overrides(self) -> dict[str, str]:
        """What the environment says of the default credential, by the names of a secret's fields."""
        settings = self._settings
        if settings.secret is None:
            return {}
        said = {name: getattr(settings, f"neo4j_{name}") for name in _OVERRIDES}
        return {
            name: value if isinstance(value, str) else value.get_secret_value()
            for name, value in said.items()
            if value is not None and f"neo4j_{name}" in settings.model_fields_set
        }


class _Missing:
    """Stands for a credential that was named where there is no store."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def other_than(self, known: CredentialVersion, patience: Deadline) -> CredentialVersion | None:
        return None

    async def current(self) -> CredentialVersion:
        raise SecretNotFound(
            f"The policy names the credential {self._name}, and this server has no secret store to find it in."
        )


async def load_secret(store: SecretStore, name: str) -> Secret:
    """The secret ``name`` of ``store``.

    Raises:
        SecretError: It cannot be had, or not within ten seconds.
    """
    try:
        async with asyncio.timeout(_FETCH_SECONDS):
            return await store.fetch(name)
    except TimeoutError:
        raise SecretUnreachable(
            f"The secret store did not answer within {_FETCH_SECONDS:g} seconds when asked for {name}. Look at the "
            "network between this server and the store, and at the store's own state."
        ) from None
