"""The directory that one embedded database lives in: what is where, who may read it, and the password.

::

    DATA_DIR                 mode 0700; Neo4j's home directory
    ├── password             the password of the user ``neo4j``; mode 0600, made once
    ├── server.json          what runs, and where (see ``state``)
    ├── users.lock           held, shared, by every command that uses the database
    ├── start.lock           held by the command that is about to start the supervisor
    ├── supervisor.lock      held by the supervisor for its life
    ├── conf/  data/  logs/  Neo4j's own
    └── …
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

from pydantic import SecretStr

from local.files import write_atomically
from local.neo4j.errors import DataDirectoryUnusable

__all__ = ["ELSEWHERE", "USERNAME", "DataDirectory", "default_data_dir"]

USERNAME = "neo4j"

ELSEWHERE = "To use another directory, name it by --data or NEO4J_M2M_DATA_DIR."
"""The last sentence of every error that another data directory would solve."""

_PASSWORD_BYTES = 32
_HASH_ITERATIONS = 1024
_OURS = frozenset({"password", "server.json", "users.lock", "start.lock", "supervisor.lock"})


def default_data_dir() -> Path:
    """The default directory of this user's embedded database."""
    import platformdirs

    return platformdirs.user_data_path("neo4j-m2m") / "neo4j"


class DataDirectory:
    """The paths within one data directory, and its password."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.password_file = self.path / "password"
        self.state_file = self.path / "server.json"
        self.users_lock = self.path / "users.lock"
        self.start_lock = self.path / "start.lock"
        self.supervisor_lock = self.path / "supervisor.lock"
        self.supervisor_log = self.path / "logs" / "supervisor.log"
        self.jvm_log = self.path / "logs" / "jvm.log"
        self.neo4j_log = self.path / "logs" / "neo4j.log"
        self.configuration_dir = self.path / "conf"
        self.jvm_arguments = self.path / "conf" / "java.args"
        self._initial_password = self.path / "data" / "dbms" / "auth.ini"

    def prepare(self) -> None:
        """Make the directory and its password file if they do not exist. Many processes may do so at once.

        Raises ``DataDirectoryUnusable`` if it is not a directory, belongs to someone else, holds other things, or
        cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.path.stat()
            if status.st_uid != os.geteuid():
                raise DataDirectoryUnusable(f"The data directory {self.path} belongs to another user. {ELSEWHERE}")
            if not self.password_file.exists():
                self._refuse_foreign_content()
                self._create_password()
            if stat.S_IMODE(status.st_mode) & 0o077:
                self.path.chmod(0o700)
            if stat.S_IMODE(self.password_file.stat().st_mode) & 0o077:
                self.password_file.chmod(0o600)
            (self.path / "logs").mkdir(mode=0o700, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except FileExistsError as error:
            raise DataDirectoryUnusable(
                f"The data directory {self.path} is a file, not a directory. {ELSEWHERE}"
            ) from error
        except OSError as error:
            raise DataDirectoryUnusable(
                f"The data directory {self.path} cannot be used: {error.strerror or error}. Make it one that you may "
                f"write. {ELSEWHERE}"
            ) from error

    def password(self) -> SecretStr:
        """The password. Raises ``DataDirectoryUnusable`` if its file cannot be read."""
        try:
            return SecretStr(self.password_file.read_text(encoding="ascii").strip())
        except OSError as error:
            raise DataDirectoryUnusable(
                f"The password of the database cannot be read from {self.password_file}: {error.strerror}."
            ) from error

    def write_initial_password(self) -> None:
        """Write the salted hash of the password to the place where Neo4j looks for it at its first start.

        Neo4j reads it only while its user still has the password of a fresh installation. So writing it before every
        start is harmless, and after a crash at any moment, the next start repairs everything.
        """
        salt = secrets.token_bytes(32)
        digest = hashlib.sha256(salt + self.password().get_secret_value().encode()).digest()
        for _ in range(_HASH_ITERATIONS - 1):
            digest = hashlib.sha256(digest).digest()
        self._initial_password.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(
            self._initial_password, f"{USERNAME}:SHA-256,{digest.hex()},{salt.hex()},{_HASH_ITERATIONS}:\n"
        )

    def remove_initial_password(self) -> None:
        """Remove what ``write_initial_password`` wrote: the database has its own copy now."""
        self._initial_password.unlink(missing_ok=True)

    def _create_password(self) -> None:
        """Write a new password, unless another process is faster."""
        descriptor, temporary = tempfile.mkstemp(prefix=".password-", dir=self.path)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(_PASSWORD_BYTES) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(temporary, self.password_file)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def _refuse_foreign_content(self) -> None:
        names = {entry.name for entry in self.path.iterdir() if not entry.name.startswith((".password-", ".server"))}
        if names - _OURS and not self.password_file.exists():
            raise DataDirectoryUnusable(
                f"The data directory {self.path} holds files that are not the embedded database's. {ELSEWHERE}"
            )
