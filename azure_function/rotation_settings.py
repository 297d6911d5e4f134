"""The settings of the rotation function app."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from core.credentials.rotation_settings import RotationSettings

__all__ = ["AzureRotationSettings"]

_VAULT = r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$"


class AzureRotationSettings(RotationSettings):
    """The settings of every rotation, and where this platform keeps the secrets."""

    vault_url: str = Field(
        pattern=_VAULT, description="The vault of the secrets that are rotated, which the server reads."
    )
    admin_vault_url: str | None = Field(
        None, pattern=_VAULT, description="The vault of the administrator's credential, which the server cannot read."
    )
    identity: Literal["managed", "environment"] = Field(
        "managed", description="The rotation's own identity: `managed`, or, for development only, `environment`."
    )
    identity_client_id: str | None = Field(
        None, min_length=1, description="The client id of the user-assigned managed identity that rotates."
    )
    valid_days: int = Field(60, ge=2, le=3650, description="Days for which a rotated secret is valid.")
    rotate_days_before: int = Field(
        30, ge=1, le=3650, description="Days before a secret expires from which the timer rotates it."
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if not self.rotated_secrets:
            raise ValueError("NEO4J_M2M_ROTATED_SECRETS names no secret: set it to those that are rotated")
        if self.admin_secret is not None and self.admin_vault_url in (None, self.vault_url):
            raise ValueError(
                "NEO4J_M2M_ADMIN_SECRET is in the vault that the server reads: keep it in another one, and set "
                "NEO4J_M2M_ADMIN_VAULT_URL"
            )
        if self.rotate_days_before >= self.valid_days:
            raise ValueError("NEO4J_M2M_ROTATE_DAYS_BEFORE: must be less than NEO4J_M2M_VALID_DAYS")
        return self
