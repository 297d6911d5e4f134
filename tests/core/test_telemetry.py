"""Telemetry that cannot start says so. What reports it belongs to the process: each case has one of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

STARTS = "from core.telemetry import Telemetry; Telemetry(); print(os.environ['OTEL_LOGS_EXPORTER'])"


def start(**environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", f"import os; {STARTS}"]
    return subprocess.run(command, env=kept | environ, capture_output=True, text=True, timeout=120, check=False)


def test_it_starts_with_no_setting_and_exports_no_logs() -> None:
    started = start()
    assert (started.returncode, started.stdout.strip()) == (0, "none"), started.stderr


@pytest.mark.parametrize(
    "environ", [{"OTEL_TRACES_EXPORTER": "canary-no-such-exporter"}, {"OTEL_PYTHON_CONFIGURATOR": "no-such"}]
)
def test_what_does_not_start_is_an_error_about_the_setting(environ: dict[str, str]) -> None:
    started = start(**environ)
    said = started.stderr.splitlines()[-1]
    assert said.startswith("core.errors.SettingsError: NEO4J_M2M_TELEMETRY is on, and ")
    assert said.endswith("see docs/telemetry.md.")
    assert "canary-" not in started.stderr
