"""Which database a command works with: the one that NEO4J_URI names, or the embedded one with the sample graph."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import neo4j
from pydantic import SecretStr

from core.errors import SettingsError
from local.console import Console
from local.neo4j import EmbeddedNeo4j
from local.sample import load_sample
from local.settings import LocalSettings

S = TypeVar("S", bound=LocalSettings)

__all__ = ["embedded_database", "open_database", "stored_credential"]


@contextmanager
def open_database(settings: S, console: Console) -> Iterator[S]:
    """Settings that name a database: ``settings`` if they do, else those of the embedded one with the sample graph.

    The embedded database runs until the context is left, and longer if another command uses it.

    Raises:
        LocalError: The embedded database does not start, or holds other data than the sample.
    """
    if settings.secret is not None or settings.neo4j_uri is not None:
        yield settings
        return
    with embedded_database(settings, console) as database:
        yield settings.model_copy(
            update={
                "neo4j_uri": database.uri,
                "neo4j_username": database.username,
                "neo4j_password": database.password,
                "neo4j_database": database.database,
            }
        )


def stored_credential(settings: LocalSettings) -> SecretStr:
    """The secret for a secret store, with which a function finds the database that ``settings`` name: JSON.

    Raises:
        SettingsError: They name no database with user and password.
    """
    if settings.neo4j_uri is None or settings.neo4j_password is None:
        raise SettingsError(
            "The platform's secret store needs a user and a password: set NEO4J_URI, NEO4J_USERNAME and "
            "NEO4J_PASSWORD, or none of them for the embedded database."
        )
    fields = {
        "uri": settings.neo4j_uri,
        "username": settings.neo4j_username,
        "password": settings.neo4j_password.get_secret_value(),
        "database": settings.neo4j_database,
    }
    return SecretStr(json.dumps({name: value for name, value in fields.items() if value}))


@contextmanager
def embedded_database(
    settings: LocalSettings, console: Console, *, port: int | None = None, sample: bool = True, full: bool = False
) -> Iterator[EmbeddedNeo4j]:
    """The embedded database, running; with ``sample`` the sample graph is in it, with ``full`` every single flight.

    Raises:
        LocalError: It does not start, or holds other data than the sample.
    """
    embedded = EmbeddedNeo4j(data_dir=settings.data_dir, port=port, cache_dir=settings.cache_dir, console=console)
    with embedded as database:
        if sample:
            _load_sample(database, console, full=full)
        yield database


def _load_sample(database: EmbeddedNeo4j, console: Console, *, full: bool) -> None:
    auth = (database.username, database.password.get_secret_value())
    with (
        _one_at_a_time(database.data_dir / "sample.lock"),
        neo4j.GraphDatabase.driver(database.uri, auth=auth, telemetry_disabled=True) as driver,
    ):
        summary = load_sample(driver, database=database.database, full=full, console=console)
    if not summary.already_loaded:
        console.say(
            f"Sample graph loaded: {summary.nodes:,} nodes and {summary.relationships:,} relationships "
            f"in {summary.seconds:.1f} s"
        )


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Commands that start together load the sample one after another; the kernel frees the lock of a dead one."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
