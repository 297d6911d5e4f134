"""Where the credential of a database comes from: the settings, or a secret that is read again from time to time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.credentials.credential import Credential, PasswordLogin, WorkloadIdentity, parse_credential
from core.credentials.secret_store import Secret, SecretMalformed, SecretNotFound, SecretStore, SecretUnreachable
from core.errors import CredentialError, SettingsError
from core.remembered import Lifetime, Refreshed
from core.telemetry import credential_seen

if TYPE_CHECKING:
    from core.deadline import Deadline
    from core.settings import Settings

__all__ = ["CredentialSource", "CredentialVersion", "Credentials", "FixedCredential", "StoredCredential", "load_secret"]

logger = logging.getLogger(__name__)

_FETCH_SECONDS = 10.0
"""Seconds that a secret store may take for one answer, its own retries included."""

_OVERRIDES = ("uri", "username", "password", "database")


@dataclass(frozen=True, slots=True)
class CredentialVersion:
    """A credential, and the version of the secret that it comes from."""

    credential: Credential
    version: str = ""


class CredentialSource(Protocol):
    """Gives the credential of one database user, as it is now."""

    async def current(self, patience: Deadline | None = None) -> CredentialVersion:
        """The credential, possibly a remembered one. Until ``patience`` ends, a store that fails is asked again.

        Raises:
            SecretError, SettingsError: The credential cannot be fetched, or none is configured.
        """

    async def other_than(self, known: CredentialVersion, patience: Deadline) -> CredentialVersion | None:
        """A credential other than ``known``, which the database has refused; None if there is no other in time."""


class FixedCredential:
    """The credential in the settings. It stays the same until the server restarts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: CredentialVersion | None = None

    async def current(self, patience: Deadline | None = None) -> CredentialVersion:
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
    """The credential in the secret ``name`` of ``store``, fetched again after ``ttl`` seconds.

    If the store does not answer then, its last answer is used until it is ``max_stale`` seconds old. If the store
    denies the secret, or no longer has it, or its content cannot be used, the last answer is used until it is
    ``withdrawn`` seconds old, whatever the store answers after that. ``instead`` has values that replace the secret's.
    """

    def __init__(
        self,
        store: SecretStore,
        name: str,
        *,
        ttl: float,
        max_stale: float,
        withdrawn: float,
        instead: dict[str, str] | None = None,
    ) -> None:
        self._store = store
        self._name = name
        self._instead = instead or {}
        fresh = min(ttl, withdrawn)
        lifetime = Lifetime(fresh, max(fresh, max_stale), withdrawn)
        self._known = Refreshed(self._fetch, lambda known: lifetime, what=f"the credential {name}")

    async def _fetch(self) -> CredentialVersion:
        secret = await load_secret(self._store, self._name)
        text = secret.text.get_secret_value()
        try:
            credential = parse_credential(text, source=self._name, instead=self._instead)
        except CredentialError as error:
            raise SecretMalformed(str(error)) from None
        credential_seen(self._name, secret.version, secret.written_at)
        return CredentialVersion(credential, secret.version)

    async def current(self, patience: Deadline | None = None) -> CredentialVersion:
        """As `CredentialSource.current`."""
        try:
            return await self._known.get(patience=patience)
        except TimeoutError:
            raise SecretUnreachable(_late(self._name, "in the time of the call")) from None

    async def other_than(self, known: CredentialVersion, patience: Deadline) -> CredentialVersion | None:
        """As `CredentialSource.other_than`. A secret that was written again counts as another, even if it is equal."""
        return await self._known.other_than(known, patience)


class Credentials:
    """The credentials of one server: the default one, and those that the policy names, each in a secret of its own."""

    def __init__(self, settings: Settings, store: SecretStore | None = None) -> None:
        self._settings = settings
        self._store = store
        if settings.secret is not None and store is None:
            raise SettingsError(
                f"{settings.variable('secret')} names a secret, but this server has no secret store to read it from."
            )
        if instead := self._overrides():
            variables = ", ".join(settings.variable(f"neo4j_{name}") for name in instead)
            logger.info("the values of %s replace those of the secret %s", variables, settings.secret)

    def source(self, name: str | None) -> CredentialSource:
        """The source of the credential ``name``; None is the default one.

        The credential is not looked up here: a missing one shows when it is used.
        """
        settings, store = self._settings, self._store
        name, instead = (settings.secret, self._overrides()) if name is None else (name, {})
        if name is None:
            return FixedCredential(settings)
        if store is None:
            return _Missing(name)
        return StoredCredential(
            store,
            name,
            ttl=settings.secret_ttl,
            max_stale=settings.secret_stale,
            withdrawn=settings.secret_withdrawn,
            instead=instead,
        )

    def _overrides(self) -> dict[str, str]:
        """What the environment sets for the default credential, by the field names of a secret."""
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
    """Stands for a credential that is named although there is no store."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def other_than(self, known: CredentialVersion, patience: Deadline) -> CredentialVersion | None:
        return None

    async def current(self, patience: Deadline | None = None) -> CredentialVersion:
        raise SecretNotFound(
            f"The policy names the credential {self._name}, but this server has no secret store to read it from."
        )


async def load_secret(store: SecretStore, name: str) -> Secret:
    """The secret ``name`` of ``store``.

    Raises:
        SecretError: It cannot be fetched, or not within ten seconds.
    """
    try:
        async with asyncio.timeout(_FETCH_SECONDS):
            return await store.fetch(name)
    except TimeoutError:
        raise SecretUnreachable(_late(name, f"within {_FETCH_SECONDS:g} seconds")) from None


def _late(name: str, when: str) -> str:
    return (
        f"The secret store did not answer {when} when asked for {name}. Check the network between this server and the "
        "store, and the store's own state."
    )
