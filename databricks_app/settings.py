"""The settings that only the Databricks App has."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, SecretStr, model_validator

from core.settings import Settings
from databricks_app.identity import CallerAuth

__all__ = ["DatabricksSettings"]

_LONGEST_CALL = 110
"""Seconds; the proxy in front of an app gives a request 120, and then answers 504; the app does not learn of it.

Source: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/ (limits).
"""

_SECRET = re.compile(r"[\w.@-]{1,128}(/[\w.@-]{1,128})?", re.ASCII)
"""SCOPE/KEY, or SCOPE alone. Source: https://docs.databricks.com/aws/en/security/secrets/ (what names may hold)."""


class DatabricksSettings(Settings):
    """The server's settings and those of the app."""

    secret_value: SecretStr | None = Field(
        None,
        description="The secret's value when the app started, from an app resource; saves the first request.",
    )
    caller_auth: CallerAuth = Field(
        "token",
        description="How callers prove who they are: `token` (the proxy passes tokens on, and this server verifies "
        "them) or `proxy` (it does not, and its header X-Forwarded-User is trusted).",
    )
    accept_pats: bool = Field(
        False,
        description="Whether personal access tokens are accepted, each verified with the workspace; for development.",
    )
    listen_host: str = Field(
        "0.0.0.0",  # noqa: S104 - the proxy reaches the app from outside
        pattern=r"^[0-9A-Za-z.:-]+$",
        description="The address that the app listens on; Databricks Apps needs `0.0.0.0`.",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.timeout > _LONGEST_CALL:
            raise ValueError(
                f"NEO4J_M2M_TIMEOUT: must be at most {_LONGEST_CALL}: the proxy in front of an app ends a request "
                "after 120 seconds"
            )
        if self.secret is not None and _SECRET.fullmatch(self.secret) is None:
            raise ValueError("NEO4J_M2M_SECRET: must be SCOPE/KEY, or SCOPE where the keys uri, username, password are")
        if self.secret_value is not None and "/" not in (self.secret or ""):
            raise ValueError(
                "NEO4J_M2M_SECRET_VALUE is set, but NEO4J_M2M_SECRET does not say as SCOPE/KEY which secret it is: "
                "it has to be read again when the database refuses its login"
            )
        if self.keys_secret is not None:
            raise ValueError(
                "NEO4J_M2M_KEYS_SECRET: an API key cannot reach an app, whose proxy wants a token of the workspace in "
                "its place"
            )
        if self.accept_pats and self.caller_auth == "proxy":
            raise ValueError(
                "NEO4J_M2M_ACCEPT_PATS: with NEO4J_M2M_CALLER_AUTH=proxy no token of a caller is looked at; unset one"
            )
        return self
