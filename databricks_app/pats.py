"""Personal access tokens: the workspace says whose they are. For development; see `NEO4J_M2M_ACCEPT_PATS`."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from core.errors import IssuerUnavailable, Unauthenticated
from core.fetch import FetchFailed, get
from core.identity.principal import Principal, PrincipalKind
from core.remembered import BoundedMap

__all__ = ["PAT_PREFIX", "PatVerifier"]

PAT_PREFIX = "dapi"
"""The start of every personal access token, and of no JWT."""

_FORM = re.compile(r"dapi[0-9A-Za-z-]{16,128}")
_ME = "/api/2.0/preview/scim/v2/Me"
_APPLICATION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_ACCEPTED_SECONDS = 60.0
"""Seconds for which a withdrawn token may still be accepted."""
_REFUSED_SECONDS = 10.0
_REMEMBERED_LIMIT = 256


class PatVerifier:
    """Asks the workspace at ``host`` whose a token is. Answers are remembered briefly, by the token's SHA-256."""

    def __init__(self, host: str, *, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._clock = clock
        self._remembered: BoundedMap[bytes, tuple[float, Principal | None]] = BoundedMap(_REMEMBERED_LIMIT)

    async def verify(self, token: str) -> Principal:
        """The principal that ``token`` proves.

        Raises:
            Unauthenticated: The workspace does not know it.
            IssuerUnavailable: The workspace cannot be asked.
        """
        if _FORM.fullmatch(token) is None:
            raise Unauthenticated("the credential does not look like a personal access token")
        digest = hashlib.sha256(token.encode()).digest()
        asked_at = self._clock()
        until, principal = self._remembered.get(digest) or (float("-inf"), None)
        if asked_at >= until or until - asked_at > _ACCEPTED_SECONDS:
            principal = await self._ask(token)
            seconds = _REFUSED_SECONDS if principal is None else _ACCEPTED_SECONDS
            self._remembered[digest] = (asked_at + seconds, principal)
        if principal is None:
            raise Unauthenticated("the workspace does not know the personal access token")
        return principal

    async def _ask(self, token: str) -> Principal | None:
        try:
            answer = await get(self._host + _ME, {"authorization": f"Bearer {token}"})
        except FetchFailed as failure:
            raise IssuerUnavailable(f"the workspace cannot be asked whose the token is: {failure}") from None
        if answer.status in (400, 401, 403):
            return None
        if answer.status != 200:
            raise IssuerUnavailable(f"the workspace answered with status {answer.status} when asked whose the token is")
        return _principal_of(answer.body, self._host)


def _principal_of(body: bytes, host: str) -> Principal | None:
    """The user or service principal that the workspace at ``host`` describes; the latter's name is its application id.

    Source: https://docs.databricks.com/api/workspace/currentuser/me .
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    name = said.get("userName") if isinstance(said, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= 512 or not name.isprintable():
        raise IssuerUnavailable("the workspace did not say whose the token is")
    if said.get("active") is False:
        return None
    kind: PrincipalKind = "service_principal" if _APPLICATION_ID.fullmatch(name) else "user_on_behalf"
    return Principal(
        "databricks",
        kind,
        name,
        name=name,
        tenant=urlsplit(host).netloc,
        proved_by="personal access token",
        issuer="workspace",
    )
