"""The endpoint at which a function app gets tokens for its managed identities.

Source: https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference . Callers report
the statuses and texts of refusals.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from local.emulators.http_front import Answer, HttpFront, json_answer
from local.emulators.issuer import Client, Issuer
from local.emulators.issuer.trouble import Troubles

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

__all__ = ["IdentityEndpoint"]

_VERSION = "2019-08-01"


class IdentityEndpoint(HttpFront):
    """The endpoint of one function app, as an ASGI app: ``identities`` are assigned to it, and ``issuer`` knows them.

    ``header`` is the required value of ``X-IDENTITY-HEADER``. The first identity counts as the system-assigned one.
    ``requests`` counts the requests; ``troubles`` may be filled while requests are served.
    """

    def __init__(self, issuer: Issuer, identities: tuple[Client, ...], header: str) -> None:
        self._issuer = issuer
        self._identities = identities
        self._header = header
        self.requests = 0
        self.troubles = Troubles()

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer a request for a token."""
        self.requests += 1
        trouble = self.troubles.take()
        if trouble is not None:
            await asyncio.sleep(trouble.seconds)
        if trouble is not None and trouble.status is not None:
            return _refused(trouble.status, "An unexpected error occurred while fetching the AAD Token.")
        return self._token(scope)

    def _token(self, scope: Scope) -> Answer:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] != "GET" or scope["path"] != "/msi/token":
            return _refused(404, "There is nothing here.")
        if not hmac.compare_digest(headers.get("x-identity-header", "").encode(), self._header.encode()):
            return _refused(401, "The header X-IDENTITY-HEADER is missing, or wrong.")
        asked = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        if asked.get("api-version") != _VERSION:
            return _refused(400, "The api-version is missing, or not supported.")
        wanted = asked.get("client_id")
        identity = next((one for one in self._identities if wanted in (None, one.id)), None)
        if identity is None:
            return _refused(400, "No User Assigned or Delegated Managed Identity found for specified ClientId.")
        resource = next((one for one in self._issuer.resources if one.identifier == asked.get("resource")), None)
        if resource is None:
            return _refused(500, "An unexpected error occurred while fetching the AAD Token.")
        claims = self._issuer.claims(identity, resource, identity.scopes)
        said = {
            "access_token": self._issuer.sign(claims),
            "client_id": identity.id,
            "expires_on": str(claims["exp"]),
            "not_before": str(claims["nbf"]),
            "resource": resource.identifier,
            "token_type": "Bearer",
        }
        return json_answer(200, said)


def _refused(status: int, message: str) -> Answer:
    return json_answer(status, {"statusCode": status, "message": message})
