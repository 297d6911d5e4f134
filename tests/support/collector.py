"""A collector of OpenTelemetry on this machine: what exporters send it as OTLP over HTTP, for tests to look at."""

from __future__ import annotations

import asyncio
import gzip
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from local.emulators.http_front import Answer, HttpFront, body_of
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from core.asgi import Receive, Scope


class Collector(HttpFront):
    """Takes what an exporter sends. While ``held`` is not set, it answers nothing."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.text = ""
        self.held = threading.Event()
        self.held.set()

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        body = await body_of(receive, 1 << 24)
        assert body is not None
        if dict(scope["headers"]).get(b"content-encoding") == b"gzip":
            body = gzip.decompress(body)
        await asyncio.to_thread(self.held.wait)
        message = ExportTraceServiceRequest() if scope["path"] == "/v1/traces" else ExportMetricsServiceRequest()
        message.ParseFromString(body)
        self.text += str(message)
        for group in getattr(message, "resource_spans", ()):
            self.spans += [span for scoped in group.scope_spans for span in scoped.spans]
        for group in getattr(message, "resource_metrics", ()):
            self.metrics |= {metric.name: metric for scoped in group.scope_metrics for metric in scoped.metrics}
        return 200, {}.items(), b""

    def span(self, name: str) -> Any:
        """The last span called ``name``; waits for it."""
        if not eventually(lambda: any(span.name == name for span in self.spans)):
            raise AssertionError(f"no span {name} came, but {[span.name for span in self.spans]}")
        return next(span for span in reversed(self.spans) if span.name == name)


def said(attributes: Any) -> dict[str, Any]:
    """The attributes of a span, or of a metric's point, that are texts."""
    return {one.key: one.value.string_value for one in attributes}
