"""The settings of what runs on one machine: the server's, and where the embedded database keeps its files."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from core.settings import Settings

__all__ = ["LocalSettings"]


class LocalSettings(Settings):
    """The server's settings and those of the embedded database."""

    data_dir: Path | None = Field(
        None, description="Where the embedded database keeps its data; unset, the user's own data directory."
    )
    cache_dir: Path | None = Field(
        None, description="Where downloaded files are kept; unset, the user's own cache directory."
    )

    @field_validator("data_dir", "cache_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()
