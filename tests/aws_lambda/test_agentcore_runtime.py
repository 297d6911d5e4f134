"""AgentCore Runtime's contract with an MCP server: a process, a port, POST /mcp, no sessions of the server's own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from local.emulators.aws.secrets_manager import RunningSecretsManager
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda.deployed import environ_of, message, secret_of

pytestmark = pytest.mark.processes

SESSION = {"mcp-session-id": "a-session-of-the-platform-0123456789ab"}


@contextmanager
def runtime(environ: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "aws_lambda.agentcore_runtime", "--port", str(port)]
    process = subprocess.Popen(command, env={**told, "AWS_REGION": "eu-central-1", **environ})
    try:
        deadline = time.monotonic() + 40
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "the process ended"
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        assert process.wait(15) is not None


@pytest.fixture(scope="module")
def environ(store: RunningSecretsManager, sample_database: EmbeddedNeo4j) -> dict[str, str]:
    store.create("neo4j/runtime", secret_of(sample_database))
    policy = '[[rule]]\nname = "runtime"\nid = "my-runtime"\ntools = ["read-cypher"]\n'
    return {
        **environ_of(store, "neo4j/runtime"),
        "NEO4J_M2M_GATEWAY_PRINCIPAL": "my-runtime",
        "NEO4J_M2M_POLICY": policy,
    }


@pytest.fixture(scope="module")
def url(environ: dict[str, str]) -> Iterator[str]:
    with runtime(environ) as url:
        yield url


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_client_reads_the_graph_with_a_session_that_the_platform_made_up(url: str, mode: str) -> None:
    async with (
        httpx2.AsyncClient(headers=SESSION, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,  # type: ignore[arg-type]
    ):
        assert [tool.name for tool in (await client.list_tools()).tools] == ["read-cypher"]
        answer = await client.call_tool("read-cypher", {"query": "MATCH (a:Airport) RETURN count(a) AS n"})
    assert answer.structured_content is not None
    assert answer.structured_content["rows"][0][0] > 1000


def test_each_request_stands_alone_and_gets_json(url: str) -> None:
    for session in (SESSION, {"mcp-session-id": "another"}, {}):
        accept = {"accept": "application/json, text/event-stream", **session}
        answer = httpx2.post(url, json=message(), headers=accept, trust_env=False, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert "mcp-session-id" not in answer.headers
        assert answer.json()["result"]["structuredContent"]["rows"] == [[1]]


def test_with_oauth_a_caller_without_a_token_is_refused_though_the_platform_let_it_in(environ: dict[str, str]) -> None:
    issuers = '[[issuer]]\nname = "i"\nplatform = "aws"\nissuer = "https://issuer.example.com"\naudience = "a"\n'
    jwt = {**environ, "NEO4J_M2M_CALLER_AUTH": "jwt", "NEO4J_M2M_ISSUERS": issuers}
    with runtime(jwt) as url:
        assert httpx2.post(url, json=message(), trust_env=False, timeout=30).status_code == 401


def test_a_runtime_that_does_not_know_as_whom_it_serves_does_not_start(environ: dict[str, str]) -> None:
    told = {**environ, "NEO4J_M2M_GATEWAY_PRINCIPAL": ""}
    command = [sys.executable, "-m", "aws_lambda.agentcore_runtime", "--port", "1"]
    path = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ended = subprocess.run(command, env={**path, **told}, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "NEO4J_M2M_GATEWAY_PRINCIPAL" in ended.stderr
