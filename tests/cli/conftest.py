"""The environment of the commands that tests start."""

from __future__ import annotations

import pytest

from local.neo4j import EmbeddedNeo4j
from tests.support.processes import environment


@pytest.fixture(scope="module")
def environ(sample_database: EmbeddedNeo4j) -> dict[str, str]:
    """The embedded database that the suite runs is shared by every command that is started here."""
    return environment(NEO4J_M2M_DATA_DIR=str(sample_database.data_dir))
