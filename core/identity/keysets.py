"""The public keys of an issuer: fetched when first needed, kept, and fetched again as seldom as safety allows.

Sources: RFC 7517 (JWK sets), RFC 8414 and OpenID Connect Discovery 1.0 (where they are).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.addresses import is_loopback
from core.errors import IssuerUnavailable
from core.fetch import Fetch, FetchFailed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["FRESH_SECONDS", "Key", "KeySet", "metadata_urls", "parse_keys"]

logger = logging.getLogger(__name__)

FRESH_SECONDS = 600.0
"""Seconds for which keys are used without asking again. A key that its issuer withdrew is accepted for that long."""

STALE_SECONDS = 86_400.0
"""Seconds for which keys are used while their issuer cannot be reached."""

UNKNOWN_KEY_SECONDS = 30.0
"""Seconds in which unknown key ids, which anybody can make up, cause at most one fetch. A rotated key waits so long."""

RETRY_SECONDS = 5.0
"""Seconds after a failure until the keys are asked for again, if there are no keys at all."""

_REFRESH_SECONDS = 5.0
"""Seconds that metadata and keys together may take to arrive."""

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_EC = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_KEYS_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Key:
    """One public key and the algorithms that it is for."""

    kid: str | None
    algorithms: frozenset[str]
    public: RSAPublicKey | EllipticCurvePublicKey


def parse_keys(document: bytes) -> tuple[Key, ...]:
    """The keys of a JWK set that can verify signatures; others are skipped (RFC 7517 section 5).

    Raises:
        ValueError: It is not a JWK set, or holds no such key.
    """
    try:
        listed = json.loads(document)["keys"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise ValueError("the answer is not a set of keys") from None
    if not isinstance(listed, list):
        raise ValueError("the answer is not a set of keys")  # noqa: TRY004 - what is wrong is the document
    keys = tuple(key for entry in listed[:_KEYS_LIMIT] if isinstance(entry, dict) and (key := _key(entry)) is not None)
    if not keys:
        raise ValueError("it has no usable key")
    return keys


def _key(entry: dict[str, Any]) -> Key | None:
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm
    from jwt.exceptions import PyJWTError

    kid, declared, operations = entry.get("kid"), entry.get("alg"), entry.get("key_ops", ["verify"])
    # RFC 7517 sections 4.2 to 4.4: the declared use of a key is binding. A key with its private part is public to all.
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if "d" in entry or not isinstance(kid, str | None):
        return None
    try:
        if entry.get("kty") == "RSA":
            rsa: Any = RSAAlgorithm.from_jwk(entry)
            # RFC 7518 section 3.3: 2048 bits at least; far longer ones only cost time.
            public, fitting = rsa, _RSA if 2048 <= rsa.key_size <= 8192 else frozenset[str]()
        elif entry.get("kty") == "EC":
            public, fitting = ECAlgorithm.from_jwk(entry), frozenset({_EC[entry["crv"]]})
        else:
            return None
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    algorithms = fitting if declared is None else fitting & {declared} if isinstance(declared, str) else frozenset()
    return Key(kid, algorithms, public) if algorithms else None


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where ``issuer`` may publish its metadata, most usual first.

    Sources: OpenID Connect Discovery 1.0 section 4 (appended), RFC 8414 section 3 (inserted before the path);
    Databricks appends the name of RFC 8414.
    """
    parts = urlsplit(issuer)
    appended, path = issuer.rstrip("/"), parts.path.rstrip("/")
    urls = (
        f"{appended}/.well-known/openid-configuration",
        f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}",
        f"{appended}/.well-known/oauth-authorization-server",
    )
    return tuple(dict.fromkeys(urls))


