"""Exchange of a user's token, by the service that it is addressed to, for one that is addressed to another service.

Sources: RFC 8693, and for Entra https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow . The
names and texts of Entra's refusals are from its callers' reports, and from
https://learn.microsoft.com/entra/identity-platform/reference-error-codes .

Databricks exchanges only tokens of other issuers, by federation policies and for clients that do not authenticate
(https://docs.databricks.com/aws/en/dev-tools/auth/oauth-federation-exchange). That is different, and not here.
"""

from __future__ import annotations

from typing import Any

import jwt

from local.emulators.issuer.clients import Client, OAuthError, Resource
from local.emulators.issuer.delegation import (
    ACCESS_TOKEN,
    delegated_request,
    delegated_response,
    no_consent,
)
from local.emulators.issuer.entra_errors import EntraError
from local.emulators.issuer.issuer import Issuer
from local.emulators.issuer.subject_tokens import audiences_of
from local.emulators.issuer.users import User

__all__ = ["exchange", "on_behalf_of"]

_JWT = "urn:ietf:params:oauth:token-type:jwt"


def on_behalf_of(issuer: Issuer, client: Client, form: dict[str, str], version: int) -> dict[str, Any]:
    """Entra's exchange of a user's token, addressed to ``client``, for one that is addressed to another resource.

    Raises:
        OAuthError: The token is not valid, not a user's, or not for this client; or the client may not have what it
            requests.
    """
    for name in ("requested_token_use", "assertion"):
        if name not in form:
            text = f"The request body must contain the following parameter: '{name}'."
            raise EntraError(900144, text, "invalid_request")
    if form.get("requested_token_use") != "on_behalf_of":
        raise EntraError(90023, "The value of requested_token_use is not supported.", "invalid_request")
    claims = _assertion(issuer, form["assertion"])
    own = _own_names(issuer, client)
    if not audiences_of(claims) & own:
        raise EntraError(
            500131,
            "Assertion audience does not match the Client app presenting the assertion. The expected audience is "
            f"'{client.id}' or one of the Application Uris of this application with App ID '{client.id}'.",
        )
    if "scp" not in claims:
        text = f"Application '{client.id}' is not allowed to make application on-behalf-of calls."
        raise EntraError(7000114, text, "unauthorized_client")
    user = _user_of(issuer, claims.get("oid"))
    if user is None:
        raise EntraError(50034, "The user account does not exist in the directory.")
    resource, scopes = delegated_request(issuer, client, user.scopes, form, version)
    if not _may_ask_for(client, resource):
        raise no_consent(client)
    return delegated_response(issuer, issuer.user_claims(client, user, resource, scopes), resource, scopes)


def exchange(issuer: Issuer, client: Client, form: dict[str, str], version: int) -> dict[str, Any]:
    """RFC 8693's exchange of a user's token for one with another audience, at most the same lifetime and scopes.

    Section 2.2.2 requires ``invalid_request`` for a subject token that is not accepted, whatever the reason, and
    ``invalid_target`` for an audience that is not available.

    Raises:
        OAuthError: as `on_behalf_of`.
    """
    requested = form.get("requested_token_type", ACCESS_TOKEN)
    if form.get("subject_token_type") not in (ACCESS_TOKEN, _JWT):
        raise OAuthError("invalid_request", "The subject token must be an access token, and its type must say so.")
    if requested not in (ACCESS_TOKEN, _JWT):
        raise OAuthError("invalid_request", "Only access tokens are issued.")
    if form.keys() & {"actor_token", "actor_token_type"}:
        raise OAuthError("invalid_request", "The actor is the client itself; tokens of others are not accepted.")
    targets = {form[name] for name in ("audience", "resource") if name in form}
    if len(targets) != 1:
        raise OAuthError("invalid_target", "The request must name one resource that the token is for.")
    try:
        subject = issuer.verified(form.get("subject_token", ""))
    except jwt.PyJWTError:
        raise OAuthError("invalid_request", "The subject token is not valid, or has expired.") from None
    if not audiences_of(subject) & client.serves:
        raise OAuthError("invalid_request", "The subject token is not for a resource that this client serves.")
    user = _user_of(issuer, subject["sub"])
    if user is None or subject["sub"] == subject.get("client_id"):
        raise OAuthError("invalid_request", "The subject token is not a user's.")
    resource, scopes = delegated_request(issuer, client, _scopes_of(subject), form, version)
    if not _may_ask_for(client, resource):
        raise OAuthError("invalid_target", "The client may not ask for a token for that resource.")
    claims = issuer.user_claims(client, user, resource, scopes)
    claims["exp"] = int(min(claims["exp"], subject["exp"]))
    # Section 4.1: the current actor, and inside it the earlier ones.
    claims["act"] = {"sub": client.id, **({"act": subject["act"]} if "act" in subject else {})}
    return delegated_response(issuer, claims, resource, scopes) | {"issued_token_type": requested}


def _assertion(issuer: Issuer, token: str) -> dict[str, Any]:
    try:
        return issuer.verified(token)
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
        text = (
            "Assertion is not within its valid time range. Ensure that the access token is not expired before using it "
            "for user assertion, or request a new token."
        )
        raise EntraError(500133, text) from None
    except jwt.PyJWTError as error:
        reasons = {jwt.InvalidIssuerError: "The token issuer is not this tenant's", jwt.InvalidKeyError: "No such key"}
        reason = reasons.get(type(error), "The token is malformed, or its signature does not fit")
        raise EntraError(50013, f"Assertion failed signature validation. [Reason - {reason}.]") from None


def _own_names(issuer: Issuer, client: Client) -> frozenset[str]:
    """The audiences that Entra accepts in a token that ``client`` brings: its client id, its identifier URI.

    A v1 token names the identifier, a v2 token the application's id; a registration of one covers both.
    """
    names = client.serves | {client.id}
    for resource in issuer.resources:
        both = {resource.identifier, resource.app_id} - {""}
        names |= both if both & names else frozenset()
    return names


def _may_ask_for(client: Client, resource: Resource) -> bool:
    return bool({resource.identifier, resource.app_id} & client.may_ask_for)


def _scopes_of(claims: dict[str, Any]) -> frozenset[str]:
    said = claims.get("scope", "")
    return frozenset(said.split()) if isinstance(said, str) else frozenset()


def _user_of(issuer: Issuer, subject: object) -> User | None:
    return next((user for user in issuer.users if user.id == subject), None)
