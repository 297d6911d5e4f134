"""The issuer as an ASGI app: metadata, keys and the token endpoint; nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from local.emulators.http_front import Answer, HttpFront, body_of, json_answer
from local.emulators.issuer.clients import OAuthError
from local.emulators.issuer.entra_errors import EntraError
from local.emulators.issuer.grants import token_response
from local.emulators.issuer.issuer import Issuer
from local.emulators.issuer.trouble import Trouble, Troubles

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

__all__ = ["IssuerApp"]

_BODY_LIMIT = 65_536
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}

_Document = tuple[int, dict[str, str], dict[str, Any] | str]
"""The status, the headers, and a JSON document or a page."""


class IssuerApp(HttpFront):
    """Serves one `Issuer`. ``requests`` has the method and path of every request, for tests that count.

    ``grants`` has the grant type of every requested token. The next token requests are answered with the statuses in
    ``failures``, as by an issuer in trouble, and are not counted in ``grants``. ``troubles`` does more: its requests
    are counted. All of these may be read and changed while requests are served. ``own_url`` is the origin that its
    metadata names, where that is not the issuer's.
    """

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.own_url: str | None = None
        self.requests: list[tuple[str, str]] = []
        self.grants: list[str] = []
        self.failures: list[int] = []
        self.troubles = Troubles()

    def grant_counts(self) -> Counter[str]:
        """How many tokens were requested by each grant type until now, successfully or not."""
        return Counter(self.grants.copy())

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer a request for metadata, keys or a token."""
        self.requests.append((scope["method"], scope["path"]))
        status, headers, document = await self._document(scope, receive)
        if isinstance(document, str):
            return status, {"content-type": "text/html", **headers}.items(), document.encode()
        return json_answer(status, document, headers.items())

    async def _document(self, scope: Scope, receive: Receive) -> _Document:
        method, path = scope["method"], scope["path"]
        version = self.issuer.token_version_at(path)
        if version is not None:
            return await self._answer_token_request(scope, receive, version)
        document = (
            self.issuer.keys.document()
            if self.issuer.serves_keys_at(path)
            else self.issuer.metadata_at(path, self.own_url)
        )
        if document is None:
            return 404, {}, {"error": "not_found"}
        if method != "GET":
            return 405, {"allow": "GET"}, {"error": "invalid_request"}
        return 200, {"cache-control": "public, max-age=60"}, document

    async def _answer_token_request(self, scope: Scope, receive: Receive, version: int) -> _Document:
        if scope["method"] != "POST":
            return 405, {"allow": "POST"}, {"error": "invalid_request"}
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if self.failures:
            return self.failures.pop(0), {"retry-after": "1"}, {"error": "temporarily_unavailable"}
        try:
            form = _form(headers.get("content-type", ""), await body_of(receive, _BODY_LIMIT))
            self.grants.append(form.get("grant_type", ""))
            trouble = self.troubles.take()
            if trouble is not None:
                await asyncio.sleep(trouble.seconds)
                if trouble.status is not None:
                    return self._in_trouble(trouble.status, trouble)
            audiences = self.issuer.assertion_audiences()
            client = self.issuer.authentication.client_of(form, headers.get("authorization"), audiences)
            return 200, _NO_STORE, token_response(self.issuer, client, form, version)
        except OAuthError as error:
            refusal = dict(_NO_STORE)
            if error.status == 401:
                # RFC 6749 section 5.2: the scheme that the client tried, or else the only one.
                refusal["www-authenticate"] = 'Basic realm="token endpoint"'
            return error.status, refusal, _refusal(error)

    def _in_trouble(self, status: int, trouble: Trouble) -> _Document:
        """The answer to a fault: a gateway's page or, for overload, a JSON document."""
        headers = {} if trouble.retry_after is None else {"retry-after": str(trouble.retry_after)}
        if status not in (429, 503):
            return status, headers, f"<html><body><h1>{status}</h1></body></html>"
        text = "A transient error has occurred. Please try again."
        if self.issuer.shape == "entra":
            return status, headers, _refusal(EntraError(90033, text, "temporarily_unavailable"))
        return status, headers, _refusal(OAuthError("temporarily_unavailable", text))


def _refusal(error: OAuthError) -> dict[str, Any]:
    return {"error": error.code, "error_description": str(error), **error.details}


def _form(content_type: str, body: bytes | None) -> dict[str, str]:
    """RFC 6749 section 3.2: a form, in which no parameter appears twice, and one without a value counts as absent."""
    if body is None:
        raise OAuthError("invalid_request", "The request is too large.", 413)
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "The request is not a form.")
    try:
        pairs = parse_qsl(body.decode(), strict_parsing=True, errors="strict", max_num_fields=50) if body else []
    except ValueError:
        raise OAuthError("invalid_request", "The request is not a form.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "A parameter appears twice.")
    return form
