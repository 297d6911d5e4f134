"""What the whole suite shares: a real Neo4j with the sample graph, and another that a test may fill as it likes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import neo4j
import pytest

from core.settings import Settings
from local.console import Console
from local.neo4j import EmbeddedNeo4j
from local.sample import load_sample
from tests.support.canaries import WATCH, watch_the_log


def pytest_configure(config: pytest.Config) -> None:
    watch_the_log()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, text in report.sections:
        WATCH.look(text, f"{name} of {report.nodeid.partition('[')[0]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"looked for secrets in {WATCH.texts:,} log lines and outputs")
    for found in sorted(set(WATCH.found)):
        terminalreporter.write_line(f"a secret shows: {found}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that is skipped has failed: nothing that this suite needs may be missing there.

    A secret that shows in anything that the suite put out is a failure everywhere.
    """
    if WATCH.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def console() -> Console:
    return Console()


def _running(tmp_path_factory: pytest.TempPathFactory, name: str, console: Console) -> EmbeddedNeo4j:
    return EmbeddedNeo4j(data_dir=tmp_path_factory.mktemp(name), console=console)


def _driver(database: EmbeddedNeo4j) -> neo4j.Driver:
    auth = (database.username, database.password.get_secret_value())
    return neo4j.GraphDatabase.driver(database.uri, auth=auth, telemetry_disabled=True)


@pytest.fixture(scope="session")
def sample_database(tmp_path_factory: pytest.TempPathFactory, console: Console) -> Iterator[EmbeddedNeo4j]:
    """A database with the sample graph; tests read it only."""
    with _running(tmp_path_factory, "sample", console) as database:
        with _driver(database) as driver:
            load_sample(driver, database=database.database, console=console)
        yield database


@pytest.fixture(scope="session")
def neo4j_driver(sample_database: EmbeddedNeo4j) -> Iterator[neo4j.Driver]:
    with _driver(sample_database) as driver:
        yield driver


@pytest.fixture(scope="session")
def scratch_database(tmp_path_factory: pytest.TempPathFactory, console: Console) -> Iterator[EmbeddedNeo4j]:
    """A database that any test may fill, empty and change; what it finds there is chance."""
    with _running(tmp_path_factory, "scratch", console) as database:
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
