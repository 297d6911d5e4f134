"""Tokens: who a bearer token proves the caller to be.

Sources: RFC 7519 (JWT), RFC 8725 (its best current practices), RFC 9068 (access tokens), RFC 6750 (which failure gets
which answer). PyJWT and cryptography verify the signatures; what is verified, and against what, is decided here.
"""

from __future__ import annotations

import functools
import hashlib
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import Forbidden, Unauthenticated
from core.fetch import Fetch, fetch
from core.identity.claims import TokenCaller, caller_of
from core.identity.issuers import TrustedIssuer
from core.identity.jws import UnverifiedToken, read_token
from core.identity.keysets import FRESH_SECONDS, KeySet
from core.identity.principal import Principal
from core.remembered import BoundedMap

if TYPE_CHECKING:
    from jwt import PyJWS

    from core.identity.keysets import Key

__all__ = ["TokenVerifier"]

_REMEMBERED_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class _Accepted:
    """One issuer, as tokens name it: what is configured for it, and its keys."""

    issuer: TrustedIssuer
    keys: KeySet


class TokenVerifier:
    """Verifies tokens of ``issuers``, each by its issuer's configuration and by nothing that the token itself brings.

    An accepted token is remembered by its SHA-256, until it expires or the issuer's keys are due to be fetched again,
    whichever comes first.
    """

    def __init__(
        self, issuers: Iterable[TrustedIssuer], *, fetch: Fetch = fetch, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._accepted: dict[str, _Accepted] = {}
        self._remembered: BoundedMap[bytes, tuple[float, Principal]] = BoundedMap(_REMEMBERED_LIMIT)
        for issuer in issuers:
            shared = KeySet(issuer.issuer[0], issuer.jwks_uri, fetch=fetch, clock=clock) if issuer.jwks_uri else None
            for name in issuer.issuer:
                keys = shared or KeySet(name, None, fetch=fetch, clock=clock)
                self._accepted[name] = _Accepted(issuer, keys)

    async def verify(self, token: str) -> Principal:
        """The principal that ``token`` proves.

        Raises:
            Unauthenticated: It proves nothing.
            Forbidden: It is genuine, but lacks the role or scope that callers of its issuer need.
            IssuerUnavailable: The issuer's keys cannot be fetched.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._remembered.get(digest)
        if known is not None and self._clock() < known[0]:
            return known[1]
        principal, until = await self._verify(token)
        self._remembered[digest] = (min(until, self._clock() + FRESH_SECONDS), principal)
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        """The principal, and until when the token is valid."""
        unverified = read_token(token)
        accepted = self._accepted.get(unverified.issuer)
        if accepted is None:
            raise Unauthenticated("the token's issuer is not one whose tokens are accepted here")
        issuer = accepted.issuer
        _verify_signature(token, unverified, await accepted.keys.find(unverified.kid))
        until = _checked_times(unverified.claims, self._clock(), issuer.leeway)
        caller = caller_of(issuer.platform, unverified.claims)
        _admit(caller, issuer)
        principal = Principal(
            platform=issuer.platform,
            kind=caller.kind,
            id=caller.id,
            name=caller.name,
            tenant=caller.tenant,
            roles=caller.roles,
            proved_by=f"token of {issuer.name}",
            issuer=issuer.name,
            blueprint=caller.blueprint,
        )
        return principal, until


def _verify_signature(token: str, unverified: UnverifiedToken, keys: tuple[Key, ...]) -> None:
    """Source: RFC 8725 sections 3.1 and 3.2: the key, not the token, says which algorithms are acceptable."""
    import jwt

    if not keys:
        raise Unauthenticated("the token's key is not one of its issuer's")
    fitting = [key for key in keys if unverified.algorithm in key.algorithms]
    if len(fitting) != 1:
        raise Unauthenticated("the token's algorithm is not that of its key")
    try:
        _signatures(unverified.algorithm).decode(token, fitting[0].public, [unverified.algorithm])
    except jwt.PyJWTError:
        raise Unauthenticated("the token's signature does not fit") from None


@functools.cache
def _signatures(algorithm: str) -> PyJWS:
    """A verifier for signatures of ``algorithm`` only."""
    from jwt import PyJWS

    return PyJWS(algorithms=[algorithm])


def _checked_times(claims: dict[str, Any], now: float, leeway: int) -> float:
    """Until when the token is valid, the leeway included.

    Source: RFC 7519 sections 4.1.4 to 4.1.6; an expiry is required here (RFC 9068 section 2.2).
    """
    times = {name: _time(claims, name) for name in ("exp", "nbf", "iat") if name in claims}
    if "exp" not in times:
        raise Unauthenticated("the token has no expiry")
    if now >= times["exp"] + leeway:
        raise Unauthenticated("the token has expired")
    if any(times.get(name, now) > now + leeway for name in ("nbf", "iat")):
        raise Unauthenticated("the token is not valid yet")
    return times["exp"] + leeway


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims[name]
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise Unauthenticated(f"the token's claim {name} is not a time")
    return number


def _admit(caller: TokenCaller, issuer: TrustedIssuer) -> None:
    """Refuse callers whom the configuration of ``issuer`` does not admit."""
    if not caller.audiences & set(issuer.audience):
        raise Unauthenticated("the token was issued for another audience than this server")
    if issuer.tenant is not None and caller.tenant != issuer.tenant:
        raise Unauthenticated("the token is of another tenant than the one that is accepted here")
    by_blueprint = bool(caller.blueprint) and caller.blueprint in (issuer.blueprints or ())
    if not by_blueprint and not issuer.admits_client(caller.client):
        raise Unauthenticated("the token's client is not one that is accepted here")
    if issuer.app_only and caller.kind == "user_on_behalf":
        raise Unauthenticated("the token acts for a user, or does not say; only applications are accepted")
    if by_blueprint and caller.kind == "agent_identity":
        return
    if issuer.roles is not None and not caller.roles & set(issuer.roles):
        raise Forbidden("The token has none of the roles or scopes that are needed here.", issuer.asked_scopes)
