"""What the tests of the function share: a Secrets Manager, and a way to the database on which connections count."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from local.emulators.aws.secrets_manager import RunningSecretsManager, running_secrets_manager
from local.neo4j import EmbeddedNeo4j
from tests.support.tcp_proxy import TcpProxy


@pytest.fixture(scope="module")
def store() -> Iterator[RunningSecretsManager]:
    with running_secrets_manager("eu-central-1") as running:
        yield running


@pytest.fixture
async def proxy(sample_database: EmbeddedNeo4j) -> AsyncIterator[TcpProxy]:
    async with TcpProxy.to(sample_database.uri) as proxy:
        yield proxy
