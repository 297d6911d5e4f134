"""The clients that the issuer knows, and how they authenticate at its token endpoint."""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote_plus

import jwt

__all__ = ["Client", "ClientAuthentication", "OAuthError", "Resource"]

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_ASSERTION_ALGORITHMS = ["RS256", "PS256", "ES256"]
_ASSERTION_LIFETIME = 600
_LEEWAY = 30


class OAuthError(Exception):
    """A refusal as in RFC 6749 section 5.2: a code, a status, and a text for people.

    ``details`` are further members of the answer.
    """

    def __init__(self, code: str, description: str, status: int = 400, *, basic: bool = False) -> None:
        super().__init__(description)
        self.code = code
        self.status = status
        self.basic = basic
        self.details: dict[str, Any] = {}


@dataclass(frozen=True)
class Resource:
    """Something that tokens are issued for: its identifier, and what Entra stores in addition for a registered API.

    ``aliases`` are further identifiers by which a client may ask for it.
    """

    identifier: str
    app_id: str = ""
    token_version: int = 2
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Client:
    """A registered application, with a secret, or with the public key (PEM) of its assertions, or with both.

    ``scopes`` are the scopes that it may ask for; in Entra's shape, the application roles that it has. ``blueprint`` is
    the application id of what an agent identity of Entra was made from. ``serves`` names
    the resources that it is, as in tokens. A user's token for one of these can be exchanged for a token for one of
    ``may_ask_for``, which are identifiers. By default, a client may exchange nothing; but in Entra's shape it also
    serves its own id and the resource with that ``app_id``. For its own tokens, and for those of users whose password
    it has, these limits do not apply.
    """

    id: str
    secret: str | None = field(default=None, repr=False)
    public_key: str | None = None
    scopes: frozenset[str] = frozenset()
    object_id: str = ""
    name: str = ""
    managed_identity: str | None = None
    blueprint: str | None = None
    serves: frozenset[str] = frozenset()
    may_ask_for: frozenset[str] = frozenset()


class ClientAuthentication:
    """Authenticates by client_secret_basic, client_secret_post (RFC 6749 section 2.3.1), private_key_jwt (RFC 7523)."""

    def __init__(self, clients: tuple[Client, ...], clock: Callable[[], float] = time.time) -> None:
        self._clients = {client.id: client for client in clients}
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[tuple[str, str], float] = {}
        self._older_secrets: dict[str, tuple[str, ...]] = {}

    @property
    def clients(self) -> tuple[Client, ...]:
        """The clients in their current state."""
        return tuple(self._clients.values())

    def add(self, client: Client) -> None:
        """Know ``client`` from now on."""
        with self._lock:
            self._clients = {**self._clients, client.id: client}

    def remove(self, client_id: str) -> None:
        """Know the client ``client_id`` no longer, if it was known."""
        with self._lock:
            self._clients = {id_: client for id_, client in self._clients.items() if id_ != client_id}

    def rotate_secret(self, client_id: str, new_secret: str, *, keep_old: bool = False) -> None:
        """Let the client authenticate with ``new_secret``, and with the old ones only if they are kept.

        Raises:
            LookupError: There is no such client.
            ValueError: The new secret is empty.
        """
        if not new_secret:
            raise ValueError("a client's secret cannot be empty")
        with self._lock:
            client = self._clients.get(client_id)
            if client is None:
                raise LookupError(f"there is no client {client_id}")
            older = self._older_secrets.get(client_id, ())
            self._older_secrets[client_id] = (*older, client.secret or "") if keep_old else ()
            self._clients = {**self._clients, client_id: replace(client, secret=new_secret)}

    def client_of(self, form: dict[str, str], authorization: str | None, audiences: tuple[str, ...]) -> Client:
        """The client that the request authenticates; an assertion must be for one of ``audiences``.

        Raises:
            OAuthError: It proves nothing, or tries to in more than one way.
        """
        ways = [authorization is not None, "client_secret" in form, "client_assertion" in form]
        if sum(ways) > 1:
            raise OAuthError("invalid_request", "The client authenticates in more than one way.")
        if authorization is not None:
            return self._by_basic(authorization)
        if "client_assertion" in form:
            return self._by_assertion(form, audiences)
        client = self._clients.get(form.get("client_id", ""))
        return self._by_secret(client, form.get("client_secret", ""), basic=False)

    def _by_basic(self, authorization: str) -> Client:
        scheme, _, encoded = authorization.partition(" ")
        try:
            decoded = base64.b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
        except (binascii.Error, ValueError):
            decoded = ""
        id_, colon, secret = decoded.partition(":")
        client = self._clients.get(unquote_plus(id_)) if colon else None
        return self._by_secret(client, unquote_plus(secret), basic=True)

    def _by_secret(self, client: Client | None, secret: str, *, basic: bool) -> Client:
        accepted = (client.secret or "", *self._older_secrets.get(client.id, ())) if client is not None else ("",)
        fits = [bool(one) and hmac.compare_digest(one.encode(), secret.encode()) for one in accepted]
        if client is None or not any(fits):
            raise OAuthError("invalid_client", "The client is unknown, or its secret is wrong.", 401, basic=basic)
        return client

    def _by_assertion(self, form: dict[str, str], audiences: tuple[str, ...]) -> Client:
        refused = OAuthError("invalid_client", "The client's assertion is not valid.", 401)
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise refused
        assertion = form["client_assertion"]
        try:
            named = jwt.decode(assertion, options={"verify_signature": False}).get("sub")
            client = self._clients.get(named) if isinstance(named, str) else None
            if client is None or client.public_key is None or form.get("client_id", client.id) != client.id:
                raise refused
            claims = jwt.decode(
                assertion,
                client.public_key,
                algorithms=_ASSERTION_ALGORITHMS,
                audience=list(audiences),
                issuer=client.id,
                leeway=_LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp", "jti"]},
            )
        except (jwt.PyJWTError, ValueError):
            raise refused from None
        self._spend(client, claims["jti"], float(claims["exp"]), refused)
        return client

    def _spend(self, client: Client, jti: str, expiry: float, refused: OAuthError) -> None:
        """RFC 7523 section 3: an assertion is valid for one request, and for a short time."""
        now = self._clock()
        if expiry > now + _ASSERTION_LIFETIME + _LEEWAY:
            raise refused
        with self._lock:
            self._spent = {key: until for key, until in self._spent.items() if until + _LEEWAY > now}
            if (client.id, jti) in self._spent:
                raise refused
            self._spent[client.id, jti] = expiry
