"""What the whole suite shares: a real Neo4j with the sample graph, and another that a test may fill as it likes.

The one with the sample graph is read only, so all processes of a run share it. Each has the other for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import neo4j
import pytest

from core.settings import Settings
from local.console import Console
from local.locks import FileLock, LockMode
from local.neo4j import EmbeddedNeo4j
from local.sample import load_sample

pytest_plugins = ["tests.support.suite", "tests.support.tiers"]

_LOADING_SECONDS = 300.0


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def console() -> Console:
    return Console()


def _driver(database: EmbeddedNeo4j) -> neo4j.Driver:
    auth = (database.username, database.password.get_secret_value())
    return neo4j.GraphDatabase.driver(database.uri, auth=auth, telemetry_disabled=True)


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A directory that all processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own  # xdist's workers have a directory each


@pytest.fixture(scope="session")
def sample_database(run_directory: Path, console: Console) -> Iterator[EmbeddedNeo4j]:
    """A database with the sample graph; tests read it only."""
    with EmbeddedNeo4j(data_dir=run_directory / "sample", console=console) as database:
        with FileLock(run_directory / "sample.loading") as loading, _driver(database) as driver:
            assert loading.acquire(LockMode.EXCLUSIVE, timeout=_LOADING_SECONDS)
            load_sample(driver, database=database.database, console=console)
        yield database


@pytest.fixture(scope="session")
def neo4j_driver(sample_database: EmbeddedNeo4j) -> Iterator[neo4j.Driver]:
    with _driver(sample_database) as driver:
        yield driver


@pytest.fixture(scope="session")
def scratch_database(tmp_path_factory: pytest.TempPathFactory, console: Console) -> Iterator[EmbeddedNeo4j]:
    """A database that any test may fill, empty and change; what it finds there is chance."""
    with EmbeddedNeo4j(data_dir=tmp_path_factory.mktemp("scratch"), console=console) as database:
        yield database


@pytest.fixture(scope="session")
def empty_neo4j_driver(scratch_database: EmbeddedNeo4j) -> Iterator[neo4j.Driver]:
    with _driver(scratch_database) as driver:
        yield driver


@pytest.fixture(scope="session")
def settings(sample_database: EmbeddedNeo4j) -> Settings:
    """Settings that name the database with the sample graph."""
    return settings_for(sample_database)


@pytest.fixture(scope="session")
def scratch_settings(scratch_database: EmbeddedNeo4j) -> Settings:
    return settings_for(scratch_database)


def settings_for(database: EmbeddedNeo4j) -> Settings:
    return Settings(
        neo4j_uri=database.uri,
        neo4j_username=database.username,
        neo4j_password=database.password,
        neo4j_database=database.database,
    )
