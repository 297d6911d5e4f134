"""The handlers, called by AWS's own runtime client: with a real context, by a real Runtime API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from local.emulators.aws.secrets_manager import RunningSecretsManager, running_secrets_manager
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda.deployed import environ_of, event, message, result, secret_of
from tests.aws_rie.emulator import Emulator, ThroughEmulator, binary, running
from tests.support.tcp_proxy import TcpProxy

SECRET = "neo4j/agent"


@pytest.fixture(scope="module")
def store() -> Iterator[RunningSecretsManager]:
    with running_secrets_manager("eu-central-1") as manager:
        yield manager


@pytest.fixture(scope="module")
def environ(store: RunningSecretsManager, sample_database: EmbeddedNeo4j) -> dict[str, str]:
    """The environment of a function that may read the secret of the database."""
    store.create(SECRET, secret_of(sample_database))
    return environ_of(store, SECRET)


@pytest.fixture(scope="module")
def emulator(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running("aws_lambda.app.handler", environ, tmp_path_factory.mktemp("rie")) as emulator:
        yield emulator


@pytest.fixture
async def proxy(sample_database: EmbeddedNeo4j) -> AsyncIterator[TcpProxy]:
    async with TcpProxy.to(sample_database.uri) as proxy:
        yield proxy


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_an_sdk_client_reads_the_graph_in_either_era(emulator: Emulator, mode: str) -> None:
    async with (
        httpx2.AsyncClient(transport=ThroughEmulator(emulator)) as http,
        Client(streamable_http_client("http://h/mcp", http_client=http), mode=mode) as client,
    ):
        assert "read-cypher" in [tool.name for tool in (await client.list_tools()).tools]
        answer = await client.call_tool("read-cypher", {"query": "MATCH (a:Airport) RETURN count(a) AS n"})
    assert answer.structured_content is not None
    assert answer.structured_content["rows"][0][0] > 1000


def test_a_caller_whom_nobody_verified_gets_401(emulator: Emulator) -> None:
    assert emulator.invoke(event(message(), iam=None))["statusCode"] == 401


@pytest.mark.parametrize("wrong", [{}, [], "text", None, 1, {"version": "2.0"}, {"requestContext": {"http": {}}}])
def test_an_event_that_is_no_request_gets_403(emulator: Emulator, wrong: Any) -> None:
    assert emulator.invoke(wrong)["statusCode"] == 403


async def test_warm_calls_share_one_connection_to_the_database(
    environ: dict[str, str],
    store: RunningSecretsManager,
    sample_database: EmbeddedNeo4j,
    proxy: TcpProxy,
    tmp_path: Path,
) -> None:
    store.create("neo4j/counted", secret_of(sample_database, uri=proxy.uri))
    with running("aws_lambda.app.handler", {**environ, "NEO4J_M2M_SECRET": "neo4j/counted"}, tmp_path) as emulator:

        def many() -> None:
            for _ in range(300):
                assert result(emulator.invoke(event(message())))["structuredContent"]["rows"] == [[1]]

        await asyncio.to_thread(many)
    assert proxy.connections == 1


def test_each_call_is_one_line_of_the_log_with_lambdas_id_and_none_shows_a_secret(
    environ: dict[str, str], sample_database: EmbeddedNeo4j, tmp_path: Path
) -> None:
    with running("aws_lambda.app.handler", environ, tmp_path) as emulator:
        asked = [event(message()) for _ in range(3)]
        asked += [event(message("write-cypher", query="CREATE (:X)")), event(message(), iam=None)]
        for one in asked:
            emulator.invoke(one)
        emulator.invoke({})
        lines = emulator.lines()
        text = emulator.log.read_text()
    calls = [line for line in lines if line.get("message") == "call"]
    assert [line["request_id"] for line in calls] == [one["requestContext"]["requestId"] for one in asked]
    assert [line["cold_start"] for line in calls] == [True, False, False, False, False]
    assert [line["outcome"] for line in calls] == ["ok", "ok", "ok", "not_granted", "unauthenticated"]
    ids = [line["function_request_id"] for line in calls]
    assert len(set(ids)) == len(ids)
    assert all(f"START RequestId: {one} " in text for one in ids)
    counted = [line for line in lines if "_aws" in line]
    assert [(line.get("Calls"), line.get("Refusals")) for line in counted] == [
        *[([1.0], None)] * 3,
        *[([1.0], [1.0])] * 2,
        (None, [1.0]),
    ]
    assert {one["_aws"]["CloudWatchMetrics"][0]["Namespace"] for one in counted} == {"Neo4jM2M"}
    secrets = [sample_database.password.get_secret_value(), environ["AWS_SECRET_ACCESS_KEY"]]
    for secret in [*secrets, environ["AWS_SESSION_TOKEN"]]:
        assert secret not in text


def test_an_answer_leaves_before_lambda_ends_the_call(environ: dict[str, str], tmp_path: Path) -> None:
    slow = message(query="UNWIND range(1, 1000000000) AS i RETURN sum(i % 7)")
    with running("aws_lambda.app.handler", environ, tmp_path, timeout=5) as emulator:
        emulator.invoke(event(message()))
        begun = time.monotonic()
        told = result(emulator.invoke(event(slow)))
        assert 3 < time.monotonic() - begun < 5
        assert "time was up" in told["content"][0]["text"]
        assert result(emulator.invoke(event(message())))["structuredContent"]["rows"] == [[1]]
        assert "timed out" not in emulator.log.read_text()


def test_a_gateways_lambda_target_finds_the_tool_in_the_client_context(environ: dict[str, str], tmp_path: Path) -> None:
    policy = '[[rule]]\nname = "gateway"\nid = "my-gateway"\ntools = ["read-cypher"]\n'
    more = {"NEO4J_M2M_GATEWAY_PRINCIPAL": "my-gateway", "NEO4J_M2M_POLICY": policy}
    with running("aws_lambda.gateway.handler", {**environ, **more}, tmp_path) as target:
        read = {"bedrockAgentCoreToolName": "neo4j___read-cypher", "bedrockAgentCoreMessageVersion": "1.0"}
        assert target.invoke({"query": "RETURN 1 AS one"}, read)["rows"] == [[1]]
        write = {"bedrockAgentCoreToolName": "neo4j___write-cypher"}
        assert "may not use" in target.invoke({"query": "CREATE (:X)"}, write)["message"]
        assert target.invoke({"query": "RETURN 1"})["isError"] is True


def test_nothing_is_left_when_the_emulator_has_ended(environ: dict[str, str], tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with running("aws_lambda.app.handler", environ, tmp_path) as emulator:
        emulator.invoke(event(message()))
        family = set(psutil.Process().children(recursive=True)) - before
        assert len(family) >= 2
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []


def test_the_emulator_is_awss_own() -> None:
    assert b"aws-lambda-runtime-interface-emulator" in binary().read_bytes()
