"""The version of this distribution, told to clients and to the database."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["server_version"]


def server_version() -> str:
    """The version of this distribution; ``0`` where it runs as plain files, without being installed."""
    try:
        return version("neo4j-m2m")
    except PackageNotFoundError:
        return "0"
