"""What a collector of OpenTelemetry gets of an app's calls, if its settings ask for it."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from local.console import Console
from local.emulators.callers import bearer
from local.emulators.databricks.emulate import platform
from local.emulators.loopback_server import served
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings
from tests.support.canaries import WATCH
from tests.support.collector import Collector, said

pytestmark = pytest.mark.processes

CANARY = "canary-app-telemetry-77d0"


def test_what_was_called_is_told_even_if_the_platform_stops_the_app_at_once(
    sample_database: EmbeddedNeo4j, console: Console, tmp_path: Path
) -> None:
    database, collector, log = sample_database, Collector(), tmp_path / "app.log"
    settings = LocalSettings(neo4j_uri=database.uri, neo4j_username=database.username, neo4j_password=database.password)
    body = {"query": "RETURN $it AS it", "params": {"it": CANARY}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read-cypher", "arguments": body}}
    with served(collector, name="the collector") as endpoint:
        environ = {"NEO4J_M2M_TELEMETRY": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        with log.open("w") as output, platform(settings, console, environ=environ, log=output) as running:
            auth = bearer(running.line["token_url"], running.line, scope="all-apis")
            with httpx2.Client(trust_env=False, timeout=60, auth=auth) as client:
                answer = client.post(running.line["url"], json=message).json()
            assert answer["result"]["structuredContent"]["rows"] == [[CANARY]]
        span = collector.span("neo4j_m2m.call")
        assert said(span.attributes) == {
            "neo4j_m2m.platform": "databricks",
            "neo4j_m2m.rule": "the agent reads",
            "mcp.method.name": "tools/call",
            "gen_ai.tool.name": "read-cypher",
            "neo4j_m2m.outcome": "ok",
        }
        # A scope does not tell when the secret was written: its age counts from when the app first saw it.
        (age,) = collector.metrics["neo4j_m2m.credential.age"].gauge.data_points
        assert 0 < age.as_double < 3600
    for hidden in (CANARY, "RETURN", running.line["client_id"], running.line["client_secret"]):
        assert hidden not in collector.text
    WATCH.look(collector.text, "what the collector was sent")
    WATCH.look(log.read_text(), "the log of the app")
