"""The secret and the database user that a test rotates."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.neo4j import EmbeddedNeo4j
from tests.core.credentials.rotating import Place


@pytest.fixture
def place(scratch_database: EmbeddedNeo4j, tmp_path: Path) -> Place:
    return Place(scratch_database, tmp_path)
