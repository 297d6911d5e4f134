"""A directory of files as a secret store: each file is a secret with the file's name, with or without extension."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from core.credentials.secret_store import Secret, SecretDenied, SecretMalformed, SecretNotFound, SecretUnreachable
from core.errors import LocalError

__all__ = ["SecretDirectory"]


class SecretDirectory:
    """The files in ``directory`` that only their owner can read. A file that was written again has another version."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def names(self) -> list[str]:
        """The names of all secrets in the directory.

        Raises:
            LocalError: The directory cannot be read, or two files have one name.
        """
        try:
            names = sorted(path.stem for path in self._files())
        except OSError as error:
            raise LocalError(f"The credentials in {self._directory} cannot be read: {error.strerror}.") from None
        for name, following in itertools.pairwise(names):
            if name == following:
                raise LocalError(f"Two files in {self._directory} hold a credential {name!r}. Remove or rename one.")
        return names

    def _files(self) -> Iterator[Path]:
        return (path for path in self._directory.iterdir() if not path.name.startswith("."))

    async def fetch(self, name: str) -> Secret:
        """The secret in the file of that ``name``.

        Raises:
            SecretError: There is no such file, others can read it, this process cannot, or it is not text.
        """
        return await asyncio.to_thread(self.read, name)

    async def write(self, name: str, text: SecretStr) -> None:
        """Give the secret in the file of that ``name`` another text, in one step; without such a file, make one.

        Raises:
            SecretError: The directory cannot be written to.
        """
        await asyncio.to_thread(self._write, name, text)

    def _write(self, name: str, text: SecretStr) -> None:
        try:
            path = self._path(name) or self._directory / name
            new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            new.touch(mode=0o600, exist_ok=False)
            try:
                new.write_text(text.get_secret_value(), encoding="utf-8")
                new.replace(path)
            finally:
                new.unlink(missing_ok=True)
        except PermissionError:
            raise SecretDenied(f"This process may not write the credential {name} in {self._directory}.") from None
        except OSError as error:
            raise SecretUnreachable(f"{self._directory} cannot be written to: {error.strerror}.") from None

    def _path(self, name: str) -> Path | None:
        return next((path for path in sorted(self._files()) if name in (path.stem, path.name)), None)

    def read(self, name: str) -> Secret:
        """As `fetch`, at once."""
        try:
            path = self._path(name)
            if path is None:
                raise SecretNotFound(f"{self._directory} holds no file {name}: put the credential there.")
            with path.open(encoding="utf-8") as file:
                state = path.stat()
                text = file.read()
        except PermissionError:
            raise SecretDenied(f"This process may not read the credential {name} in {self._directory}.") from None
        except FileNotFoundError:
            raise SecretNotFound(f"{self._directory} holds no file {name}: put the credential there.") from None
        except OSError as error:
            raise SecretUnreachable(f"{self._directory} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise SecretMalformed(f"The credential {path} is not UTF-8 text.") from None
        if stat.S_IMODE(state.st_mode) & 0o077:
            raise SecretDenied(f"The credential {path} can be read or written by others: chmod 600 it first.")
        return Secret(name, SecretStr(text), f"{state.st_mtime_ns}-{state.st_ino}-{state.st_size}", state.st_mtime)
