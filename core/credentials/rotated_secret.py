"""Where a rotation keeps the credential that is in use and the one that is to follow it.

A rotation writes the candidate down before it changes the database, so that whoever comes after a crash finds the
password that the database may have already. Some stores have staged versions for that; `PairedSecrets` is for stores
that have not: the candidate is a second secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from core.credentials.rotation_errors import RotationUnderWay
from core.credentials.secret_store import Secret, SecretNotFound, SecretStore
from core.credentials.sources import load_secret

__all__ = ["CANDIDATE_SUFFIX", "PairedSecrets", "RotatedSecret", "WritableStore"]

CANDIDATE_SUFFIX = "-candidate"
"""Follows the name of a secret in the name of its candidate."""

_LEASE = 120.0
"""Seconds for which a candidate belongs to the rotation that wrote it. A rotation ends sooner."""

_SETTLE = 2.0
"""Seconds after which a rotation that wrote a candidate looks whether another one wrote over it."""

_CLOCKS_APART = 300.0
"""Seconds by which two machines' clocks may differ. A claim from further ahead comes from a wrong clock: it is over."""

_EMPTY = "{}"


class WritableStore(SecretStore, Protocol):
    """A secret store that can be written to. A read after a write returns what was written."""

    async def write(self, name: str, text: SecretStr) -> None:
        """Give the secret ``name`` a new current value; create the secret if it does not exist.

        Raises:
            SecretError: as `SecretStore.fetch`.
        """


class RotatedSecret(Protocol):
    """One secret that is rotated. ``name`` is what errors and logs call it."""

    name: str

    async def current(self) -> Secret:
        """What servers read now.

        Raises:
            SecretError: It cannot be read.
        """

    async def candidate(self) -> SecretStr | None:
        """What is to follow the current value; None if nothing was proposed, or if it is the current value already.

        Raises:
            SecretError: It cannot be read.
            RotationUnderWay: It belongs to another rotation, which may still run.
        """

    async def propose(self, text: SecretStr) -> None:
        """Write ``text`` down as the candidate; one that was there is forgotten.

        Raises:
            SecretError: It cannot be written.
            RotationUnderWay: Another rotation proposed something at the same time.
        """

    async def publish(self, text: SecretStr) -> None:
        """Let servers read ``text``, which is the candidate. Repeating it does no harm.

        Raises:
            SecretError: It cannot be written.
            RotationUnderWay: The candidate is another one by now.
        """


@dataclass(frozen=True)
class _Claim:
    """What the second secret holds: the candidate, who proposed it and when, and a digest of what it is to follow."""

    text: SecretStr
    holder: str
    at: float
    salt: str
    follows: str

    @classmethod
    def of(cls, text: SecretStr, holder: str, at: float, current: Secret) -> _Claim:
        salt = secrets.token_hex(8)
        return cls(text, holder, at, salt, _digest(current, salt))

    @classmethod
    def parsed(cls, text: SecretStr) -> _Claim | None:
        """What ``text`` says; None if it says nothing, or was edited so that it cannot be understood."""
        try:
            said: dict[str, Any] = json.loads(text.get_secret_value())
            candidate = SecretStr(said["candidate"])
            return cls(candidate, str(said["holder"]), float(said["at"]), str(said["salt"]), str(said["follows"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def rendered(self) -> SecretStr:
        fields = {"holder": self.holder, "at": self.at, "salt": self.salt, "follows": self.follows}
        return SecretStr(json.dumps({"candidate": self.text.get_secret_value(), **fields}))


def _digest(current: Secret, salt: str) -> str:
    return hashlib.blake2b(current.text.get_secret_value().encode(), salt=bytes.fromhex(salt)).hexdigest()


class PairedSecrets:
    """The secret ``name`` of ``store``, and beside it the candidate, in the secret ``name`` and `CANDIDATE_SUFFIX`.

    A candidate belongs to the rotation that wrote it for `_LEASE` seconds; until then another rotation is refused,
    and afterwards it takes the candidate over. The times are of two machines' clocks. If these differ so much that a
    candidate is taken over too soon, no harm is done: both rotations set, test and publish the same password.

    A candidate that does not follow the current value is forgotten: somebody has written the secret meanwhile.
    """

    def __init__(
        self,
        store: WritableStore,
        name: str,
        *,
        lease: float = _LEASE,
        settle: float = _SETTLE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``lease`` and ``settle`` are in seconds, ``clock`` gives seconds since the epoch."""
        self.name = name
        self._store = store
        self._beside = name + CANDIDATE_SUFFIX
        self._lease = lease
        self._settle = settle
        self._clock = clock
        self._holder = secrets.token_hex(8)

    async def current(self) -> Secret:
        """As `RotatedSecret.current`."""
        return await load_secret(self._store, self.name)

    async def candidate(self) -> SecretStr | None:
        """As `RotatedSecret.candidate`."""
        claim = await self._claim()
        if claim is None:
            return None
        current = await self.current()
        if claim.follows != _digest(current, claim.salt):
            return None
        if claim.holder != self._holder:
            self._refuse_while_held(claim)
            await self._take(_Claim.of(claim.text, self._holder, self._clock(), current))
        return claim.text

    async def propose(self, text: SecretStr) -> None:
        """As `RotatedSecret.propose`."""
        began = time.monotonic()
        claim, current = await self._claim(), await self.current()
        if claim is not None and claim.holder != self._holder and claim.follows == _digest(current, claim.salt):
            self._refuse_while_held(claim)
        await self._take(_Claim.of(text, self._holder, self._clock(), current), began)

    async def publish(self, text: SecretStr) -> None:
        """As `RotatedSecret.publish`."""
        claim = await self._claim()
        if claim is None or claim.holder != self._holder or claim.text != text:
            raise self._lost()
        await self._store.write(self.name, text)
        await self._store.write(self._beside, SecretStr(_EMPTY))

    def _refuse_while_held(self, claim: _Claim) -> None:
        age = self._clock() - claim.at
        if -_CLOCKS_APART < age < self._lease:
            raise RotationUnderWay(
                f"Another rotation of {self.name} began {max(0.0, age):.0f} seconds ago and may still run. If it has "
                f"ended, try again in {self._lease - age:.0f} seconds: this rotation then goes on where that one ended."
            )

    async def _take(self, claim: _Claim, began: float | None = None) -> None:
        began = time.monotonic() if began is None else began
        await self._store.write(self._beside, claim.rendered())
        slow = time.monotonic() - began > max(self._settle, 0.5)
        await asyncio.sleep(self._settle)
        found = await self._claim()
        # A rotation that was slow to write may have written over one that looked in time: it is the one to give way.
        if slow or found is None or found.holder != self._holder:
            raise self._lost()

    def _lost(self) -> RotationUnderWay:
        return RotationUnderWay(
            f"Another rotation of {self.name} runs at the same time, and this one gives way. Nothing was published. If "
            "no other runs, try again: the next rotation begins where this one ended."
        )

    async def _claim(self) -> _Claim | None:
        try:
            return _Claim.parsed((await load_secret(self._store, self._beside)).text)
        except SecretNotFound:
            return None
