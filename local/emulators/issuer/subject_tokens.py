"""The issuer's own tokens, sent back to be exchanged: whether they are valid, and their audiences."""

from __future__ import annotations

import math
from typing import Any

import jwt

from local.emulators.issuer.keys import SigningKeys

__all__ = ["audiences_of", "verified_claims"]


def verified_claims(token: str, keys: SigningKeys, issuers: tuple[str, ...], now: float) -> dict[str, Any]:
    """The claims of ``token``, if a published key of ``keys`` signed it, one of ``issuers`` is its issuer, and it is
    valid at ``now`` (seconds since the epoch). The audience is not checked: see `audiences_of`.

    Raises:
        jwt.ExpiredSignatureError: It has expired.
        jwt.ImmatureSignatureError: It is not valid yet.
        jwt.PyJWTError: It is not valid for another reason.
    """
    key = keys.public(jwt.get_unverified_header(token).get("kid"))
    # PyJWT reads the wall clock; the issuer's own clock decides here.
    options: Any = {"require": ["iss", "sub", "exp"], **dict.fromkeys(_LEFT_OUT, False)}
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=[keys.current.algorithm], options=options)
    if claims["iss"] not in issuers:
        raise jwt.InvalidIssuerError("another issuer")
    if _time(claims, "exp", math.inf) <= now:
        raise jwt.ExpiredSignatureError("over")
    if _time(claims, "nbf", now) > now:
        raise jwt.ImmatureSignatureError("not yet valid")
    return claims


def audiences_of(claims: dict[str, Any]) -> frozenset[str]:
    """The audiences of a token: one text or a list of them (RFC 7519 section 4.1.3), or none."""
    said = claims.get("aud", [])
    return frozenset(name for name in ([said] if isinstance(said, str) else said) if isinstance(name, str))


_LEFT_OUT = ("verify_aud", "verify_exp", "verify_iat", "verify_nbf")


def _time(claims: dict[str, Any], name: str, default: float) -> float:
    value = claims.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise jwt.DecodeError(f"{name} is not a time")
    return value
