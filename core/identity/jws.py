"""The form of a signed token, read strictly and before anything in it is trusted.

Sources: RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best current practices). What PyJWT leaves open is decided here: a
claim that appears twice, NaN and Infinity, text that is not UTF-8, headers that must be understood.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from core.errors import Unauthenticated

__all__ = ["ALGORITHMS", "SIZE_LIMIT", "UnverifiedToken", "read_token"]

SIZE_LIMIT = 16_384
"""Maximum characters of a token. Entra's largest, with 200 groups, are shorter."""

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"})
"""The signature algorithms that are accepted (RFC 7518 section 3.1): those with a public key, and no others."""

_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})
"""The types that an access token may declare (RFC 9068 section 2.1); logout and proof tokens declare another one."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """What a token says about itself. Until its signature is verified, all of it may come from an attacker."""

    algorithm: str
    kid: str | None
    issuer: str
    claims: dict[str, Any]


def read_token(token: str) -> UnverifiedToken:
    """The header and claims of ``token``, unverified.

    Raises:
        Unauthenticated: It is not a token of a form that is accepted here.
    """
    if len(token) > SIZE_LIMIT:
        raise Unauthenticated(f"the token exceeds {SIZE_LIMIT} characters")
    parts = token.split(".", 3)
    if len(parts) != 3 or not all(parts):
        raise Unauthenticated("the token is not a signed JWT")
    header = _json_object(parts[0])
    claims = _json_object(parts[1])
    _decoded(parts[2])
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise Unauthenticated("the token is not signed with an accepted algorithm")
    # RFC 7515 section 4.1.11: a critical header that is not understood makes the token invalid. No extension is
    # supported here. Headers that bring or name a key of their own (jwk, jku, x5c, x5u) are ignored.
    if "crit" in header or "b64" in header:
        raise Unauthenticated("the token's header asks for an extension that is not supported")
    declared = header.get("typ", "JWT")
    if not isinstance(declared, str) or declared.lower() not in _TYPES:
        raise Unauthenticated("the token is of another type than an access token")
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > 512):
        raise Unauthenticated("the token's header has an invalid key id")
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise Unauthenticated("the token names no issuer")
    return UnverifiedToken(algorithm, kid, issuer, claims)


def _decoded(part: str) -> bytes:
    """``part`` decoded; only one spelling of it is valid (RFC 7515 section 2: no padding, no other characters)."""
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise Unauthenticated("the token is not a signed JWT") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise Unauthenticated("the token is not a signed JWT")
    return decoded


def _json_object(part: str) -> dict[str, Any]:
    decoded = _decoded(part)
    try:
        value = json.loads(decoded.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unauthenticated("the token is not a signed JWT") from None
    if not isinstance(value, dict):
        raise Unauthenticated("the token is not a signed JWT")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 section 4: a claim that appears twice makes the token invalid, since two readers may read two tokens."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name appears twice")
    return value


def _no_number(constant: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")
