"""Access tokens from an OAuth token endpoint: by client credentials, and by exchange of a user's token.

Sources: RFC 6749 (sections 2.3.1, 4.4 and 5), RFC 8693 (token exchange), and for Entra's exchange
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow .
"""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from pydantic import SecretStr

from core.addresses import Hosts
from core.credentials.credential import ClientCredentials, OnBehalfOf
from core.errors import TokenRefused, TokenUnavailable
from core.fetch import FetchFailed, HttpAnswer, post_form
from core.remembered import Lifetime

__all__ = ["AccessToken", "by_client_credentials", "by_exchange"]

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type

_UNSAID_LIFETIME = 300.0
"""Seconds that a token counts as valid if its issuer does not say (RFC 6749 section 5.1: it should)."""

_RENEWAL = 300.0
"""Seconds before its expiry at which a token is replaced, if it lives long enough."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and when it expires, in seconds since the epoch."""

    text: SecretStr
    expires_at: float

    def lifetime(self) -> Lifetime:
        """How long to use it: it is replaced in the last quarter of its life, or five minutes before its expiry."""
        left = max(0.0, self.expires_at - time.time())
        margin = min(_RENEWAL, left / 4)
        return Lifetime(left - margin, left - margin / 4)


async def by_client_credentials(client: ClientCredentials, hosts: Hosts = None) -> AccessToken:
    """A token for ``client`` itself; ``hosts`` are those that may be asked for it.

    Raises:
        TokenRefused: The endpoint refuses the client, or what it asks for.
        TokenUnavailable: The endpoint cannot be reached, or does not answer with a token.
    """
    return await _ask(client, {"grant_type": "client_credentials", **_addressed(client)}, hosts)


async def by_exchange(middle: OnBehalfOf, subject_token: SecretStr, hosts: Hosts = None) -> AccessToken:
    """A token for the user whose ``subject_token`` came with the call, addressed as ``middle`` says.

    ``hosts`` are those that may be asked for it.

    Raises: as `by_client_credentials`.
    """
    subject = subject_token.get_secret_value()
    if middle.exchange == "entra":
        grant = {"grant_type": _JWT_BEARER, "assertion": subject, "requested_token_use": "on_behalf_of"}
    else:
        grant = {
            "grant_type": _TOKEN_EXCHANGE,
            "subject_token": subject,
            "subject_token_type": _ACCESS_TOKEN,
            "requested_token_type": _ACCESS_TOKEN,
        }
    return await _ask(middle, {**grant, **_addressed(middle)}, hosts)


def _addressed(client: ClientCredentials | OnBehalfOf) -> dict[str, str]:
    asked = {"scope": client.scope, "audience": client.audience, "resource": client.resource}
    return {name: value for name, value in asked.items() if value is not None}


async def _ask(client: ClientCredentials | OnBehalfOf, form: dict[str, str], hosts: Hosts) -> AccessToken:
    secret = client.client_secret.get_secret_value()
    headers = {}
    if client.client_authentication == "client_secret_basic":
        pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": client.client_id, "client_secret": secret}
    asked_at = time.time()
    try:
        answer = await post_form(client.token_endpoint, form, headers, hosts=hosts)
    except FetchFailed as error:
        raise TokenUnavailable(f"The token endpoint does not answer: {error}.") from None
    if 400 <= answer.status < 500 and answer.status not in (408, 429):
        raise TokenRefused(
            f"The token endpoint refuses this server: {_error_in(answer)}. The operator must check the client id, "
            "its secret and the scope or audience in the credential."
        )
    if answer.status != 200:
        raise TokenUnavailable(f"The token endpoint fails: it answered with status {answer.status}.")
    return _token_in(answer, asked_at)


def _token_in(answer: HttpAnswer, asked_at: float) -> AccessToken:
    """Source: RFC 6749 section 5.1."""
    body = _json(answer)
    token, kind = body.get("access_token"), body.get("token_type")
    if not isinstance(token, str) or not token or not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenUnavailable("The token endpoint answered, but with no bearer token.")
    try:
        lifetime = float(body.get("expires_in", _UNSAID_LIFETIME))
    except (TypeError, ValueError):
        lifetime = _UNSAID_LIFETIME
    return AccessToken(SecretStr(token), asked_at + lifetime)


def _error_in(answer: HttpAnswer) -> str:
    """The error code of RFC 6749 section 5.2, and Entra's own; the description may quote what was sent."""
    body = _json(answer)
    code, text = body.get("error"), body.get("error_description")
    said = code if isinstance(code, str) and re.fullmatch(r"[\w.-]{1,60}", code) else f"status {answer.status}"
    entra = re.match(r"AADSTS\d{4,9}", text) if isinstance(text, str) else None
    return f"{said} ({entra.group()})" if entra else said


def _json(answer: HttpAnswer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        body = None
    return body if isinstance(body, dict) else {}
