"""What Azure Monitor's own exporter makes of the function's calls, in Azure's own worker: run by ``make azure-worker``.

Application Insights is a server on this machine; what it takes is what the exporter sends as its own wire format.
"""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.emulators.azure.emulate import Subscription
from local.emulators.http_front import Answer, HttpFront, body_of
from local.emulators.loopback_server import served
from tests.azure_function.apps import call
from tests.azure_function.azure_worker import invocation, worked
from tests.azure_function.conftest import SECRET
from tests.azure_function.worker_checks import FUNCTION_KEY, wwwroot
from tests.azure_package.packers import ROOT, checkout, packed_by_azd
from tests.support.canaries import WATCH
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

pytestmark = pytest.mark.processes

PYTHON = ROOT / ".venv-azure-monitor/bin/python"
MARK = "value-azure-monitor-b1d9"
"""A value of the call: its answer has it, and telemetry must not."""


class ApplicationInsights(HttpFront):
    """Takes telemetry at its ingestion endpoint, and keeps each item by its kind."""

    def __init__(self) -> None:
        self.items: dict[str, list[dict[str, Any]]] = {}
        self.text = ""

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        body = await body_of(receive, 1 << 24)
        assert body is not None
        if dict(scope["headers"]).get(b"content-encoding") == b"gzip":
            body = gzip.decompress(body)
        if not scope["path"].endswith("/track"):
            return 404, {}.items(), b""
        self.text += body.decode()
        items = json.loads(body)
        for item in items:
            self.items.setdefault(item["data"]["baseType"], []).append(item["data"]["baseData"])
        said = {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}
        return 200, {"content-type": "application/json"}.items(), json.dumps(said).encode()

    def metrics(self) -> set[str]:
        return {metric["name"] for item in self.items.get("MetricData", []) for metric in item["metrics"]}


def test_application_insights_gets_calls_and_nothing_of_what_they_were_about(
    stocked: Subscription, tmp_path: Path
) -> None:
    clone = checkout(tmp_path / "clone")
    published = wwwroot(clone, packed_by_azd(clone), tmp_path / "published")
    insights, seen = ApplicationInsights(), tmp_path / "seen"
    asked = invocation("mcp", body=call(query="RETURN $it AS it", params={"it": MARK}))
    with served(insights, name="Application Insights") as endpoint, ThreadPoolExecutor() as threads:
        environ = {
            **stocked.environ,
            **FUNCTION_KEY,
            "NEO4J_M2M_SECRET": SECRET,
            "NEO4J_M2M_TELEMETRY": "true",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": (
                f"InstrumentationKey=00000000-0000-4000-8000-000000000001;IngestionEndpoint={endpoint}/"
            ),
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        working = threads.submit(worked, published, environ, [asked], python=PYTHON, until=seen)
        try:
            arrived = eventually(
                lambda: working.done() or ("neo4j_m2m.calls" in insights.metrics() and "RequestData" in insights.items)
            )
        finally:
            seen.touch()
        said, log = working.result()
    assert arrived, log
    assert said["answers"][0][0]["status"] == 200, said
    (request,) = (item for item in insights.items["RequestData"] if item["name"] == "neo4j_m2m.call")
    properties = {name: value for name, value in request["properties"].items() if not name.startswith("_MS.")}
    assert {name: properties[name] for name in ("gen_ai.tool.name", "neo4j_m2m.outcome", "neo4j_m2m.platform")} == {
        "gen_ai.tool.name": "read-cypher",
        "neo4j_m2m.outcome": "ok",
        "neo4j_m2m.platform": "azure",
    }
    assert {"neo4j_m2m.calls", "neo4j_m2m.call.duration", "neo4j_m2m.credential.age"} <= insights.metrics()
    assert "MessageData" not in insights.items, "logs are Azure's to collect, not the exporter's"
    for hidden in (MARK, "RETURN", "canary-"):
        assert hidden not in insights.text
    WATCH.look(insights.text, "what Application Insights was sent")
