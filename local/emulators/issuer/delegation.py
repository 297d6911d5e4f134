"""Tokens of users: how a client gets one for a name and a password, and what all delegated requests have in common.

Sources: RFC 6749 section 4.3, and for Entra https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc and
https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference .
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

from local.emulators.issuer.clients import Client, OAuthError, Resource
from local.emulators.issuer.entra_errors import EntraError
from local.emulators.issuer.issuer import Issuer

__all__ = [
    "ACCESS_TOKEN",
    "delegated_request",
    "delegated_response",
    "no_consent",
    "password_grant",
]

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type

_OPENID_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})


def password_grant(issuer: Issuer, client: Client, form: dict[str, str], version: int) -> dict[str, Any]:
    """The answer to a user's name and password.

    Raises:
        OAuthError: They are wrong, or the requested resource or scope does not exist or is not allowed for the user.
    """
    user = next((user for user in issuer.users if user.name == form.get("username")), None)
    expected = user.password if user is not None else ""
    fits = hmac.compare_digest(expected.encode(), form.get("password", "").encode())
    if user is None or not expected or not fits:
        if issuer.shape == "entra":
            raise EntraError(50126, "Error validating credentials due to invalid username or password.")
        raise OAuthError("invalid_grant", "The user name or the password is wrong.")
    resource, scopes = delegated_request(issuer, client, user.scopes, form, version)
    claims = issuer.user_claims(client, user, resource, scopes)
    return delegated_response(issuer, claims, resource, scopes)


def delegated_request(
    issuer: Issuer, client: Client, may_have: frozenset[str], form: dict[str, str], version: int
) -> tuple[Resource, frozenset[str]]:
    """The resource that a request for a user's token names, and the scopes: all of ``may_have`` if it names none.

    Entra's second version takes ``RESOURCE/.default`` or words ``RESOURCE/SCOPE``, all of one resource, and in addition
    OpenID Connect's own scopes, which MSAL always adds; no ID or refresh token is issued for these.

    Raises:
        OAuthError: The resource does not exist, or a scope is not available.
    """
    words = form.get("scope", "").split()
    if issuer.shape != "entra":
        asked = frozenset(words) or may_have
        if not asked <= may_have:
            raise OAuthError("invalid_scope", "A requested scope is not available for this user.")
        return issuer.resource_asked_for(form, version), asked
    if version == 1:
        return issuer.resource_asked_for(form, version), may_have
    pairs = {tuple(word.rpartition("/")[::2]) for word in words if word not in _OPENID_SCOPES}
    if not pairs:
        text = "The request body must contain the following parameter: 'scope'."
        raise EntraError(900144, text, "invalid_request")
    resources, names = {resource for resource, _ in pairs}, frozenset(name for _, name in pairs)
    if len(resources) > 1:
        text = "Provided value for the input parameter scope is not valid because it contains more than one resource."
        raise EntraError(28000, text, "invalid_scope")
    if ".default" in names and len(names) > 1:
        text = "The scope is not valid. .default scope can't be combined with resource-specific scopes."
        raise EntraError(70011, text, "invalid_scope")
    resource = issuer.resource_asked_for({**form, "scope": f"{resources.pop()}/.default"}, version)
    if ".default" in names:
        return resource, may_have
    if not names <= may_have:
        raise no_consent(client)
    return resource, names


def no_consent(client: Client) -> EntraError:
    """Entra's refusal if nobody has consented to the request of ``client``."""
    text = (
        f"The user or administrator has not consented to use the application with ID '{client.id}'. "
        "Send an interactive authorization request for this user and resource."
    )
    return EntraError(65001, text, suberror="consent_required")


def delegated_response(
    issuer: Issuer, claims: dict[str, Any], resource: Resource, scopes: Iterable[str]
) -> dict[str, Any]:
    """The token response with a user's token; Entra's names the scopes with their resource."""
    response = issuer.response(claims, scopes)
    if issuer.shape != "entra":
        return response
    prefix = f"{resource.identifier}/" if claims["ver"] == "2.0" else ""
    said = " ".join(f"{prefix}{scope}" for scope in sorted(scopes))
    return {**response, "scope": said, "ext_expires_in": response["expires_in"]}
