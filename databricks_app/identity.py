"""Who calls, behind the proxy of Databricks Apps.

The proxy lets in callers who have permission on the app, and says in headers who they are. Public reports disagree on
what else it does: whether it passes the caller's own ``Authorization`` on to the app, and whether it removes identity
headers that a client sent. So the operator says which of two worlds the workspace is, and this server never guesses:

* ``token``: the token arrives, and this server verifies it. A name in a header proves nothing.
* ``proxy``: the token does not arrive. The proxy's ``X-Forwarded-User`` says who calls. This trusts that the proxy
  removes identity headers that a client sent, that it has checked CAN_USE, and that nothing but the proxy reaches the
  app's port. A header that comes twice is refused, since one of the two is not the proxy's.

In both worlds ``X-Forwarded-Access-Token``, which the proxy adds if the app has user authorization, is verified, and
then proves the user. An invalid forwarded token is refused, whatever else the request carries.

Source: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/http-headers (the names of the headers).
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Literal

from pydantic import SecretStr

from core.errors import Unauthenticated
from core.http import Request, Response, bearer_token
from core.identity.bearer import BearerDoor, credential_of
from core.identity.principal import Principal
from databricks_app.pats import PAT_PREFIX, PatVerifier

__all__ = ["IDENTITY_HEADERS", "AppDoor", "CallerAuth"]

logger = logging.getLogger(__name__)

CallerAuth = Literal["token", "proxy"]
"""Which world the workspace is: the caller's token reaches the app, or only the proxy's headers reach it."""

USER_TOKEN = "x-forwarded-access-token"  # noqa: S105 - the name of a header
USER = "x-forwarded-user"
EMAIL = "x-forwarded-email"
USERNAME = "x-forwarded-preferred-username"
ADDRESSED = "x-forwarded-host"

IDENTITY_HEADERS = ("authorization", USER_TOKEN, USER, EMAIL, USERNAME, "x-api-key")
"""The headers that may say who calls; the log tells which of them arrive, by name only."""

_OWN = ("authorization", "x-api-key")
_ID = re.compile(r"[A-Za-z0-9._%+~'@-]{1,256}")
"""What the proxy calls a caller: ``NUMBER@WORKSPACE-ID``, an application id, or an e-mail address.

