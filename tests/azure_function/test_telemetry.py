"""What a collector of OpenTelemetry gets of an Azure function's calls, if its settings ask for it."""

from __future__ import annotations

import pytest

from local.emulators.azure.emulate import Subscription
from local.emulators.loopback_server import served
from tests.azure_function.apps import call, function_app
from tests.azure_function.conftest import SECRET
from tests.support.canaries import WATCH
from tests.support.collector import Collector, said
from tests.support.waiting import eventually

pytestmark = pytest.mark.processes

CANARY = "canary-azure-telemetry-41c7"
TELEMETRY = {"NEO4J_M2M_TELEMETRY": "true", "OTEL_METRIC_EXPORT_INTERVAL": "200"}
KEY_MODE = {"NEO4J_M2M_CALLER_AUTH": "function_key", "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": "foundry"}


def test_calls_are_traced_and_measured_while_the_app_runs_on(stocked: Subscription) -> None:
    collector = Collector()
    with (
        served(collector, name="the collector") as endpoint,
        function_app(
            stocked, NEO4J_M2M_SECRET=SECRET, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **TELEMETRY, **KEY_MODE
        ) as app,
    ):
        key = app.keys.functions["mcp"]
        asked = app.post(call(query="RETURN $it AS it", params={"it": CANARY}), x_functions_key=key)
        assert asked.json()["result"]["structuredContent"]["rows"] == [[CANARY]]
        span = collector.span("neo4j_m2m.call")
        assert said(span.attributes) == {
            "neo4j_m2m.platform": "azure",
            "neo4j_m2m.rule": said(span.attributes)["neo4j_m2m.rule"],
            "mcp.method.name": "tools/call",
            "gen_ai.tool.name": "read-cypher",
            "neo4j_m2m.outcome": "ok",
        }
        assert eventually(lambda: "neo4j_m2m.calls" in collector.metrics)
        # Key Vault tells when the secret was written.
        (age,) = collector.metrics["neo4j_m2m.credential.age"].gauge.data_points
        assert 0 < age.as_double < 3600
    for hidden in (CANARY, "RETURN", key):
        assert hidden not in collector.text
    WATCH.look(collector.text, "what the collector was sent")


def test_a_collector_that_does_not_answer_loses_no_call(stocked: Subscription) -> None:
    collector = Collector()
    collector.held.clear()
    with (
        served(collector, name="the collector") as endpoint,
        function_app(
            stocked, NEO4J_M2M_SECRET=SECRET, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **TELEMETRY, **KEY_MODE
        ) as app,
    ):
        for _ in range(3):
            assert app.post(call(), x_functions_key=app.keys.functions["mcp"]).status_code == 200
        collector.held.set()
