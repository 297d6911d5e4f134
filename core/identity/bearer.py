"""The door for callers with a bearer token or an API key: what a request must carry, and how it is refused.

Sources: RFC 6750 (bearer tokens), RFC 9728 section 5 (``resource_metadata``), and MCP's authorization specification,
https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization .
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

from core.errors import Forbidden, IssuerUnavailable, Unauthenticated
from core.http import JSON_HEADERS, Request, Response, plain
from core.identity.key_ring import KEY_PREFIX
from core.identity.principal import CANNOT_CHECK, NO_CREDENTIAL, NOT_PROVED, Principal
from core.identity.resource_metadata import ResourceMetadata, challenge
from core.identity.tokens import TokenVerifier

__all__ = ["BearerDoor", "KeyVerifier", "Prove", "credential_of"]

logger = logging.getLogger(__name__)

_CREDENTIAL = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750 section 2.1: what may stand after ``Bearer``."""


Prove = Callable[[Request], Awaitable[Principal]]
"""Finds who calls by what a request carries; raises a `core.errors.Refusal` if that proves nobody."""


class KeyVerifier(Protocol):
    """Knows API keys."""

    async def verify(self, key: str) -> Principal | None:
        """The principal that ``key`` names; None if it is not valid."""


class BearerDoor:
    """Proves who calls by a token that ``verifier`` accepts or a key that ``api_keys`` knows; either may be left out.

    Its `authenticate` is what an `Application` takes. Requests for the metadata are answered too, to anyone.
    """

    def __init__(
        self,
        verifier: TokenVerifier | None,
        resource_metadata: ResourceMetadata | None = None,
        *,
        api_keys: KeyVerifier | None = None,
    ) -> None:
        self._verifier = verifier
        self._metadata = resource_metadata
        self._api_keys = api_keys

    async def authenticate(self, request: Request) -> Principal | Response:
        """Who calls; or the metadata, if that is what is asked for; or the refusal."""
        return await self.answer(request, self.prove)

    async def answer(self, request: Request, prove: Prove) -> Principal | Response:
        """As `authenticate`, for a platform with ways of its own to carry a proof: ``prove`` knows them."""
        if self._metadata is not None and self._metadata.is_at(request.path):
            return self._answer_metadata(self._metadata, request)
        try:
            return await prove(request)
        except Unauthenticated as refusal:
            logger.info("request %s was refused with 401: %s", request.request_id, str(refusal) or NO_CREDENTIAL)
            return self._unauthenticated(request, str(refusal))
        except Forbidden as refusal:
            logger.info("request %s was refused with 403: %s", request.request_id, refusal)
            return self._forbidden(request, refusal)
        except IssuerUnavailable as refusal:
            logger.warning("request %s was refused with 503: %s", request.request_id, refusal)
            reason = str(refusal).rstrip(".")
            response = plain(503, f"{CANNOT_CHECK}: {reason}. Try again in a few seconds.")
            response.headers["retry-after"] = str(max(1, math.ceil(refusal.retry_after)))
            return response

    async def prove(self, request: Request) -> Principal:
        """The principal that the one credential in ``request`` proves.

        Raises:
            Unauthenticated, Forbidden, IssuerUnavailable: It carries none, or several, or one that is not accepted.
        """
        credential = credential_of(request)
        if credential is None:
            raise Unauthenticated
        if credential.startswith(KEY_PREFIX):
            principal = await self._api_keys.verify(credential) if self._api_keys else None
            if principal is None:
                raise Unauthenticated("the API key is not valid")
            return principal
        if self._verifier is None or request.header("x-api-key") is not None:
            raise Unauthenticated("the credential is not an API key of this server")
        return await self._verifier.verify(credential)

    def _unauthenticated(self, request: Request, reason: str) -> Response:
        """RFC 6750 section 3.1: a caller that presented nothing learns where to get a token, but no error code."""
        response = plain(401, f"{NOT_PROVED}: {reason or NO_CREDENTIAL}.")
        response.headers["www-authenticate"] = challenge(
            error="invalid_token" if reason else None,
            error_description=reason or None,
            scope=" ".join(self._metadata.scopes) or None if self._metadata else None,
            resource_metadata=self._metadata.url(request) if self._metadata else None,
        )
        return response

    def _forbidden(self, request: Request, refusal: Forbidden) -> Response:
        response = plain(403, str(refusal))
        response.headers["www-authenticate"] = challenge(
            error="insufficient_scope",
            error_description=str(refusal).rstrip("."),
            scope=" ".join(refusal.scopes) or None,
            resource_metadata=self._metadata.url(request) if self._metadata else None,
        )
        return response

    @staticmethod
    def _answer_metadata(metadata: ResourceMetadata, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return plain(405, "Ask for the metadata with GET.", "GET, HEAD")
        document = metadata.document(request)
        if document is None:
            return plain(400, "The request does not say in a valid way which host it is addressed to.")
        return Response(200, dict(JSON_HEADERS), b"" if request.method == "HEAD" else document)


def credential_of(request: Request) -> str | None:
    """The one credential that the request carries; None if it carries none.

    Raises:
        Unauthenticated: It carries several, or one of another form.
    """
    presented = [(name, value) for name, value in request.headers if name in ("authorization", "x-api-key")]
    if not presented:
        return None
    # RFC 6750 section 2: one method per request. With two, nobody could say which one counts.
    if len(presented) > 1:
        raise Unauthenticated("the request carries more than one credential")
    name, value = presented[0]
    if name == "authorization":
        scheme, _, value = value.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("the credential is not a bearer token")
    value = value.strip(" ")
    if not _CREDENTIAL.fullmatch(value):
        raise Unauthenticated("the credential does not look like a token or key")
    return value
