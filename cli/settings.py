"""The settings of the command line: the server's, and the files that replace a cloud's stores."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from local.settings import LocalSettings

__all__ = ["CommandLineSettings"]


class CommandLineSettings(LocalSettings):
    """The settings of every command: those of the server, of the embedded database, and of files on this machine."""

    keys_file: Path | None = Field(
        None,
        description="The file with the hashes of API keys, which `serve` then asks every caller for. Unset, `serve` "
        "asks for none, and `keys` works on `keys.json` in the user's own data directory.",
    )
    credentials_dir: Path | None = Field(
        None,
        description="A directory of files, each a database credential that is named after the file, without extension.",
    )
    workload_token_file: Path | None = Field(
        None, description="A file with the token of this server's own identity, for `workload_identity`."
    )

    caller_api_key: SecretStr | None = Field(None, description="The API key that `doctor --url` calls with.")
    caller_client_id: str | None = Field(None, description="The client id that `doctor --url` gets a token for.")
    caller_client_secret: SecretStr | None = Field(None, description="The secret of that client.")

    @field_validator("keys_file", "credentials_dir", "workload_token_file")
    @classmethod
    def _absolute_path(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()
