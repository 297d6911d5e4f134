"""One running embedded database for the tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.neo4j import EmbeddedNeo4j
from tests.local.neo4j.processes import QUIET


@pytest.fixture(scope="package")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNeo4j]:
    data_dir = tmp_path_factory.mktemp("embedded")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NEO4J_PASSWORD", "of another database")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "of somebody's cloud")
        with EmbeddedNeo4j(data_dir, console=QUIET) as running:
            environment.undo()
            yield running
