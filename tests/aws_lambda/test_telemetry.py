"""What a collector of OpenTelemetry gets of calls, if the settings ask for it: received as OTLP over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulators.aws.secrets_manager import RunningSecretsManager
from local.emulators.loopback_server import served
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda.deployed import IAM, Lambda, environ_of, event, message, secret_of
from tests.support.canaries import WATCH
from tests.support.collector import Collector, said
from tests.support.waiting import eventually

pytestmark = pytest.mark.processes

CANARY = "canary-telemetry-8f03"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SECRET = "neo4j/telemetry"


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def environ(
    store: RunningSecretsManager, sample_database: EmbeddedNeo4j, collector: Collector
) -> Iterator[dict[str, str]]:
    name = f"{SECRET}/{time.monotonic_ns()}"
    store.create(name, secret_of(sample_database))
    policy = f'[[rule]]\nname = "the traced agent"\nid = "arn:aws:iam::{IAM["accountId"]}:role/Agent"\n'
    with served(collector, name="the collector") as endpoint:
        yield {
            **environ_of(store, name),
            "NEO4J_M2M_POLICY": policy,
            "NEO4J_M2M_TELEMETRY": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        }
        WATCH.look(collector.text, "what the collector was sent")


def test_a_call_is_a_span_with_its_rule_and_tool_and_nothing_of_what_it_was_about(
    environ: dict[str, str], collector: Collector, sample_database: EmbeddedNeo4j
) -> None:
    asked = event(message(query=f"RETURN '{CANARY}' AS it, $it AS too", params={"it": f"{CANARY}-2"}))
    asked["headers"]["traceparent"] = f"00-{TRACE}-{SPAN}-01"
    with Lambda(environ) as function:
        assert function.function.invoke(asked)["statusCode"] == 200
        span = collector.span("neo4j_m2m.call")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert said(span.attributes) == {
        "neo4j_m2m.platform": "aws",
        "neo4j_m2m.rule": "the traced agent",
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "read-cypher",
        "neo4j_m2m.outcome": "ok",
    }
    # The span that the SDK for MCP makes of the message belongs to it.
    assert collector.span("tools/call read-cypher").parent_span_id == span.span_id
    secrets = (sample_database.password.get_secret_value(), environ["AWS_SECRET_ACCESS_KEY"])
    for hidden in ("RETURN", sample_database.uri, IAM["userArn"], "role/Agent", *secrets, CANARY):
        assert hidden not in collector.text


def test_calls_refusals_latency_and_the_credentials_age_are_measured(
    environ: dict[str, str], collector: Collector
) -> None:
    with Lambda(environ) as function:
        for _ in range(3):
            function.rows()
        function.call(message("write-cypher", query="CREATE (:X)"))
        function.function.invoke(event(message(), iam=None))
        assert eventually(lambda: "neo4j_m2m.refusals" in collector.metrics)
    calls = collector.metrics["neo4j_m2m.calls"].sum.data_points
    counted = {
        (said(one.attributes).get("gen_ai.tool.name"), said(one.attributes)["neo4j_m2m.outcome"]): one.as_int
        for one in calls
    }
    assert counted == {("read-cypher", "ok"): 3, ("write-cypher", "not_granted"): 1, (None, "unauthenticated"): 1}
    refused = collector.metrics["neo4j_m2m.refusals"].sum.data_points
    assert sum(one.as_int for one in refused) == 2
    durations = collector.metrics["neo4j_m2m.call.duration"]
    assert durations.unit == "s"
    assert sum(one.count for one in durations.histogram.data_points) == 5
    (age,) = collector.metrics["neo4j_m2m.credential.age"].gauge.data_points
    assert 0 < age.as_double < 600, "since the secret was written, by Secrets Manager's own account"


def test_a_collector_that_does_not_answer_costs_a_call_half_a_second_and_no_answer(
    environ: dict[str, str], collector: Collector
) -> None:
    with Lambda(environ) as function:
        function.rows()
        collector.held.clear()
        try:
            begun = time.monotonic()
            for _ in range(3):
                assert function.rows() == [[1]]
            assert time.monotonic() - begun < 15, "each call would wait ten seconds for the collector"
        finally:
            collector.held.set()


def test_off_nothing_is_sent(environ: dict[str, str], collector: Collector) -> None:
    with Lambda({**environ, "NEO4J_M2M_TELEMETRY": "false"}) as function:
        function.rows()
    assert collector.text == ""


def test_a_lambda_target_is_measured_too(environ: dict[str, str], collector: Collector, tmp_path: Path) -> None:
    told = {**environ, "NEO4J_M2M_GATEWAY_PRINCIPAL": f"arn:aws:iam::{IAM['accountId']}:role/Agent"}
    with Lambda(told, handler="aws_lambda.gateway.handler") as target:
        custom = {"bedrockAgentCoreToolName": "neo4j___read-cypher"}
        assert target.function.invoke({"query": "RETURN 1 AS one"}, custom)["rows"] == [[1]]
        assert said(collector.span("neo4j_m2m.call").attributes)["gen_ai.tool.name"] == "read-cypher"
