"""The token endpoint: which grant a request names, and which function answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local.emulators.issuer.clients import Client, OAuthError
from local.emulators.issuer.delegation import password_grant
from local.emulators.issuer.exchange import exchange, on_behalf_of
from local.emulators.issuer.issuer import CLIENT_CREDENTIALS, JWT_BEARER, PASSWORD, TOKEN_EXCHANGE, Issuer

__all__ = ["token_response"]

_Grant = Callable[[Issuer, Client, dict[str, str], int], dict[str, Any]]
"""Answers a token request of a client at a version of the token endpoint, or raises `OAuthError`."""


def token_response(issuer: Issuer, client: Client, form: dict[str, str], version: int) -> dict[str, Any]:
    """The token response to a request of ``client``, by the grant that the request names.

    Raises:
        OAuthError: What it requests does not exist, or is not allowed.
    """
    asked = form.get("grant_type", "")
    if asked not in issuer.grant_types:
        code = "unsupported_grant_type" if asked else "invalid_request"
        raise OAuthError(code, "The grant type is not client_credentials.")
    return _GRANTS[asked](issuer, client, form, version)


def _client_credentials(issuer: Issuer, client: Client, form: dict[str, str], version: int) -> dict[str, Any]:
    resource = issuer.resource_asked_for(form, version)
    scopes = client.scopes if issuer.shape == "entra" else _granted(client, form)
    return issuer.response(issuer.claims(client, resource, scopes), scopes)


def _granted(client: Client, form: dict[str, str]) -> frozenset[str]:
    asked = frozenset(form.get("scope", "").split())
    if not asked <= client.scopes:
        raise OAuthError("invalid_scope", "The client may not have a scope that it asks for.")
    return asked or client.scopes


_GRANTS: Mapping[str, _Grant] = {
    CLIENT_CREDENTIALS: _client_credentials,
    PASSWORD: password_grant,
    JWT_BEARER: on_behalf_of,
    TOKEN_EXCHANGE: exchange,
}
