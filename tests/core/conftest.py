"""What tests of the server's parts share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.graph.database import Database
from core.settings import Settings


@pytest.fixture
async def graph(settings: Settings) -> AsyncIterator[Database]:
    """The database with the sample graph, which tests read only."""
    graph = Database(settings)
    yield graph
    await graph.close()