class KeySet:
    """The keys of ``issuer``, at ``jwks_uri`` or, if that is None, where the issuer's metadata says.

    However many calls need keys at once, at most one fetch runs. It continues even if the call that began it ends. It
    belongs to the event loop that it was begun on; another loop begins its own.
    """

    def __init__(
        self, issuer: str, jwks_uri: str | None, *, fetch: Fetch, clock: Callable[[], float] = time.time
    ) -> None:
        self._issuer = issuer
        self._configured = jwks_uri
        self._found: str | None = None
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._fetched = self._failed = self._asked = float("-inf")
        self._flight: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        """The keys that ``kid`` names, usually one; empty if it is unknown. Without a ``kid``, the only key.

        Raises:
            IssuerUnavailable: There are no keys, and they cannot be fetched now.
        """
        refreshed = False
        if not self._within(FRESH_SECONDS, self._fetched):
            pause = UNKNOWN_KEY_SECONDS if self._keys else RETRY_SECONDS
            if self._in_flight() or not self._within(pause, self._failed):
                await self._refresh()
                refreshed = True
        if not self._within(STALE_SECONDS, self._fetched):
            raise IssuerUnavailable("the keys of the token's issuer cannot be fetched at the moment")
        if kid is None:
            return self._keys if len(self._keys) == 1 else ()
        keys = self._named(kid)
        if keys or refreshed:
            return keys
        # The window counts from the last request with an unknown key, not from the last fetch: so a key that was
        # rotated right after an ordinary fetch is found at its first use.
        if self._in_flight():
            await self._refresh()
        elif not self._within(UNKNOWN_KEY_SECONDS, self._asked):
            self._asked = self._clock()
            await self._refresh()
        return self._named(kid)

    def _named(self, kid: str) -> tuple[Key, ...]:
        return tuple(key for key in self._keys if key.kid == kid)

    def _within(self, seconds: float, since: float) -> bool:
        # Wall-clock time goes on while a function is frozen; if it is set back, nothing counts as recent.
        return 0 <= self._clock() - since < seconds

    def _in_flight(self) -> bool:
        flight = self._flight
        return flight is not None and not flight.done() and flight.get_loop() is asyncio.get_running_loop()

    async def _refresh(self) -> None:
        if not self._in_flight():
            self._flight = asyncio.get_running_loop().create_task(self._load())
        assert self._flight is not None  # noqa: S101 - for the type checker
        await asyncio.shield(self._flight)

    async def _load(self) -> None:
        """Fetch the keys, and the metadata if necessary. A failure is logged, not raised: the old keys stay."""
        try:
            async with asyncio.timeout(_REFRESH_SECONDS):
                self._keys = await self._fetch_keys()
        except (FetchFailed, ValueError, TimeoutError) as error:
            self._failed = self._clock()
            self._found = None
            logger.warning("the keys of issuer %s were not refreshed: %s", self._issuer, error or "no answer in time")
        else:
            self._fetched = self._clock()

    async def _fetch_keys(self) -> tuple[Key, ...]:
        if self._configured is None and self._found is None:
            self._found = await self._discover()
        return parse_keys(await self._fetch(self._configured or self._found or ""))

    async def _discover(self) -> str:
        reasons = []
        for url in metadata_urls(self._issuer):
            try:
                document = await self._fetch(url)
            except FetchFailed as error:
                reasons.append(str(error))
            else:
                return self._jwks_uri_in(document)
        raise FetchFailed(f"its metadata cannot be fetched: {reasons[-1]}")

    def _jwks_uri_in(self, document: bytes) -> str:
        """Where the metadata says the keys are.

        Source: RFC 8414 section 3.3: metadata that names another issuer must not be used.
        """
        try:
            metadata = json.loads(document)
        except (ValueError, RecursionError):
            metadata = None
        if not isinstance(metadata, dict) or metadata.get("issuer") != self._issuer:
            raise ValueError("its metadata is that of another issuer")
        uri = metadata.get("jwks_uri")
        ours = urlsplit(self._issuer)
        parts = urlsplit(uri) if isinstance(uri, str) else None
        secure = parts is not None and parts.scheme == "https" and bool(parts.hostname)
        local = parts is not None and parts.scheme == "http" == ours.scheme and is_loopback(parts.hostname or "")
        if not isinstance(uri, str) or not (secure or local):
            raise ValueError("its metadata has no safe URL for its keys")
        return uri
