"""Advisory locks on files. The kernel drops them when their holder ends, however it ends."""

from __future__ import annotations

import enum
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

__all__ = ["FileLock", "LockMode", "is_held"]

_SECONDS_BETWEEN_TRIES = 0.05


class LockMode(enum.IntEnum):
    """How a lock is held: by any number of holders at once, or by one alone."""

    SHARED = fcntl.LOCK_SH
    EXCLUSIVE = fcntl.LOCK_EX


class FileLock:
    """A lock on one file, which is created (mode 0600) when needed and never deleted.

    No child process inherits it, unless it is forked without ``exec``.
    """

    def __init__(self, path: Path) -> None:
        """Raises ``OSError`` if the file cannot be opened."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, mode: LockMode, timeout: float = 0.0) -> bool:
        """Take the lock, or change how it is held, trying for ``timeout`` seconds; returns whether it is held so now.

        When a change of mode fails, the lock is no longer held at all.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(self._descriptor, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_SECONDS_BETWEEN_TRIES)
            else:
                return True

    def is_in_place(self) -> bool:
        """Whether the file is still the one at its path, so that others lock the same one."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Drop the lock. Further calls do nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_held(path: Path) -> bool:
    """Whether some process holds the file at ``path`` exclusively. Raises ``OSError`` if it cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
