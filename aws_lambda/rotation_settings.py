"""The settings of the rotation function."""

from __future__ import annotations

from pydantic import Field

from core.credentials.rotation_settings import RotationSettings

__all__ = ["AwsRotationSettings"]


class AwsRotationSettings(RotationSettings):
    """The settings of every rotation, and what the template sets for all functions alike."""

    tracing: bool = Field(False, description="Whether calls are traced with AWS X-Ray.")
