"""The settings of the command line: the server's, and the files that replace a cloud's stores."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from local.settings import LocalSettings

__all__ = ["CommandLineSettings"]


class CommandLineSettings(LocalSettings):
    """The settings of every command: those of the server, of the embedded database, and of files on this machine."""

    keys_file: Path | None = Field(
        None, description="The file with the hashes of API keys; unset, `keys.json` in the user's own data directory."
    )
    credentials_dir: Path | None = Field(
        None,
        description="A directory of files, each a database credential that is named after the file, without extension.",
    )
    workload_token_file: Path | None = Field(
        None, description="A file with the token of this server's own identity, for `workload_identity`."
    )

    @field_validator("keys_file", "credentials_dir", "workload_token_file")
    @classmethod
    def _absolute_path(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()