It has no comma and no space: a spoofed value that was joined with the proxy's own is refused.
"""

_NOT_HANDED_ON = (
    "requests come with the caller's name in X-Forwarded-User and without a token: this workspace's proxy keeps "
    "Authorization. Callers get 401. Read in docs/databricks.md what NEO4J_M2M_CALLER_AUTH=proxy trusts, and set it."
)
_HANDED_ON = (
    "requests come with Authorization, which NEO4J_M2M_CALLER_AUTH=proxy does not look at: this workspace's proxy "
    "passes tokens on. Set NEO4J_M2M_CALLER_AUTH=token, which verifies them and trusts no header."
)


class AppDoor:
    """Proves callers as ``caller_auth`` says: by tokens that ``tokens`` verifies, or by the name that the proxy gives.

    ``pats`` verifies personal access tokens, if they are accepted at all; ``tenant`` is the workspace's host, and the
    tenant of callers whom the proxy names.
    """

    def __init__(
        self,
        tokens: BearerDoor,
        pats: PatVerifier | None = None,
        *,
        caller_auth: CallerAuth = "token",
        tenant: str = "",
    ) -> None:
        self._tokens = tokens
        self._pats = pats
        self._caller_auth = caller_auth
        self._tenant = tenant
        self._seen: set[frozenset[str]] = set()

    async def authenticate(self, request: Request) -> Principal | Response:
        """Who calls; or the metadata of this resource, if the request asks for it; or the refusal."""
        self._tell_headers(request)
        prove = self._named if self._caller_auth == "proxy" else self._prove
        return await self._tokens.answer(_as_addressed(request), prove)

    def subject_token(self, request: Request) -> SecretStr | None:
        """The verified token of the user who calls: the forwarded one, or in the world ``token`` else the caller's own.

        None for a personal access token, which allows everything that its user may do: it is not passed on to anyone.
        """
        forwarded = request.header(USER_TOKEN)
        token = SecretStr(forwarded.strip()) if forwarded and forwarded.strip() else None
        if token is None and self._caller_auth == "token":
            token = bearer_token(request)
        return None if token is None or token.get_secret_value().startswith(PAT_PREFIX) else token

    async def _prove(self, request: Request) -> Principal:
        """The principal whom the tokens in ``request`` prove.

        If both the caller's own and a forwarded one come, both must be valid and belong to the same principal, and then
        the forwarded token counts: nobody can act for a user by adding that user's token to their own request.
        """
        token = _only(request, USER_TOKEN)
        own = any(name in _OWN for name, _ in request.headers)
        if not token and not own:
            raise Unauthenticated
        caller = await self._proved(request) if own else None
        if not token:
            assert caller is not None  # noqa: S101 - for the type checker
            return caller
        user = await self._user(request, token)
        # All but the issuer: the operator may call that of the workspace's tokens as they like.
        if caller is not None and caller.identity[:-1] != user.identity[:-1]:
            raise Unauthenticated("the caller's own token and the forwarded one are not of the same principal")
        return user

    async def _named(self, request: Request) -> Principal:
        """The principal whom the proxy names; if it forwards a user's token too, the user whom the token proves."""
        user, email, username = (_only(request, header) for header in (USER, EMAIL, USERNAME))
        token = _only(request, USER_TOKEN)
        if not user:
            raise Unauthenticated("the proxy names no caller")
        if _ID.fullmatch(user) is None:
            raise Unauthenticated("the forwarded name is malformed")
        if token:
            proved = await self._user(request, token)
            if email and email.casefold() != proved.id.casefold():
                raise Unauthenticated("the forwarded token is not of the user whom the proxy names")
            return proved
        name = username or email or user
        shown = name if name.isprintable() and len(name) <= 256 else user
        return Principal(
            "databricks",
            "forwarded",
            user,
            name=shown,
            tenant=self._tenant,
            proved_by="X-Forwarded-User of the proxy",
            issuer="databricks apps proxy",
        )

    async def _user(self, request: Request, token: str) -> Principal:
        rest = tuple((name, value) for name, value in request.headers if name not in _OWN)
        return await self._proved(replace(request, headers=(*rest, ("authorization", f"Bearer {token}"))))

    async def _proved(self, request: Request) -> Principal:
        credential = credential_of(request)
        if credential is None or not credential.startswith(PAT_PREFIX):
            return await self._tokens.prove(request)
        if self._pats is None:
            raise Unauthenticated("personal access tokens are not accepted here; get a token from the workspace")
        return await self._pats.verify(credential)

    def _tell_headers(self, request: Request) -> None:
        """Log which identity headers arrive, once for each combination, and warn if the setting does not fit them."""
        names = frozenset(name for name, _ in request.headers if name in IDENTITY_HEADERS)
        if names in self._seen:
            return
        self._seen.add(names)
        shown = ", ".join(name for name in IDENTITY_HEADERS if name in names) or "none"
        logger.info("identity headers of this request: %s", shown)
        if self._caller_auth == "token" and USER in names and not names & {USER_TOKEN, *_OWN}:
            logger.warning(_NOT_HANDED_ON)
        elif self._caller_auth == "proxy" and USER in names and "authorization" in names:
            logger.warning(_HANDED_ON)


def _only(request: Request, header: str) -> str | None:
    """The value of one of the proxy's headers, which may occur once.

    Raises:
        Unauthenticated: It occurs more than once, so one of them is not from the proxy.
    """
    values = [value.strip() for name, value in request.headers if name == header]
    if len(values) > 1:
        raise Unauthenticated(f"the request carries {header} more than once")
    return values[0] if values else None


def _as_addressed(request: Request) -> Request:
    """``request`` with the host that its client called, which the proxy replaces; only for the metadata."""
    hosts = [value for name, value in request.headers if name == ADDRESSED]
    if len(hosts) != 1:
        return request
    rest = tuple((name, value) for name, value in request.headers if name != "host")
    return replace(request, headers=(*rest, ("host", hosts[0])))
