"""Who calls, behind the proxy of Databricks Apps.

The proxy lets in callers who have permission on the app, and writes into headers who they are. Whether it removes such
headers if a client sent them is not documented, and reports differ; so a name in a header proves nothing here. A caller
is proved by a token that this server verifies:

* ``Authorization``: the caller's own token, if the proxy passes it on;
* ``X-Forwarded-Access-Token``: the token of the user on whose behalf the app acts, if the app has user authorization.

Each may occur once. If both occur, both must be valid and belong to the same principal, and then the forwarded token
counts: so nobody can act for a user by adding that user's token to their own request. An invalid token is refused,
whatever else the request carries. Without any token, there is only the name in ``X-Forwarded-User``: that is refused,
or may only read, as the operator chose.

Source: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/http-headers .
"""

from __future__ import annotations

import re
from dataclasses import replace

from pydantic import SecretStr

from core.access.grant import Grant, GrantFor
from core.errors import Unauthenticated
from core.http import Request, Response, bearer_token
from core.identity.bearer import BearerDoor, credential_of
from core.identity.principal import Principal
from databricks_app.pats import PAT_PREFIX, PatVerifier

__all__ = ["AppDoor", "capped", "subject_token"]

USER_TOKEN = "x-forwarded-access-token"  # noqa: S105 - the name of a header
USER = "x-forwarded-user"
ADDRESSED = "x-forwarded-host"

_OWN = ("authorization", "x-api-key")
_NAME = re.compile(r"[A-Za-z0-9._%+@-]{1,256}")


class AppDoor:
    """Proves callers by tokens that ``tokens`` verifies, and by personal access tokens if ``pats`` verifies these.

    ``forwarded`` says whether callers whom only the proxy names may enter, as principals of the kind ``forwarded``.
    """

    def __init__(self, tokens: BearerDoor, pats: PatVerifier | None = None, *, forwarded: bool = False) -> None:
        self._tokens = tokens
        self._pats = pats
        self._forwarded = forwarded

    async def authenticate(self, request: Request) -> Principal | Response:
        """Who calls; or the metadata of this resource, if that is asked for; or the refusal."""
        return await self._tokens.answer(_as_addressed(request), self._prove)

    async def _prove(self, request: Request) -> Principal:
        token = _only(request, USER_TOKEN)
        own = any(name in _OWN for name, _ in request.headers)
        if not token and not own:
            return self._named(request)
        caller = await self._proved(request) if own else None
        if not token:
            assert caller is not None  # noqa: S101 - for the type checker
            return caller
        rest = tuple((name, value) for name, value in request.headers if name not in _OWN)
        user = await self._proved(replace(request, headers=(*rest, ("authorization", f"Bearer {token}"))))
        if caller is not None and _identity(caller) != _identity(user):
            raise Unauthenticated("the caller's own token and the forwarded one are not of the same principal")
        return user

    async def _proved(self, request: Request) -> Principal:
        credential = credential_of(request)
        if credential is None or not credential.startswith(PAT_PREFIX):
            return await self._tokens.prove(request)
        if self._pats is None:
            raise Unauthenticated("personal access tokens are not accepted here; get a token from the workspace")
        return await self._pats.verify(credential)

    def _named(self, request: Request) -> Principal:
        """The principal whom the proxy names, without any proof."""
        name = _only(request, USER) if self._forwarded else None
        if not name:
            raise Unauthenticated
        if _NAME.fullmatch(name) is None:
            raise Unauthenticated("the forwarded name is malformed")
        return Principal("databricks", "forwarded", name, name=name, proved_by="a header of the proxy; not verified")


def subject_token(request: Request) -> SecretStr | None:
    """The token of the user on whose behalf ``request`` is made: the forwarded one, or else the caller's own.

    A personal access token is not passed on to anyone: it allows everything that its user may do.
    """
    forwarded = request.header(USER_TOKEN)
    token = SecretStr(forwarded.strip()) if forwarded and forwarded.strip() else bearer_token(request)
    return None if token is None or token.get_secret_value().startswith(PAT_PREFIX) else token


def capped(grant_for: GrantFor) -> GrantFor:
    """``grant_for``, which gives a principal of the kind ``forwarded`` no more than what everybody may have.

    It allows only tools that read, and no rule that chooses a credential, a database or a database user: such a rule is
    meant for one certain caller, and nothing proves that this is the one.
    """

    def granted(principal: Principal) -> Grant | None:
        grant = grant_for(principal)
        if grant is None or principal.kind != "forwarded":
            return grant
        if grant.credential is not None or grant.database is not None or grant.impersonate is not None:
            return None
        return replace(grant, writes=False, rule=f"{grant.rule} (forwarded: reads only)")

    return granted


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


def _identity(principal: Principal) -> tuple[str, str, str, str]:
    return principal.platform, principal.kind, principal.id, principal.tenant
