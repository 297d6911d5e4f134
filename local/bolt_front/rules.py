"""Who is let in, and as which user of the database behind."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from pydantic import SecretStr

from core.errors import Refusal
from core.identity.tokens import TokenVerifier

__all__ = ["Backend", "FrontRules", "LetIn", "Logins", "Refused", "judge"]

UNAUTHORIZED = "Neo.ClientError.Security.Unauthorized"
TOKEN_EXPIRED = "Neo.ClientError.Security.TokenExpired"  # noqa: S105 - the name of an error

_FAILED = "The client is unauthorized due to authentication failure."


@dataclass(frozen=True)
class Backend:
    """The database behind: its address, and the native user that tokens and keys lead to unless mapped otherwise."""

    host: str
    port: int
    username: str
    password: SecretStr


@dataclass(frozen=True)
class FrontRules:
    """What the door accepts besides ``basic``, which the database behind judges itself.

    ``tokens`` verifies bearer tokens, as an OpenID Connect provider configured in Enterprise does; None knows no such
    scheme, as Community and Aura. ``users`` maps a principal's id to a native user and its password; others become the
    backend's own. ``api_keys`` maps the name of a scheme to the key that it accepts.

    What is known of Aura is that it refuses machine tokens; that it does so with the code and text of Community, which
    were measured, is assumed.
    """

    tokens: TokenVerifier | None = None
    users: Mapping[str, tuple[str, SecretStr]] = field(default_factory=dict)
    api_keys: Mapping[str, SecretStr] = field(default_factory=dict)
    basic: bool = True


@dataclass(frozen=True)
class LetIn:
    """A login that holds: the native user, and when it ends (seconds since the epoch)."""

    username: str
    password: SecretStr
    expires_at: float = float("inf")


@dataclass(frozen=True)
class Refused:
    """A login that does not hold: the text of the failure."""

    text: str


@dataclass
class Logins:
    """What came to the door, counted: by scheme, by principal, and the SHA-256 of the tokens that were let in."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    principals: Counter[str] = field(default_factory=Counter)
    tokens: set[str] = field(default_factory=set)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


async def judge(presented: Mapping[str, Any], rules: FrontRules, backend: Backend, logins: Logins) -> LetIn | Refused:
    """Whether what a LOGON presents is accepted; ``basic`` is not for here."""
    scheme, credentials = presented.get("scheme"), presented.get("credentials")
    name = scheme if isinstance(scheme, str) else "none"
    verdict: LetIn | Refused = Refused(f"Unsupported authentication token, scheme '{name[:40]}' is not supported.")
    if isinstance(credentials, str):
        if name == "bearer" and rules.tokens is not None:
            verdict = await _by_token(credentials, rules, rules.tokens, backend, logins)
        elif name in rules.api_keys:
            key = rules.api_keys[name].get_secret_value()
            same = hmac.compare_digest(key.encode(), credentials.encode("utf-8", "replace"))
            verdict = LetIn(backend.username, backend.password) if same else Refused(_FAILED)
    with logins.lock:
        (logins.accepted if isinstance(verdict, LetIn) else logins.refused)[name] += 1
    return verdict


async def _by_token(
    token: str, rules: FrontRules, verifier: TokenVerifier, backend: Backend, logins: Logins
) -> LetIn | Refused:
    try:
        principal = await verifier.verify(token)
    except Refusal:
        return Refused(_FAILED)
    with logins.lock:
        logins.principals[principal.id] += 1
        logins.tokens.add(hashlib.sha256(token.encode()).hexdigest())
    username, password = rules.users.get(principal.id, (backend.username, backend.password))
    return LetIn(username, password, float(jwt.decode(token, options={"verify_signature": False})["exp"]))
