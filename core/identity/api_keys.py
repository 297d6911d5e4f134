"""API keys: what they look like, and the check of one against the key ring.

A key is ``n4m_`` + id + ``_`` + secret + checksum, all letters and digits::

    n4m_3kTzW8aQ0b_7Jq…43 characters…X1vD0cK9fQ
        id, 10     secret, 43            checksum, 6

The form follows GitHub's tokens
(https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/): a prefix that nothing else has, and a
checksum. So a scanner finds a leaked key by `KEY_PATTERN` and can be sure, without asking anybody, that it is one; and
a truncated or mistyped key is told from a wrong one without a look at the ring. The checksum is CRC-32, which detects
every error within 32 consecutive bits, so any wrong character or two that changed places. It is not secret and proves
nothing.

Only a plain SHA-256 hash is stored. Slow, salted hashes (Argon2, PBKDF2) make it expensive to guess the passwords that
people invent; here the secret is 43 random characters, 256 bits, which nobody can guess. NIST says the same about
look-up secrets, the closest thing to a key in its guideline: those of at least 112 bits are hashed with an approved
one-way function; salt and key derivation are for those with fewer (SP 800-63B, section 5.1.2.2,
https://pages.nist.gov/800-63-3/sp800-63b.html ). The hash covers the whole key, id included, so
``printf %s KEY | sha256sum`` tells to which entry a found key belongs.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import string
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

from core.errors import IssuerUnavailable, Neo4jM2mError
from core.identity.key_ring import HASH_PREFIX, ID_LENGTH, KEY_PREFIX, ApiKey, KeyRingError, parse_key_ring
from core.identity.principal import Principal
from core.remembered import Lifetime, Refreshed

__all__ = [
    "KEY_PATTERN",
    "ApiKeyVerifier",
    "KeyRingUnavailable",
    "NewKey",
    "Verdict",
    "hash_of",
    "key_id",
    "new_key",
]

logger = logging.getLogger(__name__)

_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32

KEY_PATTERN = rf"{KEY_PREFIX}[0-9A-Za-z]{{{ID_LENGTH}}}_[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}"
"""The regular expression of a key, for secret scanners: it uses only what all their dialects support."""

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

_NO_SUCH_HASH = HASH_PREFIX + "0" * 64
"""A key with an unknown id is compared with this, so that refusing it takes as long as refusing a known id."""

Reason = Literal["valid", "malformed", "unknown", "wrong secret", "expired", "revoked"]


class KeyRingUnavailable(IssuerUnavailable):
    """No key can be accepted or refused now: the ring cannot be loaded, and what is remembered is too old."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key: its text, which exists nowhere else, and what the ring stores of it."""

    id: str
    text: SecretStr
    hash: str


def new_key() -> NewKey:
    """Make a key, from the operating system's randomness."""
    identifier = _random(ID_LENGTH)
    body = f"{KEY_PREFIX}{identifier}_{_random(_SECRET_LENGTH)}"
    text = body + _checksum(body)
    return NewKey(identifier, SecretStr(text), hash_of(text))


def key_id(key: str) -> str | None:
    """The id of ``key``; None if it is not a key at all, or its checksum is wrong."""
    if re.fullmatch(KEY_PATTERN, key) is None or _checksum(key[:-_CHECKSUM_LENGTH]) != key[-_CHECKSUM_LENGTH:]:
        return None
    return key[len(KEY_PREFIX) : len(KEY_PREFIX) + ID_LENGTH]


def hash_of(key: str) -> str:
    """What the ring stores of ``key``."""
    return HASH_PREFIX + hashlib.sha256(key.encode()).hexdigest()


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for a key: the principal that it proves, or None. ``reason`` is for the log, never for the caller."""

    principal: Principal | None
    reason: Reason
    id: str | None = None


class ApiKeyVerifier:
    """Checks keys against the ring that ``load`` fetches, which is remembered for ``ttl`` seconds.

    A revoked key is refused at most ``ttl`` seconds later, and an expired one at once. If the ring cannot be fetched,
    the last one is used until it is ``max_stale`` seconds old, or ``withdrawn`` seconds if the store denies it or no
    longer has it; after that, no key is accepted. A failed fetch is not repeated for ``retry_after`` seconds, whoever
    calls: no caller can flood the secret store.

    ``clock`` is the time of day, also for the age of the ring: the monotonic clock stands still in a function that its
    platform has frozen. If the clock is set back, the ring counts as old.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[str]],
        *,
        platform: str,
        source: str = "the key ring",
        ttl: float = 60.0,
        max_stale: float = 900.0,
        withdrawn: float = 600.0,
        load_timeout: float = 5.0,
        retry_after: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._load = load
        self._platform = platform
        self._source = source
        self._load_timeout = load_timeout
        self._clock = clock
        lifetime = Lifetime(min(ttl, withdrawn), max_stale, min(withdrawn, max_stale))
        self._ring = Refreshed(
            self._keys, lambda keys: lifetime, what="the key ring", retry_seconds=retry_after, clock=clock
        )

    async def verify(self, key: str) -> Principal | None:
        """The principal that ``key`` proves, or None; the log says why not.

        Raises:
            KeyRingUnavailable: The ring cannot be fetched, and the remembered one is too old.
        """
        return (await self.check(key)).principal

    async def check(self, key: str) -> Verdict:
        """As `verify`, with the reason."""
        verdict = await self._judge(key)
        if verdict.principal is None:
            logger.info("refused an API key: %s, id %s", verdict.reason, verdict.id or "unreadable")
        return verdict

    async def _judge(self, key: str) -> Verdict:
        identifier = key_id(key)
        if identifier is None:
            return Verdict(None, "malformed")
        entry = (await self._current()).get(identifier)
        same = hmac.compare_digest(hash_of(key), _NO_SUCH_HASH if entry is None else entry.hash)
        if entry is None:
            return Verdict(None, "unknown", identifier)
        if not same:
            return Verdict(None, "wrong secret", identifier)
        state = entry.state(self._clock())
        if state != "valid":
            return Verdict(None, state, identifier)
        return Verdict(self._principal(entry), "valid", identifier)

    def _principal(self, entry: ApiKey) -> Principal:
        return Principal(
            platform=self._platform,
            kind="api_key",
            id=entry.name,
            name=entry.name,
            tenant=entry.tenant,
            roles=frozenset(entry.roles),
            proved_by=f"api key {entry.id}",
            issuer="key ring",
        )

    async def _current(self) -> Mapping[str, ApiKey]:
        """The keys of a fresh ring; of a slightly stale one if no fresh one can be fetched."""
        try:
            return await self._ring.get()
        except KeyRingError:
            raise KeyRingUnavailable("the key ring is out of reach") from None

    async def _keys(self) -> Mapping[str, ApiKey]:
        """The keys of the ring as it is now, by their ids.

        Raises:
            KeyRingError: It cannot be loaded, or does not parse.
        """
        try:
            async with asyncio.timeout(self._load_timeout):
                text = await self._load()
        except Exception as error:  # noqa: BLE001 - a secret store may fail in any way, and its text may hold anything
            failure = KeyRingError(f"its store failed with {type(error).__name__}")
            failure.withdrawn = isinstance(error, Neo4jM2mError) and error.withdrawn
            raise failure from None
        return {key.id: key for key in parse_key_ring(text, self._source).keys}
