"""Whose turn is next: the credential in use, the user to follow it, and what makes that safe to say."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from core.credentials.credential import Credential, PasswordLogin, parse_credential, with_login
from core.credentials.rotated_secret import RotatedSecret
from core.credentials.rotation_errors import RotationRefused
from core.errors import CredentialError

__all__ = ["ALTERNATE", "Administrator", "AdministratorLogin", "RotationMode", "RotationTurns", "Turn", "new_password"]

RotationMode = Literal["two_users", "single_user"]

Administrator = Callable[[], Awaitable[Credential]]
"""Gives the administrator's credential, from a secret that no server for callers can read."""

ALTERNATE = "_alternate"
"""Ends the name of the second user of a pair.

The rule makes the partner known from a login that was proved: a name that somebody wrote into the secret could be
another program's user.
"""

_ROTATED_AT = "rotated_at"
"""The field of a secret that says when it was published, in UTC."""

_PASSWORD_BYTES = 32


@dataclass(frozen=True)
class AdministratorLogin:
    """Where the administrator logs in, and how.

    ``uri`` is the administrator's own: whoever may write the other secret could else choose one without encryption.
    """

    uri: str
    login: PasswordLogin


@dataclass(frozen=True)
class Turn:
    """The credential in use, its login and the one to follow; ``text`` is what the secret is to hold then."""

    current: Credential
    former: PasswordLogin
    candidate: PasswordLogin
    text: SecretStr
    administrator: AdministratorLogin | None


def new_password() -> SecretStr:
    """A password of 256 random bits, of letters, digits, - and _."""
    return SecretStr(secrets.token_urlsafe(_PASSWORD_BYTES))


class RotationTurns:
    """The turns of one secret. Each method reads the secret and, where there is one, the administrator's.

    ``settle`` is for how many seconds after a turn the next one is refused. Every method raises:

        RotationRefused: An operator has to look at something; the text says at what.
        RotationUnderWay: Another rotation of the same secret runs.
        SecretError: The store does not answer, or refuses.
    """

    def __init__(
        self,
        secret: RotatedSecret,
        administrator: Administrator | None,
        *,
        mode: RotationMode,
        settle: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret
        self._administrator = administrator
        self._mode: RotationMode = mode
        self._settle = settle
        self._clock = clock

    async def proposed(self) -> Turn | None:
        """The turn that was begun; None if none was, or if its candidate does not fit what is in use by now."""
        text = await self._secret.candidate()
        if text is None:
            return None
        current, former, _ = await self._current()
        administrator = await self._admin(current)
        try:
            proposed = parse_credential(text.get_secret_value(), source=self._secret.name)
        except CredentialError:
            return None
        login = proposed.login
        fits = (proposed.uri, proposed.database) == (current.uri, current.database)
        if not isinstance(login, PasswordLogin) or not fits:
            return None
        if login.username != self._user_after(former, administrator):
            return None
        return Turn(current, former, login, text, administrator)

    async def begun(self) -> Turn:
        """The turn that was begun."""
        turn = await self.proposed()
        if turn is None:
            raise RotationRefused(
                f"There is no candidate for {self._secret.name} that fits the credential in use: it was edited "
                "meanwhile. Begin the rotation again."
            )
        return turn

    async def following(self) -> Turn:
        """A new turn, with a new password. Nothing is written."""
        current, former, text = await self._current()
        self._refuse_too_soon(text)
        administrator = await self._admin(current)
        candidate = PasswordLogin(username=self._user_after(former, administrator), password=new_password())
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC).isoformat(timespec="seconds")
        return Turn(current, former, candidate, with_login(text, candidate, **{_ROTATED_AT: now}), administrator)

    async def _current(self) -> tuple[Credential, PasswordLogin, str]:
        name = self._secret.name
        text = (await self._secret.current()).text.get_secret_value()
        try:
            credential = parse_credential(text, source=name)
        except CredentialError as error:
            raise RotationRefused(f"{error} Write the secret again; then rotate.") from None
        if not isinstance(credential.login, PasswordLogin):
            raise RotationRefused(
                f"The credential {name} logs in without a password of the database, so nothing can be rotated. "
                "Its issuer rotates what it holds."
            )
        return credential, credential.login, text

    async def _admin(self, current: Credential) -> AdministratorLogin | None:
        """The administrator's login, for the database that is in use and no other.

        Whoever may write the secret could otherwise have other servers' users changed, or learn a password.
        """
        if self._administrator is None:
            return None
        credential = await self._administrator()
        if not isinstance(credential.login, PasswordLogin):
            raise RotationRefused("The administrator's credential has to be a user name and a password.")
        if _server(credential.uri) != _server(current.uri):
            raise RotationRefused(
                f"The administrator's credential is for another server than the secret {self._secret.name}. Let both "
                "name the same host and port."
            )
        return AdministratorLogin(credential.uri, credential.login)

    def _user_after(self, former: PasswordLogin, administrator: AdministratorLogin | None) -> str:
        name = former.username
        admin = administrator.login.username if administrator is not None else None
        if self._mode == "single_user":
            if name == admin:
                raise RotationRefused(
                    f"The secret {self._secret.name} holds the administrator's own login, and the administrator's "
                    "secret would not get the new password. Create other users first: neo4j-m2m bootstrap."
                )
            return name
        if name == admin:
            return _name_for(self._secret.name)
        partner = name.removesuffix(ALTERNATE) if name.endswith(ALTERNATE) else name + ALTERNATE
        if partner in ("", admin):
            raise RotationRefused(
                f"The second user of {name} would be {partner or 'nobody'}. Choose another name for the first one."
            )
        return partner

    def _refuse_too_soon(self, text: str) -> None:
        at = _rotated_at(text)
        age = None if at is None else self._clock() - at
        if age is not None and 0 <= age < self._settle:
            raise RotationRefused(
                f"{self._secret.name} was rotated {age:.0f} seconds ago, and servers may still log in as its former "
                f"user. Rotate again in {self._settle - age:.0f} seconds, or with --now: no call is lost then either, "
                "but some wait."
            )


def _name_for(secret: str) -> str:
    """A user name for the secret that held the administrator's login until now; two secrets never share one."""
    plain = re.sub(r"[^a-z0-9]+", "_", secret.lower()).strip("_")[-40:]
    return f"m2m_{plain}_{hashlib.sha256(secret.encode()).hexdigest()[:4]}"


def _server(uri: str) -> tuple[str | None, int]:
    parts = urlsplit(uri)
    return (parts.hostname, parts.port or 7687)


def _rotated_at(text: str) -> float | None:
    """When the secret says that it was published, in seconds since the epoch; None if it says nothing of use."""
    try:
        said = json.loads(text)[_ROTATED_AT]
        return datetime.datetime.fromisoformat(said).timestamp()
    except (ValueError, TypeError, KeyError):
        return None
