"""Tokens of users: issued for a password, and exchanged by a service that acts on a user's behalf.

Sources: RFC 6749 section 4.3 (password), RFC 8693 (token exchange), and for Entra
https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc and
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow .
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt

from local.issuer.clients import Client, OAuthError, Resource

if TYPE_CHECKING:
    from local.issuer.issuer import Issuer

__all__ = ["JWT_BEARER", "TOKEN_EXCHANGE", "User", "exchange", "on_behalf_of", "password_grant", "user_claims"]

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
_JWT = "urn:ietf:params:oauth:token-type:jwt"


@dataclass(frozen=True)
class User:
    """A person: the name and password to sign in with, the id that tokens name, the scopes that may be had for it."""

    name: str
    password: str = field(repr=False)
    object_id: str = ""
    scopes: frozenset[str] = frozenset({"access_as_user"})


def user_claims(
    issuer: Issuer, client: Client, user: User, resource: Resource, scopes: Iterable[str]
) -> dict[str, Any]:
    """The claims of a token that ``client`` is given for ``user``, as the issuer's shape has them."""
    claims = issuer.claims(client, resource, scopes)
    subject = user.object_id or user.name
    if issuer.shape != "entra":
        more = {"username": user.name} if issuer.shape == "cognito" else {}
        return claims | {"sub": subject} | more
    for name in ("roles", "xms_mirid", "app_displayname"):
        claims.pop(name, None)
    name = "upn" if resource.token_version == 1 else "preferred_username"
    # In a token of a user the subject is another for each application, and only the object id is the same.
    pairwise = f"{subject}@{resource.identifier}"
    said = {"oid": subject, "sub": pairwise, "scp": " ".join(sorted(scopes)), "idtyp": "user", name: user.name}
    return claims | said


def password_grant(issuer: Issuer, client: Client, form: dict[str, str], version: int) -> dict[str, Any]:
    """The answer to a user's name and password.

    Raises:
        OAuthError: They are wrong, or what is asked for does not exist.
    """
    user = next((user for user in issuer.users if user.name == form.get("username")), None)
    expected = user.password if user is not None else ""
    if user is None or not hmac.compare_digest(expected.encode(), form.get("password", "").encode()):
        code = "AADSTS50126: " if issuer.shape == "entra" else ""
        raise OAuthError("invalid_grant", f"{code}The user name or the password is wrong.")
    resource = issuer.resource_asked_for(form, version)
    return issuer.response(user_claims(issuer, client, user, resource, user.scopes), user.scopes)


def on_behalf_of(issuer: Issuer, client: Client, form: dict[str, str], version: int) -> dict[str, Any]:
    """Entra's exchange of a user's token, addressed to ``client``, for one that is addressed to another resource.

    Raises:
        OAuthError: The token does not hold, is not a user's, or not for this client; or the client may not have what it
            asks for.
    """
    if form.get("requested_token_use") != "on_behalf_of":
        raise OAuthError("invalid_request", "AADSTS900144: requested_token_use must be on_behalf_of.")
    try:
        claims = issuer.verified(form.get("assertion", ""))
    except jwt.ExpiredSignatureError:
        raise OAuthError("invalid_grant", "AADSTS500133: The assertion has expired.") from None
    except jwt.PyJWTError:
        raise OAuthError("invalid_grant", "AADSTS50013: The assertion failed signature validation.") from None
    if "scp" not in claims:
        raise OAuthError("invalid_grant", "AADSTS7000114: An application's token cannot be exchanged.")
    if claims["aud"] not in client.serves:
        raise OAuthError("invalid_grant", "AADSTS500131: The assertion's audience is not the application itself.")
    user = _user_of(issuer, claims["oid"])
    resource = issuer.resource_asked_for(form, version)
    if resource.identifier not in client.may_ask_for:
        raise OAuthError("invalid_grant", "AADSTS65001: Nobody has consented to that.")
    return issuer.response(user_claims(issuer, client, user, resource, user.scopes), user.scopes)


def exchange(issuer: Issuer, client: Client, form: dict[str, str], version: int) -> dict[str, Any]:
    """RFC 8693's exchange of a user's token for one with another audience, no longer life and no more scopes.

    Raises:
        OAuthError: as `on_behalf_of`.
    """
    if form.get("subject_token_type") not in (ACCESS_TOKEN, _JWT):
        raise OAuthError("invalid_request", "The subject token must be an access token.")
    if form.get("requested_token_type", ACCESS_TOKEN) not in (ACCESS_TOKEN, _JWT):
        raise OAuthError("invalid_request", "Only access tokens are issued.")
    if not form.get("audience") and not form.get("resource"):
        raise OAuthError("invalid_target", "The request does not say whom the token is for.")
    try:
        subject = issuer.verified(form.get("subject_token", ""))
    except jwt.PyJWTError:
        raise OAuthError("invalid_request", "The subject token does not hold.") from None
    if subject["aud"] not in client.serves or subject["sub"] == subject["client_id"]:
        raise OAuthError("invalid_request", "The subject token is not a user's, or not for this client.")
    user = _user_of(issuer, subject["sub"])
    resource = issuer.resource_asked_for(form, version)
    if resource.identifier not in client.may_ask_for:
        raise OAuthError("invalid_target", "The client may not ask for that.")
    scopes = frozenset(subject.get("scope", "").split())
    asked = frozenset(form.get("scope", "").split()) or scopes
    if not asked <= scopes:
        raise OAuthError("invalid_scope", "The subject token has fewer scopes.")
    claims = user_claims(issuer, client, user, resource, asked)
    claims |= {"act": {"sub": client.id}, "exp": min(claims["exp"], subject["exp"])}
    return issuer.response(claims, asked) | {"issued_token_type": ACCESS_TOKEN}


def _user_of(issuer: Issuer, subject: str) -> User:
    user = next((user for user in issuer.users if subject in (user.object_id, user.name)), None)
    if user is None:
        raise OAuthError("invalid_grant", "There is no such user.")
    return user
