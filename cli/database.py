"""Which database ``serve`` works with: the one that the settings name, or the embedded one with the sample graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cli.extras import from_local
from cli.settings import CommandLineSettings
from core.errors import SettingsError

__all__ = ["served_database"]


@contextmanager
def served_database(settings: CommandLineSettings) -> Iterator[CommandLineSettings]:
    """Settings that name a database: ``settings`` if they do, else those of the embedded one with the sample graph.

    The embedded database runs until the context is left, and longer if another command uses it.

    Raises:
        SettingsError: The settings name half of a database.
        LocalError: The embedded database is not installed, does not start, or holds other data than the sample.
    """
    if settings.secret is not None:
        if settings.credentials_dir is None:
            raise SettingsError(
                f"{settings.variable('secret')} names a secret, but {settings.variable('credentials_dir')} names "
                "no directory that holds it. Set both."
            )
        yield settings
    elif settings.neo4j_uri is not None:
        if settings.neo4j_password is None and settings.database_auth == "basic":
            raise SettingsError(
                "NEO4J_URI is set, but NEO4J_PASSWORD is not. Set both to use that database, or neither to use the "
                "embedded one with the sample graph."
            )
        yield settings
    else:
        local = "The embedded database, which is served while NEO4J_URI is not set,"
        console = from_local("console", local).Console()
        with from_local("database", local).open_database(settings, console) as complete:
            yield complete
