"""What a token says of itself: its claims, and a sentence about them. Neither shows the token."""

from __future__ import annotations

import time
from typing import Any

import jwt

__all__ = ["claims_of", "described"]

_SHOWN = ("iss", "aud", "azp", "appid", "client_id", "oid", "sub", "tid", "idtyp", "roles", "scp", "scope")


def claims_of(token: str) -> dict[str, Any]:
    """The claims of ``token``, not verified: that is the server's business. Empty if it is not a JWT."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
    return claims


def described(token: str) -> str:
    """What ``token`` says of issuer, audience, client and roles, and how long it lasts."""
    claims = claims_of(token)
    if not claims:
        return "it is not a JWT, so its claims cannot be shown"
    parts = [f"{name} {_text(claims[name])}" for name in _SHOWN if name in claims]
    end = claims.get("exp")
    if isinstance(end, int | float):
        left = int(end - time.time())
        parts.append(f"ends in {left} s" if left >= 0 else f"ended {-left} s ago")
    return ", ".join(parts)


def _text(value: Any) -> str:
    return " ".join(str(item) for item in value) if isinstance(value, list) else str(value)
