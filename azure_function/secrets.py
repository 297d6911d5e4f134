"""Key Vault as the secret store, read with the function's own identity.

It uses the synchronous client in a thread: the asynchronous one needs aiohttp, one more package in every cold start,
for one request in five minutes. The client is imported at the first fetch.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from azure_function.workload import CLIENT_OPTIONS, OwnIdentity, retried
from core.addresses import is_loopback
from core.credentials.secret_store import (
    Secret,
    SecretDenied,
    SecretError,
    SecretMalformed,
    SecretNotFound,
    SecretThrottled,
    SecretUnreachable,
)
from core.errors import TokenRefused, TokenUnavailable

__all__ = ["KeyVault"]

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
"""Source: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#objects-identifiers ."""


class KeyVault:
    """Fetches the current version of secrets of the vault at ``url``, as ``identity``."""

    def __init__(self, url: str, identity: OwnIdentity) -> None:
        self._url = url.rstrip("/")
        self._identity = identity
        self._client: Any = None
        self._lock = threading.Lock()

    async def fetch(self, name: str) -> Secret:
        """The secret ``name``; its version is Key Vault's own.

        Raises:
            SecretError: as `core.credentials.secret_store.SecretStore.fetch`.
        """
        found = await self.ask(name, lambda client: client.get_secret(name))
        if found.value is None:
            raise SecretMalformed(f"The secret {name} has no text. Store JSON, or the file from Aura.")
        written = found.properties.updated_on
        return Secret(
            name,
            SecretStr(found.value),
            found.properties.version or "",
            None if written is None else written.timestamp(),
        )

    async def ask(self, name: str, question: Callable[[Any], Any]) -> Any:
        """What ``question`` gets from the SDK's client, for the secret ``name``; repeated if the vault did not answer.

        Raises:
            SecretError: as `core.credentials.secret_store.SecretStore.fetch`.
        """
        if not _NAME.fullmatch(name):
            raise SecretNotFound(
                f"{name!r} cannot be the name of a secret in Key Vault, which takes letters, digits and -. Correct "
                "NEO4J_M2M_SECRET, NEO4J_M2M_KEYS_SECRET, or the policy that names it."
            )
        return await retried(lambda: self._ask(name, question), lambda error: isinstance(error, SecretUnreachable))

    def _ask(self, name: str, question: Callable[[Any], Any]) -> Any:
        from azure.core.exceptions import AzureError, HttpResponseError

        try:
            return question(self._connected())
        except TokenRefused as error:
            raise SecretDenied(f"The secret {name} cannot be read: {error}") from None
        except TokenUnavailable as error:
            raise SecretUnreachable(f"The secret {name} cannot be read: {error}") from None
        except HttpResponseError as error:
            raise _explained(name, error) from None
        except (AzureError, ValueError) as error:
            # A ValueError comes from the client itself: the server that answers is not a vault.
            raise SecretUnreachable(
                f"Key Vault does not answer when asked for {name} ({type(error).__name__}). Check "
                "NEO4J_M2M_VAULT_URL, and, if the vault has a private endpoint, the function's network."
            ) from None

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                from azure.keyvault.secrets import SecretClient

                # The challenge contains the vault's own name, and on the loopback interface no vault can have one.
                verified = not is_loopback(urlsplit(self._url).hostname or "")
                credential: Any = self._identity  # a `SupportsTokenInfo`, which the client's signature leaves out
                self._client = SecretClient(self._url, credential, verify_challenge_resource=verified, **CLIENT_OPTIONS)
            return self._client


def _explained(name: str, error: Any) -> SecretError:
    """What Key Vault's refusal means.

    Source: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes .
    """
    status, code = error.status_code, _inner_code(error)
    said = f"{status} {code}".strip()
    if status == 404:
        return SecretNotFound(
            f"Key Vault has no secret {name}, or it was deleted ({said}). Create it, recover it, or correct the name; "
            "check NEO4J_M2M_VAULT_URL, too."
        )
    if code == "SecretDisabled":
        return SecretNotFound(f"The secret {name} is disabled in Key Vault. Enable it, or set a new version of it.")
    if status == 403 and code in ("ForbiddenByFirewall", "ForbiddenByConnection"):
        return SecretDenied(
            f"Key Vault's firewall does not let this function read {name} ({said}). Allow its subnet, or give the "
            "vault a private endpoint that it reaches."
        )
    if status == 403:
        return SecretDenied(
            f"This function's identity may not read the secret {name} ({said}). Give it the role Key Vault Secrets "
            "User on that vault (to write it: Secrets Officer); a new assignment takes some minutes to take effect."
        )
    if status == 401:
        return SecretDenied(
            f"Key Vault does not accept the token of this function's identity when asked for {name} ({said}). Check "
            "whether the vault belongs to another tenant."
        )
    if status == 429:
        return SecretThrottled(f"Key Vault gets too many requests; {name} was not read ({said}).")
    return SecretUnreachable(f"Key Vault fails when asked for {name} ({said}).")


def _inner_code(error: Any) -> str:
    """The most exact of the codes in an error; the texts beside them may quote anything."""
    found, code = getattr(error, "error", None), ""
    while found is not None:
        code = getattr(found, "code", None) or code
        inner = getattr(found, "innererror", None)
        if isinstance(inner, dict):
            return str(inner.get("code") or code)
        found = inner
    return code if re.fullmatch(r"\w{1,60}", code) else ""
