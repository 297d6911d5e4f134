"""The function's own identity: tokens of its managed identity, for Key Vault and for a database that accepts them.

It uses `ManagedIdentityCredential` alone and does not try every kind (DefaultAzureCredential): what a function presents
must not depend on what else is in its environment. The SDK is imported when the first token is needed.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from core.credentials.token_endpoint import AccessToken
from core.errors import Neo4jM2mError, TokenRefused, TokenUnavailable

if TYPE_CHECKING:
    from azure.core.credentials import AccessTokenInfo, TokenRequestOptions

    from azure_function.settings import AzureSettings

__all__ = ["CLIENT_OPTIONS", "OwnIdentity", "retried"]

T = TypeVar("T")

CLIENT_OPTIONS: dict[str, Any] = {"retry_total": 0, "connection_timeout": 2, "read_timeout": 3}
"""For the SDK's clients. Otherwise they repeat a request ten times, and sleep as long as an answer tells them to."""

_PAUSES = (0.2, 0.6, 1.5)
"""Seconds between two tries: the identity endpoint sometimes fails while a function starts. The caller limits the total
time.

Sources: https://github.com/Azure/azure-functions-host/issues/10238 and …/issues/11058 .
"""

_CLI_SECONDS = 20
"""For one token of the Azure CLI, which is slow to start."""

_STATUS = re.compile(r"\([a-z_]+\) (\d{3}),")
"""The endpoint's HTTP status, in the text that the SDK makes from its answer."""


async def retried(attempt: Callable[[], T], passes: Callable[[Neo4jM2mError], bool]) -> T:
    """What ``attempt``, which blocks, returns; repeated up to three times after an error that ``passes``.

    Raises:
        Neo4jM2mError: What the last attempt raised, or the first error that does not pass.
    """
    for pause in _PAUSES:
        try:
            return await asyncio.to_thread(attempt)
        except Neo4jM2mError as error:
            if not passes(error):
                raise
        await asyncio.sleep(pause)
    return await asyncio.to_thread(attempt)


class OwnIdentity:
    """This function's identity for other services; the SDK's clients accept it as a credential.

    ``kind`` is ``managed``, ``environment`` or, for an operator, ``cli``; ``client_id`` chooses a user-assigned managed
    identity.
    """

    def __init__(self, kind: str = "managed", client_id: str | None = None) -> None:
        self._kind = kind
        self._client_id = client_id
        self._credential: Any = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: AzureSettings) -> OwnIdentity:
        """The identity that ``settings`` choose."""
        return cls(settings.identity, settings.identity_client_id)

    async def token(self, scope: str | None) -> AccessToken:
        """A token of this identity, for databases: a `core.credentials.database_auth.WorkloadTokens`.

        The SDK remembers a token until five minutes before its end, as the platform's endpoint does for longer.

        Raises:
            TokenRefused: There is no such identity, or it gets no token for ``scope``.
            TokenUnavailable: The identity endpoint does not answer, or keeps failing.
        """
        if scope is None:
            raise TokenRefused(
                "The credential logs in with this function's own identity but does not say what its token is for: set "
                "scope in it, or NEO4J_M2M_DATABASE_SCOPE, to the database's Application ID URI."
            )
        asked = scope if scope.endswith("/.default") else f"{scope}/.default"
        info = await retried(
            lambda: self.get_token_info(asked),
            lambda error: type(error) is TokenUnavailable,  # not a refusal
        )
        return AccessToken(SecretStr(info.token), float(info.expires_on))

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """A token for ``scopes``, as in `azure.core.credentials.SupportsTokenInfo`. Blocks; tries once.

        Raises:
            TokenRefused, TokenUnavailable: as `token`.
        """
        from azure.core.exceptions import AzureError

        credential = self._found()
        try:
            info: AccessTokenInfo = credential.get_token_info(*scopes, options=options)
        except AzureError as error:
            raise self._explained(error) from None
        except Exception as error:  # noqa: BLE001 - an answer that is not JSON raises whatever its reader raised
            self._forget()
            raise TokenUnavailable(f"{self._name()} got no token: {type(error).__name__}.") from None
        return info

    def _found(self) -> Any:
        with self._lock:
            if self._credential is None:
                self._credential = self._new()
            return self._credential

    def _forget(self) -> None:
        """Start over next time: after one failure, the SDK repeats the remembered answer for some seconds."""
        with self._lock:
            self._credential = None

    def _new(self) -> Any:
        if self._kind == "environment":
            from azure.identity import EnvironmentCredential

            return EnvironmentCredential(**CLIENT_OPTIONS)
        if self._kind == "cli":
            from azure.identity import AzureCliCredential

            return AzureCliCredential(process_timeout=_CLI_SECONDS)
        if not os.environ.get("IDENTITY_ENDPOINT"):
            # Without the endpoint, the SDK would look for a virtual machine's identity, for many seconds.
            raise TokenRefused(
                "This function app has no managed identity. Assign one to it, and for a user-assigned one set "
                "NEO4J_M2M_IDENTITY_CLIENT_ID to its client id."
            )
        from azure.identity import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=self._client_id, **CLIENT_OPTIONS)

    def _explained(self, error: Exception) -> TokenUnavailable:
        from azure.core.exceptions import ClientAuthenticationError

        said = _STATUS.search(str(error))
        response = getattr(error, "response", None)
        status = int(said[1]) if said else getattr(response, "status_code", None)
        refused = isinstance(error, ClientAuthenticationError)
        if not refused or (status is not None and (status >= 500 or status in (408, 429))):
            self._forget()
            why = f"status {status}" if status is not None else type(error).__name__
            return TokenUnavailable(f"{self._name()} got no token: its endpoint does not answer, or fails ({why}).")
        return TokenRefused(
            f"{self._name()} gets no token ({type(error).__name__}{f', status {status}' if status else ''}). Check "
            "whether that identity is assigned to this function app, and whether what the token is for exists."
        )

    def _name(self) -> str:
        if self._kind == "environment":
            return "The service principal in AZURE_CLIENT_ID"
        if self._kind == "cli":
            return "Whoever is signed in to the Azure CLI (az login)"
        return f"The managed identity {self._client_id}" if self._client_id else "The system-assigned managed identity"
