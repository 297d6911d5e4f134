"""What a secret store is to this server: it finds text by name, and its errors say what an operator can do.

Each platform's shim has one for its own store; `core.credentials.sources` remembers the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from core.errors import Neo4jM2mError

__all__ = [
    "Secret",
    "SecretDenied",
    "SecretError",
    "SecretMalformed",
    "SecretNotFound",
    "SecretStore",
    "SecretThrottled",
    "SecretUndecryptable",
    "SecretUnreachable",
]


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as the store returned it. ``version`` is the store's own id of this version.

    ``written_at`` is when that was written, in seconds since 1970, if the store tells. A store without versions gives
    something that changes whenever the secret is written, or an empty text.
    """

    name: str
    text: SecretStr
    version: str = ""
    written_at: float | None = None


class SecretStore(Protocol):
    """Where secrets are kept. Implementations must not remember secrets: each fetch asks the store."""

    async def fetch(self, name: str) -> Secret:
        """The secret ``name`` as it is now.

        It may take long: the caller sets a time limit. It must not block the event loop.

        Raises:
            SecretError: one of its kinds; ``str(error)`` names the secret and says what an operator can do.
        """


class SecretError(Neo4jM2mError):
    """A secret could not be fetched. The text is for the operator: it names the secret and quotes nothing from it.

    ``kind`` is the one word for logs and metrics. Only a transient one is a reason to go on with what the store said
    before: the others are what it says now.
    """

    kind = "failed"
    withdrawn = True


class SecretNotFound(SecretError):
    """There is no such secret, or it was deleted, or has no value yet."""

    kind = "not_found"


class SecretDenied(SecretError):
    """This server's identity may not read the secret, or could not be proved to the store."""

    kind = "denied"


class SecretUndecryptable(SecretDenied):
    """The store may hand out the secret, but the key that encrypts it does not decrypt it."""

    kind = "undecryptable"


class SecretThrottled(SecretError):
    """The store refuses because it gets too many requests."""

    kind = "throttled"
    transient = True
    withdrawn = False


class SecretUnreachable(SecretError):
    """The store does not answer, answers too late, or fails with an error of its own."""

    kind = "unreachable"
    transient = True
    withdrawn = False


class SecretMalformed(SecretError):
    """The secret exists, but its content cannot be used."""

    kind = "malformed"
