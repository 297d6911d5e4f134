"""What an operator can choose of a rotation that a platform runs by itself."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from core.settings import Settings, split_names

__all__ = ["RotationSettings"]


class RotationSettings(Settings):
    """The settings of a rotation, besides those of the server, of which it uses the level of the log."""

    admin_secret: str | None = Field(
        None,
        min_length=1,
        description="The secret with the credential of the database's administrator, which the server must not be able "
        "to read. `single_user` needs none.",
    )
    rotation_mode: Literal["two_users", "single_user"] = Field(
        "two_users",
        description="`two_users`: two database users take turns, and no call waits. `single_user`: the one user gets a "
        "new password, and calls that have to log in wait for the secret.",
    )
    rotated_secrets: Annotated[tuple[str, ...], BeforeValidator(split_names)] = Field(
        (), description="The secrets that are rotated, comma-separated. Each has database users of its own."
    )

    @model_validator(mode="after")
    def _administered(self) -> Self:
        if self.rotation_mode == "two_users" and self.admin_secret is None:
            raise ValueError(
                "NEO4J_M2M_ROTATION_MODE is two_users, and nobody may change their passwords: set "
                "NEO4J_M2M_ADMIN_SECRET, or choose single_user"
            )
        if self.admin_secret is not None and self.admin_secret in self.rotated_secrets:
            raise ValueError(
                "NEO4J_M2M_ROTATED_SECRETS names the administrator's secret, which servers for callers must not read"
            )
        return self
