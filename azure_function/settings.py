"""The settings that only the Azure Function has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from core.errors import SettingsError
from core.settings import Settings

__all__ = ["AzureSettings"]

_LONGEST_CALL = 225
"""Seconds. Azure's load balancer gives a request 230, whatever the function's own timeout is; five are for the way.

Source: https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout .
"""


class AzureSettings(Settings):
    """The server's settings and those of the function."""

    caller_auth: Literal["entra", "function_key", "api_key"] = Field(
        "entra",
        description="How callers prove who they are: `entra` (tokens of `NEO4J_M2M_ISSUERS`, and API keys if "
        "`NEO4J_M2M_KEYS_SECRET` is set), `function_key` (a key of the Functions host, which checks it) or `api_key` "
        "(API keys alone).",
    )
    function_key_principal: str | None = Field(
        None,
        min_length=1,
        description="The principal of calls that come with a key of the Functions host, which names no caller.",
    )
    vault_url: str | None = Field(
        None,
        pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$",
        description="The Key Vault that holds the secrets, such as `https://NAME.vault.azure.net`.",
    )
    identity: Literal["managed", "environment"] = Field(
        "managed",
        description="The function's own identity: `managed`, or, for development only, `environment` (the service "
        "principal in `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`).",
    )
    identity_client_id: str | None = Field(
        None,
        min_length=1,
        description="The client id of the user-assigned managed identity to use; unset, the system-assigned one.",
    )

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if self.caller_auth == "entra" and self.issuers is None:
            raise ValueError(
                "NEO4J_M2M_CALLER_AUTH is entra, but no token is accepted: set NEO4J_M2M_ISSUERS, or choose api_key or "
                "function_key"
            )
        if self.caller_auth == "api_key" and self.keys_secret is None:
            raise ValueError("NEO4J_M2M_CALLER_AUTH is api_key, but there are no keys: set NEO4J_M2M_KEYS_SECRET")
        if self.caller_auth == "function_key":
            if self.function_key_principal is None:
                raise ValueError(
                    "NEO4J_M2M_CALLER_AUTH is function_key, but nothing says by which name the policy knows callers "
                    "with that key: set NEO4J_M2M_FUNCTION_KEY_PRINCIPAL"
                )
            if self.issuers is not None or self.keys_secret is not None:
                raise ValueError(
                    "NEO4J_M2M_CALLER_AUTH is function_key, which ignores tokens and API keys: remove "
                    "NEO4J_M2M_ISSUERS and NEO4J_M2M_KEYS_SECRET, or choose entra or api_key"
                )
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.timeout > _LONGEST_CALL:
            raise ValueError(
                f"NEO4J_M2M_TIMEOUT: must be at most {_LONGEST_CALL}: Azure ends a request after 230 seconds"
            )
        if self.vault_url is None and (self.secret is not None or self.keys_secret is not None):
            raise ValueError(
                "NEO4J_M2M_SECRET or NEO4J_M2M_KEYS_SECRET names a secret, but nothing says in which vault it is: set "
                "NEO4J_M2M_VAULT_URL"
            )
        return self

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """As `Settings.from_environ`.

        Raises:
            SettingsError: also if the host checks no keys but the mode depends on them. Azure Functions Core Tools run
                a function app so, and say so in AZURE_FUNCTIONS_ENVIRONMENT.

        Source: https://learn.microsoft.com/azure/azure-functions/functions-core-tools-reference#func-start .
        """
        settings = super().from_environ(environ)
        if settings.caller_auth == "function_key" and environ.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development":
            raise SettingsError(
                "NEO4J_M2M_CALLER_AUTH is function_key, but Azure Functions Core Tools check no key on this machine: "
                "choose entra or api_key, or try function keys with: neo4j-m2m emulate azure"
            )
        return settings
