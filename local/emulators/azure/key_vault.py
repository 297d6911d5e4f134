"""Key Vault: secrets behind its 401 challenge and the vault's role assignments; it is served over TLS.

Sources: https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses (challenge),
https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret , and
https://learn.microsoft.com/azure/key-vault/general/rest-error-codes .
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import jwt
from pydantic import SecretStr

from local.emulators.azure.tenant import VAULT_RESOURCE
from local.emulators.http_front import Answer, HttpFront, body_of, json_answer
from local.emulators.issuer import Issuer
from local.emulators.issuer.subject_tokens import audiences_of
from local.emulators.issuer.trouble import Troubles

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

__all__ = ["KeyVaultApp"]


_PATH = re.compile(r"/secrets/([0-9A-Za-z-]{1,127})(?:/([0-9a-f]{32})?)?")

_LARGEST = 1 << 20
_LARGEST_SECRET = 25_000
"""Source: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets (25k bytes)."""

_Document = tuple[int, dict[str, str], dict[str, Any]]


@dataclass(frozen=True)
class _Version:
    id: str
    text: SecretStr
    at: int
    enabled: bool = True
    expires: int | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class _Stored:
    versions: list[_Version] = field(default_factory=list)
    deleted: bool = False


class KeyVaultApp(HttpFront):
    """A vault of the tenant of ``issuer``, as an ASGI app. ``readers`` are the object ids that may read its secrets.

    ``requests`` counts the requests with a token; ``troubles`` happen to those requests and may be filled while they
    are served, as secrets may be changed. ``firewall`` refuses everybody.
    """

    def __init__(self, issuer: Issuer, readers: frozenset[str]) -> None:
        self._issuer = issuer
        self._secrets: dict[str, _Stored] = {}
        self.readers = readers
        self.writers: frozenset[str] = frozenset()
        self.requests = 0
        self.troubles = Troubles()
        self.firewall = False

    def write(
        self, name: str, text: SecretStr, *, expires: int | None = None, tags: Mapping[str, str] | None = None
    ) -> str:
        """Create the secret ``name``, or give it a new version; returns the version."""
        version = _Version(uuid.uuid4().hex, text, int(time.time()), expires=expires, tags=dict(tags or {}))
        stored = self._secrets.setdefault(name, _Stored())
        stored.versions = [*stored.versions, version]
        stored.deleted = False
        return version.id

    def current(self, name: str) -> SecretStr:
        """The text of the current version of the secret ``name``."""
        return self._secrets[name].versions[-1].text

    def disable(self, name: str) -> None:
        """Disable the current version of the secret ``name``."""
        stored = self._secrets[name]
        stored.versions = [*stored.versions[:-1], replace(stored.versions[-1], enabled=False)]

    def delete(self, name: str) -> None:
        """Delete the secret ``name``; it can be recovered."""
        self._secrets[name].deleted = True

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer a request for a secret."""
        status, more, document = await self._document(scope, receive)
        return json_answer(status, document, {"content-type": "application/json; charset=utf-8", **more}.items())

    async def _document(self, scope: Scope, receive: Receive) -> _Document:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        claims = self._claims(headers.get("authorization", ""))
        if claims is None:
            where = f'Bearer authorization="{self._issuer.url}/{self._issuer.tenant}", resource="{VAULT_RESOURCE}"'
            text = "AKV10000: Request is missing a Bearer or PoP token."
            return 401, {"www-authenticate": where}, _error("Unauthorized", text)
        self.requests += 1
        trouble = self.troubles.take()
        if trouble is not None:
            await asyncio.sleep(trouble.seconds)
            if trouble.status is not None:
                code = "Throttled" if trouble.status == 429 else "ServiceUnavailable"
                wait = {} if trouble.retry_after is None else {"retry-after": str(trouble.retry_after)}
                return trouble.status, wait, _error(code, "Request was not processed.")
        if self.firewall:
            return 403, {}, _error("Forbidden", "Client address is not authorized.", "ForbiddenByFirewall")
        if claims.get("oid") not in self.readers:
            text = "Caller is not authorized to perform action on resource."
            return 403, {}, _error("Forbidden", text, "ForbiddenByRbac")
        if scope["method"] == "PUT":
            if claims.get("oid") not in self.writers:
                text = "Caller is not authorized to perform action on resource."
                return 403, {}, _error("Forbidden", text, "ForbiddenByRbac")
            return self._set(scope["path"], await body_of(receive, _LARGEST), headers.get("host", ""))
        if scope["method"] != "GET":
            return 405, {"allow": "GET, PUT"}, _error("MethodNotAllowed", "This vault can be read and written.")
        return self._secret(scope["path"], headers.get("host", ""))

    def _set(self, path: str, body: bytes | None, host: str) -> _Document:
        """Source: https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret ."""
        match = _PATH.fullmatch(path)
        try:
            said = json.loads(body or b"")
            value, tags = said["value"], said.get("tags") or {}
            expires = (said.get("attributes") or {}).get("exp")
        except (ValueError, TypeError, KeyError):
            return 400, {}, _error("BadParameter", "The request body is not valid.")
        if match is None or match[2] or not isinstance(value, str):
            return 400, {}, _error("BadParameter", "The request URI contains an invalid name.")
        if (stored := self._secrets.get(match[1])) is not None and stored.deleted:
            text = f"Secret {match[1]} is currently in a deleted but recoverable state."
            return 409, {}, _error("Conflict", text, "ObjectIsDeletedButRecoverable")
        if len(value) > _LARGEST_SECRET:
            return 400, {}, _error("BadParameter", "Secret value is too long.")
        self.write(match[1], SecretStr(value), expires=expires, tags=tags)
        return self._secret(path, host)

    def _claims(self, authorization: str) -> dict[str, Any] | None:
        """The claims of the token in a request; None unless the tenant issued it for vaults."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            claims = self._issuer.verified(token)
        except jwt.PyJWTError:
            return None
        return claims if VAULT_RESOURCE in audiences_of(claims) else None

    def _secret(self, path: str, host: str) -> _Document:
        match = _PATH.fullmatch(path)
        stored = self._secrets.get(match[1]) if match else None
        wanted = match[2] if match else None
        found = [one for one in stored.versions if wanted in (None, one.id)] if stored and not stored.deleted else []
        if match is None or not found:
            text = "A secret with that name or id was not found in this key vault. If you recently deleted it you may "
            return 404, {}, _error("SecretNotFound", text + "be able to recover it.")
        version = found[-1]
        if not version.enabled:
            text = "Operation get is not allowed on a disabled secret."
            return 403, {}, _error("Forbidden", text, "SecretDisabled")
        attributes: dict[str, Any] = {
            "enabled": True,
            "created": version.at,
            "updated": version.at,
            "recoveryLevel": "Recoverable",
        }
        if version.expires is not None:
            attributes["exp"] = version.expires
        identifier = f"https://{host}/secrets/{match[1]}/{version.id}"
        return (
            200,
            {},
            {
                "value": version.text.get_secret_value(),
                "id": identifier,
                "attributes": attributes,
                "tags": version.tags,
            },
        )


def _error(code: str, message: str, inner: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    return {"error": {**error, "innererror": {"code": inner}} if inner else error}
