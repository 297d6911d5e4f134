"""Who calls, behind the proxy of Databricks Apps.

The proxy lets in whom the app's permissions let in, and writes into headers who that is. Whether it takes away such
headers as a client sent itself is not documented, and reports differ; so a name in a header proves nothing here. What
proves a caller is a token that this server verifies:

* ``Authorization``, the caller's own, where the proxy hands it on;
* ``X-Forwarded-Access-Token``, that of the user on whose behalf the app acts, where the app has user authorization.

Each may come once. Where both come, both have to hold and to be of one and the same principal, whose forwarded token
then counts: nobody acts for a user by adding that user's token to a request of his own. A token that does not hold is
refused, whatever else the request carries. Without any token there is nothing but the name in ``X-Forwarded-User``,
and that is refused, or reads, as the operator chose.

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
    """Proves callers by tokens that ``tokens`` verifies, and personal access tokens if there is a verifier of these.

    ``forwarded`` is whether a caller whom only the proxy names is let in, as a principal of the kind ``forwarded``.
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
        """The principal whom the proxy names, and nothing proves."""
        name = _only(request, USER) if self._forwarded else None
        if not name:
            raise Unauthenticated
        if _NAME.fullmatch(name) is None:
            raise Unauthenticated("the name that was forwarded is not of the form of one")
        return Principal("databricks", "forwarded", name, name=name, proved_by="a header of the proxy; not verified")


def subject_token(request: Request) -> SecretStr | None:
    """The token of the user on whose behalf ``request`` is made: the forwarded one, or else the caller's own.

    A personal access token is none: it is good for everything that its user may do, and is handed on to nobody.
    """
    forwarded = request.header(USER_TOKEN)
    token = SecretStr(forwarded.strip()) if forwarded and forwarded.strip() else bearer_token(request)
    return None if token is None or token.get_secret_value().startswith(PAT_PREFIX) else token


def capped(grant_for: GrantFor) -> GrantFor:
    """``grant_for``, which gives a principal of the kind ``forwarded`` no more than what everybody may have.

    Tools that only read; and no rule that chooses a credential, a database or a database user: such a rule means the
    one whom it names, and that is not known.
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
    """The value of a header of the proxy's, which comes once.

    Raises:
        Unauthenticated: It came more than once, so that one of them is not the proxy's.
    """
    values = [value.strip() for name, value in request.headers if name == header]
    if len(values) > 1:
        raise Unauthenticated(f"the request carries {header} more than once")
    return values[0] if values else None


def _as_addressed(request: Request) -> Request:
    """``request`` with the host that its client called, which the proxy replaces: it stands in the metadata only."""
    hosts = [value for name, value in request.headers if name == ADDRESSED]
    if len(hosts) != 1:
        return request
    rest = tuple((name, value) for name, value in request.headers if name != "host")
    return replace(request, headers=(*rest, ("host", hosts[0])))


def _identity(principal: Principal) -> tuple[str, str, str, str]:
    return principal.platform, principal.kind, principal.id, principal.tenant
