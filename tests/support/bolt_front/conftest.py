"""A front before a real Neo4j, and a real issuer of tokens."""

from __future__ import annotations

from collections.abc import Iterator

import neo4j
import pytest
from pydantic import SecretStr

from core.identity.issuers import parse_issuers
from core.identity.tokens import TokenVerifier
from local.emulators.issuer import Client, Issuer, Resource, running_issuer
from local.neo4j import EmbeddedNeo4j
from tests.support.bolt_front import Backend, FrontRules, RunningBoltFront, running_bolt_front

KEY = "canary-bolt-key-81aa"

Users = dict[str, tuple[str, SecretStr]]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    clients = [Client("agent", "s", scopes=frozenset({"read"})), Client("other", "s")]
    with running_issuer(Issuer("oidc", clients, [Resource("api://neo4j"), Resource("api://else")])) as running:
        yield running.issuer


@pytest.fixture(scope="module")
def backend(scratch_database: EmbeddedNeo4j) -> Backend:
    database = scratch_database
    return Backend("127.0.0.1", database.port, database.username, database.password)


def verifier(issuer: Issuer, *, leeway: int = 0) -> TokenVerifier:
    text = f"""
        [[issuer]]
        name = "db"
        platform = "oidc"
        issuer = "{issuer.url}"
        audience = "api://neo4j"
        leeway = {leeway}
    """
    return TokenVerifier(parse_issuers(text, source="test"))


@pytest.fixture(scope="module")
def users(empty_neo4j_driver: neo4j.Driver) -> Users:
    statement = "CREATE OR REPLACE USER other SET PASSWORD 'password-of-other' CHANGE NOT REQUIRED"
    empty_neo4j_driver.execute_query(statement, database_="system")
    return {"other": ("other", SecretStr("password-of-other"))}


@pytest.fixture
def front(issuer: Issuer, backend: Backend, users: Users) -> Iterator[RunningBoltFront]:
    rules = FrontRules(verifier(issuer), users, {"api-key": SecretStr(KEY)})
    with running_bolt_front(backend, rules) as front:
        yield front
