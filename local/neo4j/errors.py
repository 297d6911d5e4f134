"""What can go wrong with the embedded database: for each class there is one thing to do next, which its text names."""

from __future__ import annotations

from core.errors import LocalError

__all__ = [
    "CacheUnusable",
    "DataDirectoryLocked",
    "DataDirectoryUnusable",
    "DatabaseGone",
    "DatabaseLoginRefused",
    "DiskFull",
    "DownloadFailed",
    "JarMismatch",
    "PortConflict",
    "StartFailed",
]


class CacheUnusable(LocalError):
    """The directory that keeps the downloaded jars cannot be created, read or written."""


class DownloadFailed(LocalError):
    """A jar could not be fetched: no network, a proxy in between, or the repository does not answer."""


class JarMismatch(LocalError):
    """A jar's SHA-256 sum differs from the committed one, even after it was downloaded again. Names the jar."""


class DiskFull(LocalError):
    """The disk, or the user's share of it, has no room for the jars or the data."""


class DataDirectoryUnusable(LocalError):
    """The data directory is not a directory, belongs to someone else, cannot be written, or holds other things."""


class DataDirectoryLocked(LocalError):
    """Another Neo4j, which this program did not start, uses the data directory."""


class PortConflict(LocalError):
    """The wanted port is taken, or the shared database runs on another one."""


class DatabaseLoginRefused(LocalError):
    """The database runs, but does not accept the password kept in its data directory."""


class StartFailed(LocalError):
    """Neo4j ended, or did not answer in time, while it started. The text ends with the last lines of its log."""


class DatabaseGone(LocalError):
    """The database ran and is gone for good: it crashed too often, or what kept it running was killed."""
