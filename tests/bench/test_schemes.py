"""The ways to the database that `bench.schemes` counts on, with the bare driver and a real Neo4j."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack

import neo4j
import pytest

from bench.read_latency import STATEMENT, cold_driver, warm_driver
from bench.schemes import SCHEMES, counted, trusted_certificate
from local.neo4j import EmbeddedNeo4j


@pytest.mark.parametrize(("scheme", "turns"), SCHEMES.items())
async def test_tls_and_routing_are_a_turn_each_in_a_first_read_and_none_in_the_next(
    sample_database: EmbeddedNeo4j, scheme: str, turns: int
) -> None:
    password = sample_database.password.get_secret_value()
    with trusted_certificate() as certificate:
        async with counted(sample_database.uri, scheme, certificate) as (proxy, uri):
            assert uri.startswith(f"{scheme}://")
            with ExitStack() as opened:
                await asyncio.to_thread(cold_driver(opened, uri, password))
                assert (proxy.turns, proxy.connections) == (turns, 1)
            auth = ("neo4j", password)
            with neo4j.GraphDatabase.driver(uri, auth=auth, telemetry_disabled=True) as driver:
                read = warm_driver(driver, lambda: STATEMENT)
                await asyncio.to_thread(read)
                before = proxy.turns
                await asyncio.to_thread(read)
                assert proxy.turns == before + 1


async def test_a_certificate_is_trusted_only_while_it_is_asked_for(
    sample_database: EmbeddedNeo4j, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = sample_database.password.get_secret_value()
    monkeypatch.setenv("SSL_CERT_FILE", "what-was-there.pem")
    with trusted_certificate() as certificate:
        monkeypatch.delenv("SSL_CERT_FILE")
        async with counted(sample_database.uri, "bolt+s", certificate) as (_, uri):
            with ExitStack() as opened, pytest.raises(neo4j.exceptions.ServiceUnavailable, match="encrypted"):
                await asyncio.to_thread(cold_driver(opened, uri, password))
    assert os.environ["SSL_CERT_FILE"] == "what-was-there.pem"
