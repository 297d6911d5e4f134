"""The settings of the command line: the server's, and where this machine keeps its files."""

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
    keys_file: Path | None = Field(
        None, description="The file with the hashes of API keys; unset, `keys.json` in the user's own data directory."
    )
    credentials_dir: Path | None = Field(
        None,
        description="A directory of files, each a database credential, called as the file is without its ending.",
    )
    workload_token_file: Path | None = Field(
        None, description="A file with the token of this server's own identity, for `workload_identity`."
    )
    cache_dir: Path | None = Field(
        None, description="Where downloaded files are kept; unset, the user's own cache directory."
    )

    @field_validator("data_dir", "cache_dir", "keys_file", "credentials_dir", "workload_token_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()
