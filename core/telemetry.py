"""Traces and metrics of calls with OpenTelemetry, where the settings ask for them.

One span a call, and for all calls the counters, the histogram and the gauge below. They say which rule let the caller
in, which tool was called, what became of the call and how long it took: never a statement, a value, or who called.
Where they go is said by OpenTelemetry's own variables (``OTEL_…``), not by this server.

The API comes with the SDK for MCP, which makes a span of each message. OpenTelemetry's SDK is not part of this server:
a layer of Lambda, an agent of the platform, or the extra ``telemetry`` brings it. This module imports neither until a
`Telemetry` is made, so that a server without it pays nothing.

Sources: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ ,
https://opentelemetry.io/docs/specs/semconv/general/metrics/ (names and units).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from core.errors import SettingsError
from core.version import server_version

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

__all__ = ["Observed", "Telemetry", "credential_seen"]

_NAME = "neo4j-m2m"

_SAID = {
    "platform": "neo4j_m2m.platform",
    "rule": "neo4j_m2m.rule",
    "method": "mcp.method.name",
    "tool": "gen_ai.tool.name",
    "outcome": "neo4j_m2m.outcome",
}
"""Fields of the audit that spans and metrics may say, and their names there. All others stay in the audit."""

_MEASURED = frozenset({"neo4j_m2m.platform", "neo4j_m2m.rule", "gen_ai.tool.name", "neo4j_m2m.outcome"})
"""Attributes of metrics: what has few values. No caller can add to them: the audit names only tools that there are."""

_REFUSALS = frozenset({"unauthenticated", "forbidden", "not_granted", "refused"})

_DEFAULTS = {"OTEL_SERVICE_NAME": _NAME, "OTEL_LOGS_EXPORTER": "none"}
"""OpenTelemetry's variables where the operator has set none. Logs stay where the platform collects them."""

_OTLP_DEFAULTS = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
}
"""The same for OpenTelemetry's own configurator: HTTP, for gRPC is large. A platform's configurator has an exporter of
its own, and fails if these ask it for one that is not installed."""

_written: dict[str, tuple[str, float]] = {}
"""By the name of each stored credential: its version, and since when (seconds since 1970) that is the current one."""


def credential_seen(name: str, version: str, written_at: float | None) -> None:
    """Remember that the credential ``name`` is now at ``version``, which was written at ``written_at``.

    None stands for a store that does not tell: then it counts from when this process saw the version first.
    """
    known = _written.get(name)
    if written_at is None and known is not None and known[0] == version:
        return
    _written[name] = (version, time.time() if written_at is None else written_at)


class Observed(Protocol):
    """What is known of a call when it is over."""

    fields: dict[str, Any]
    is_call: bool


class Telemetry:
    """Makes a span of each call and counts it. There is one in a process: what it reports to belongs to the process."""

    def __init__(self) -> None:
        """Raises:
        SettingsError: No SDK of OpenTelemetry is installed, so that nothing could be reported.
        """
        from opentelemetry import metrics, trace

        _set_up()
        self._tracer = trace.get_tracer(_NAME, server_version())
        meter = metrics.get_meter(_NAME, server_version())
        self._calls = meter.create_counter("neo4j_m2m.calls", "{call}", "Calls, refused ones included")
        self._refusals = meter.create_counter("neo4j_m2m.refusals", "{call}", "Calls that were refused")
        self._duration = meter.create_histogram("neo4j_m2m.call.duration", "s", "How long calls take")
        meter.create_observable_gauge(
            "neo4j_m2m.credential.age", [_ages], "s", "Since when the database's credential is the current one"
        )

    @contextmanager
    def call(self, record: Observed, headers: Mapping[str, str]) -> Iterator[None]:
        """The span of the call that is answered inside; ``headers`` (lower case) may name the span that it belongs to.

        Whatever is raised inside is not recorded: its text may hold anything.
        """
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, StatusCode

        begun = time.perf_counter()
        with self._tracer.start_as_current_span(
            "neo4j_m2m.call",
            extract(headers),
            SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            finally:
                said = {name: record.fields[field] for field, name in _SAID.items() if field in record.fields}
                span.set_attributes(said)
                if record.fields.get("outcome") not in ("ok", None):
                    span.set_status(StatusCode.ERROR)
                if record.is_call:
                    self._count(said, time.perf_counter() - begun)

    def _count(self, said: Mapping[str, Any], seconds: float) -> None:
        measured = {name: value for name, value in said.items() if name in _MEASURED}
        self._calls.add(1, measured)
        self._duration.record(seconds, measured)
        if said.get("neo4j_m2m.outcome") in _REFUSALS:
            self._refusals.add(1, measured)

    @staticmethod
    def flush(seconds: float) -> None:
        """Report what has not been reported yet, for a process that is about to be frozen; gives up after ``seconds``.

        What is not reported by then is reported later. Never raises.
        """
        from opentelemetry import metrics, trace

        def report() -> None:
            for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
                if hasattr(provider, "force_flush"):
                    provider.force_flush()

        # The SDK's own limit of time does not hold while an exporter waits for a collector that is away.
        reporting = threading.Thread(target=report, daemon=True)
        reporting.start()
        reporting.join(seconds)


def _ages(_: CallbackOptions) -> Iterable[Observation]:
    from opentelemetry.metrics import Observation

    now = time.time()
    return [Observation(max(0.0, now - at), {"neo4j_m2m.credential": name}) for name, (_, at) in _written.items()]


def _set_up() -> None:
    """Let the SDK that is installed configure itself by the environment, unless an agent or a layer has done so."""
    from importlib.metadata import entry_points

    from opentelemetry import trace

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    found = {entry.name: entry for entry in entry_points(group="opentelemetry_configurator")}
    wanted = os.environ.get("OTEL_PYTHON_CONFIGURATOR")
    entry = found.get(wanted) if wanted else next(iter(found.values()), None)
    if entry is None:
        raise SettingsError(
            "NEO4J_M2M_TELEMETRY is on, and no SDK of OpenTelemetry is installed that could report anything. Install "
            "opentelemetry-distro and opentelemetry-exporter-otlp-proto-http (the extra telemetry), or add the layer "
            "or agent of your platform: see docs/telemetry.md."
        )
    own = entry.value.startswith("opentelemetry.")
    for name, value in {**_DEFAULTS, **(_OTLP_DEFAULTS if own else {})}.items():
        os.environ.setdefault(name, value)
    try:
        entry.load()().configure()
    except Exception as error:  # noqa: BLE001 - whatever is installed may raise whatever it likes
        raise SettingsError(
            f"NEO4J_M2M_TELEMETRY is on, and {entry.name} does not start ({type(error).__name__}). Check the variables "
            "whose names begin with OTEL_ and what of OpenTelemetry is installed: see docs/telemetry.md."
        ) from None
