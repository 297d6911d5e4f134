"""Who is let in, and as which user of the database behind."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from pydantic import SecretStr

from core.errors import Refusal
from core.identity.tokens import TokenVerifier

__all__ = ["Backend", "FrontRules", "LetIn", "Logins", "PassedOn", "Refused", "judge", "scheme_of"]

_FAILED = "The client is unauthorized due to authentication failure."
_KNOWN = frozenset({"basic", "bearer", "kerberos", "none"})

User = tuple[str, SecretStr]


@dataclass(frozen=True)
class Backend:
    """The database behind: its address, and the native user that tokens and keys lead to unless mapped otherwise."""

    host: str
    port: int
    username: str
    password: SecretStr


@dataclass(frozen=True)
class FrontRules:
    """What the door accepts besides ``basic``, which the database behind judges itself unless it is switched off.

    ``tokens`` verifies bearer tokens, as an OpenID Connect provider configured in Enterprise does; None knows no such
    scheme, as Community and Aura. ``users`` maps a principal's id to a native user and its password; those that it does
    not name become its ``"*"``, or else the backend's own user. ``api_keys`` maps the name of a scheme to the key that
    it accepts, and ``key_users`` to the native user that the key leads to, the backend's own if it names none.

    With ``aura`` every scheme but ``basic`` is refused, whatever else is configured. What is known of Aura is that it
    refuses machine tokens; that it does so with the code and text of Community, which were measured, is assumed.
    """

    tokens: TokenVerifier | None = None
    users: Mapping[str, User] = field(default_factory=dict)
    api_keys: Mapping[str, SecretStr] = field(default_factory=dict)
    basic: bool = True
    key_users: Mapping[str, User] = field(default_factory=dict)
    aura: bool = False


@dataclass(frozen=True)
class LetIn:
    """A login that holds: the native user, and when it ends (seconds since the epoch).

    ``principal`` and ``token`` tell whom a bearer token proved, and the SHA-256 of that, in hexadecimal.
    """

    username: str
    password: SecretStr
    expires_at: float = float("inf")
    principal: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class PassedOn:
    """A login that the database behind judges: it does not end."""

    expires_at: float = float("inf")


@dataclass(frozen=True)
class Refused:
    """A login that does not hold: the text of the failure."""

    text: str


@dataclass
class Logins:
    """What came to the door, counted: by scheme, by principal, and the SHA-256 of the tokens that were let in.

    A login counts as accepted when the database behind has let its native user in, too. Schemes that nobody knows
    count as ``other``. The door's thread goes on counting in here: `snapshot` gives what stays as it is.
    """

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    principals: Counter[str] = field(default_factory=Counter)
    tokens: set[str] = field(default_factory=set)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def snapshot(self) -> Logins:
        """All counts at one moment."""
        with self.lock:
            return Logins(
                Counter(self.accepted),
                Counter(self.refused),
                Counter(self.principals),
                set(self.tokens),
                self.connections,
            )

    def count(self, scheme: str, verdict: LetIn | PassedOn | None) -> None:
        """Count a login by ``scheme``; None was refused."""
        with self.lock:
            (self.refused if verdict is None else self.accepted)[scheme] += 1
            if isinstance(verdict, LetIn) and verdict.principal is not None and verdict.token is not None:
                self.principals[verdict.principal] += 1
                self.tokens.add(verdict.token)

    def count_connection(self) -> None:
        """Count a client that came."""
        with self.lock:
            self.connections += 1


def scheme_of(presented: Mapping[str, Any], rules: FrontRules) -> str:
    """The name under which a login is counted: a client may send what it likes, and a secret by mistake."""
    scheme = presented.get("scheme")
    return scheme if isinstance(scheme, str) and (scheme in _KNOWN or scheme in rules.api_keys) else "other"


async def judge(presented: Mapping[str, Any], rules: FrontRules, backend: Backend) -> LetIn | PassedOn | Refused:
    """Whether what a LOGON presents is accepted. The texts of refusals are those of Community 2026.09."""
    scheme, credentials = presented.get("scheme"), presented.get("credentials")
    if not isinstance(scheme, str):
        return Refused("Unsupported authentication token, missing key `scheme`")
    if scheme == "basic" and rules.basic:
        return PassedOn()
    if not rules.aura and isinstance(credentials, str):
        if scheme == "bearer" and rules.tokens is not None:
            return await _by_token(credentials, rules, rules.tokens, backend)
        if scheme in rules.api_keys:
            key = rules.api_keys[scheme].get_secret_value()
            if not hmac.compare_digest(key.encode(), credentials.encode()):
                return Refused(_FAILED)
            return LetIn(*rules.key_users.get(scheme, (backend.username, backend.password)))
    return Refused(f"Unsupported authentication token, scheme '{scheme[:40]}' is not supported.")


async def _by_token(token: str, rules: FrontRules, verifier: TokenVerifier, backend: Backend) -> LetIn | Refused:
    try:
        principal = await verifier.verify(token)
    except Refusal:
        return Refused(_FAILED)
    expires_at = float(jwt.decode(token, options={"verify_signature": False})["exp"])
    if expires_at <= time.time():
        # The verifier's leeway would let a login begin that has ended already.
        return Refused(_FAILED)
    others = rules.users.get("*", (backend.username, backend.password))
    username, password = rules.users.get(principal.id, others)
    digest = hashlib.sha256(token.encode()).hexdigest()
    return LetIn(username, password, expires_at, principal.id, digest)
