"""The settings that only the Lambda function has."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from aws_lambda.payload import LARGEST_ANSWER
from core.settings import Settings

__all__ = ["AwsSettings"]


class AwsSettings(Settings):
    """The server's settings and those of the function."""

    caller_auth: Literal["iam", "jwt"] = Field(
        "iam",
        description="How callers prove who they are: `iam` (the function URL verifies SigV4) or `jwt` (a function URL "
        "without authentication, and tokens or API keys that this server verifies).",
    )
    gateway_principal: str | None = Field(
        None,
        min_length=1,
        description="The principal of calls whose caller AWS does not name: through a Lambda target of AgentCore "
        "Gateway, or in AgentCore Runtime with IAM.",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max_bytes > LARGEST_ANSWER:
            raise ValueError(
                f"NEO4J_M2M_MAX_BYTES: must be {LARGEST_ANSWER} or less, because Lambda sends 6 MB of its own encoding"
            )
        if self.caller_auth == "jwt" and self.issuers is None and self.keys_secret is None:
            raise ValueError(
                "NEO4J_M2M_CALLER_AUTH is jwt, but no caller can enter: set NEO4J_M2M_ISSUERS or NEO4J_M2M_KEYS_SECRET"
            )
        return self
