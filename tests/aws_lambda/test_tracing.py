"""What X-Ray gets to see, if it is told to: received as its daemon receives it, from AWS's own runtime client."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.emulators.aws.secrets_manager import RunningSecretsManager, running_secrets_manager
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda import runtime_api
from tests.aws_lambda.deployed import IAM, Lambda, environ_of, event, message, result, secret_of
from tests.support.canaries import WATCH

pytestmark = pytest.mark.processes

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
CANARY = "canary-traced-8f03"


class Daemon:
    """X-Ray's daemon as far as segments come to it.

    Source: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html .
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.text = ""

    def received(self, name: str) -> list[dict[str, Any]]:
        """All segments, once there is one called ``name``; waits for it."""
        segments: list[dict[str, Any]] = []
        self._socket.settimeout(20)
        while name not in [segment["name"] for segment in segments]:
            segments.append(self._next())
        return segments

    def _next(self) -> dict[str, Any]:
        text = self._socket.recv(65_536).decode()
        self.text += text
        header, _, body = text.partition("\n")
        assert json.loads(header) == {"format": "json", "version": 1}
        segment: dict[str, Any] = json.loads(body)
        return segment

    def nothing_came(self) -> bool:
        self._socket.settimeout(0.3)
        try:
            self._next()
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        WATCH.look(self.text, "what X-Ray was sent")
        self._socket.close()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def store(sample_database: EmbeddedNeo4j) -> Iterator[RunningSecretsManager]:
    with running_secrets_manager("eu-central-1") as running:
        running.create("neo4j/traced", secret_of(sample_database))
        yield running


@pytest.fixture
def environ(store: RunningSecretsManager, daemon: Daemon) -> dict[str, str]:
    return {**environ_of(store, "neo4j/traced"), "AWS_XRAY_DAEMON_ADDRESS": daemon.address}


def test_a_traced_call_shows_that_it_ran_and_nothing_of_what_it_was_about(
    environ: dict[str, str], sample_database: EmbeddedNeo4j, daemon: Daemon, tmp_path: Path
) -> None:
    asked = message(query=f"RETURN '{CANARY}' AS it, $it AS too", params={"it": f"{CANARY}-2"})
    with runtime_api.running(
        "aws_lambda.app.handler", {**environ, "NEO4J_M2M_TRACING": "true"}, tmp_path / "log"
    ) as api:
        answer = api.invoke(event(asked), trace=f"Root={ROOT};Parent={PARENT};Sampled=1")
        assert result(answer)["structuredContent"]["rows"] == [[CANARY, f"{CANARY}-2"]]
        segments = daemon.received("## handler")
        assert api.failures == []
    # Lambda itself makes the segment of a call; the function adds to it.
    assert {(one["type"], one["trace_id"], one["parent_id"]) for one in segments} == {("subsegment", ROOT, PARENT)}
    by_name = {one["name"]: one for one in segments}
    assert by_name["## handler"]["annotations"] == {"ColdStart": True, "Service": "neo4j-m2m"}
    assert "metadata" not in by_name["## handler"]
    assert by_name["secretsmanager"]["aws"]["operation"] == "GetSecretValue"
    secrets = (sample_database.password.get_secret_value(), environ["AWS_SECRET_ACCESS_KEY"])
    for hidden in (CANARY, "RETURN", sample_database.uri, IAM["userArn"], *secrets, environ["AWS_SESSION_TOKEN"]):
        assert hidden not in daemon.text


def test_a_call_that_is_not_sampled_or_not_to_be_traced_sends_nothing(
    environ: dict[str, str], daemon: Daemon, tmp_path: Path
) -> None:
    traces = {"true": f"Root={ROOT};Parent={PARENT};Sampled=0", "false": f"Root={ROOT};Parent={PARENT};Sampled=1"}
    for tracing, trace in traces.items():
        told = {**environ, "NEO4J_M2M_TRACING": tracing}
        with runtime_api.running("aws_lambda.app.handler", told, tmp_path / "log") as api:
            assert not result(api.invoke(event(message()), trace=trace)).get("isError")
    assert daemon.nothing_came()


def test_a_gateways_lambda_target_is_traced_too(environ: dict[str, str], daemon: Daemon) -> None:
    told = {**environ, "NEO4J_M2M_TRACING": "true", "NEO4J_M2M_GATEWAY_PRINCIPAL": "gateway"}
    with Lambda(told, handler="aws_lambda.gateway.handler") as target:
        custom = {"bedrockAgentCoreToolName": "neo4j___read-cypher"}
        assert target.function.invoke({"query": "RETURN 1 AS one"}, custom)["rows"] == [[1]]
        assert daemon.received("## handler")[-1]["annotations"]["ColdStart"] is True
        assert target.function.invoke({"query": "RETURN 1 AS one"}, custom)["rows"] == [[1]]
        assert daemon.received("## handler")[-1]["annotations"]["ColdStart"] is False
