from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from local.emulators.azure.emulate import Subscription, subscription
from local.neo4j import EmbeddedNeo4j
from tests.azure_function.apps import App, function_app

SECRET = "neo4j-agent"


@pytest.fixture(scope="session")
def running() -> Iterator[Subscription]:
    """The tenant, the vault and the identity endpoint; the vault holds nothing yet."""
    with subscription() as found:
        yield found


@pytest.fixture(scope="session")
def credential(sample_database: EmbeddedNeo4j) -> SecretStr:
    fields = {
        "uri": sample_database.uri,
        "username": sample_database.username,
        "password": sample_database.password.get_secret_value(),
    }
    return SecretStr(json.dumps(fields))


@pytest.fixture(scope="session")
def stocked(running: Subscription, credential: SecretStr) -> Subscription:
    """The same, and the vault holds the database's credential as ``neo4j-agent``."""
    running.vault.write(SECRET, credential)
    return running


@pytest.fixture(scope="session")
def issuers(running: Subscription) -> str:
    return running.tenant.issuers_text(running.tokens.issuer)


@pytest.fixture(scope="session")
def entra(running: Subscription, issuers: str) -> Iterator[App]:
    """An app that takes applications' tokens of the tenant; it has no database."""
    with function_app(running, NEO4J_M2M_ISSUERS=issuers) as app:
        yield app
