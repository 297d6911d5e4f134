"""Tells a client without a token where to get one.

Sources: RFC 9728 (protected resource metadata), RFC 6750 section 3 (``WWW-Authenticate``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from core.addresses import is_loopback
from core.http import MCP_PATH, Request
from core.identity.issuers import TrustedIssuer

__all__ = ["WELL_KNOWN", "ResourceMetadata", "challenge"]

WELL_KNOWN = "/.well-known/oauth-protected-resource"

_NOT_QUOTABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")

_HOST = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def challenge(**parameters: str | None) -> str:
    """The value of ``WWW-Authenticate`` for a bearer token, with the given parameters in their order.

    No value can end its quotes or the header: a character that RFC 6750 section 3 does not allow becomes ``?``.
    """
    pairs = [f'{name}="{_NOT_QUOTABLE.sub("?", value)}"' for name, value in parameters.items() if value is not None]
    return f"Bearer {', '.join(pairs)}" if pairs else "Bearer"


class ResourceMetadata:
    """The metadata document of this server, for the tokens of ``issuers``.

    ``resource`` is the URL at which clients know the MCP endpoint. If it is left out, the host in the request is used,
    which is right if no proxy changes it. A client compares it with the URL that it called, as it must (RFC 9728
    section 3.3), and so notices a wrong one.
    """

    def __init__(
        self, issuers: Iterable[TrustedIssuer], *, resource: str | None = None, name: str = "neo4j-m2m"
    ) -> None:
        issuers = tuple(issuers)
        self._resource = resource
        self._name = name
        self._servers = list(dict.fromkeys(url for issuer in issuers for url in issuer.issuer))
        # A client asks its issuer for every scope listed here, and an issuer refuses another issuer's scopes.
        asked = {issuer.asked_scopes for issuer in issuers}
        self.scopes: tuple[str, ...] = asked.pop() if len(asked) == 1 else ()
        path = urlsplit(resource).path if resource else MCP_PATH
        self._paths = {WELL_KNOWN, WELL_KNOWN + MCP_PATH, WELL_KNOWN + path.rstrip("/")}

    def is_at(self, path: str) -> bool:
        """Whether the document is served at ``path`` (RFC 9728 section 3.1)."""
        return path.rstrip("/") in self._paths

    def document(self, request: Request) -> bytes | None:
        """The document, as JSON; None if the request does not say in a valid way which host it is addressed to."""
        resource = self._resource_of(request)
        if resource is None:
            return None
        document: dict[str, object] = {"resource": resource, "authorization_servers": self._servers}
        if self.scopes:
            document["scopes_supported"] = self.scopes
        document |= {"bearer_methods_supported": ["header"], "resource_name": self._name}
        return json.dumps(document, separators=(",", ":")).encode()

    def url(self, request: Request) -> str | None:
        """Where the document is: the well-known name stands between host and path (RFC 9728 section 3.1)."""
        resource = self._resource_of(request)
        if resource is None:
            return None
        parts = urlsplit(resource)
        return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"

    def _resource_of(self, request: Request) -> str | None:
        if self._resource is not None:
            return self._resource
        hosts = [value for name, value in request.headers if name == "host"]
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            return None
        return f"{'http' if is_loopback(match.group(1)) else 'https'}://{hosts[0].lower()}{MCP_PATH}"
