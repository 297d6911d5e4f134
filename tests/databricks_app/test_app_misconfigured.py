"""The app as the platform runs it with a wrong setting: it answers 503, or says what is missing and ends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import httpx2
import pytest

from tests.databricks_app.running_app import CANARY
from tests.support.canaries import WATCH

pytestmark = pytest.mark.processes


def wrongly_set(**changed: str) -> dict[str, str]:
    return {
        "DATABRICKS_HOST": "http://127.0.0.1:9",
        "DATABRICKS_WORKSPACE_ID": "1",
        "DATABRICKS_CLIENT_ID": "app",
        "DATABRICKS_CLIENT_SECRET": CANARY,
        "NEO4J_M2M_LISTEN_HOST": "127.0.0.1",
        **changed,
    }


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"NEO4J_M2M_TIMEOUT": "600"}, "at most 110"),
        ({"DATABRICKS_CLIENT_SECRET": ""}, "DATABRICKS_CLIENT_SECRET"),
        ({"DATABRICKS_WORKSPACE_ID": ""}, "NEO4J_M2M_ISSUERS"),
        ({"NEO4J_M2M_POLICY": "[[rule"}, "NEO4J_M2M_POLICY"),
        ({"NEO4J_M2M_SECRET_VALUE": CANARY}, "SCOPE/KEY"),
    ],
)
def test_a_wrong_setting_is_answered_with_503_on_every_route_and_told_to_the_log(
    changed: dict[str, str], said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "databricks_app.app"],
        env=wrongly_set(DATABRICKS_APP_PORT=str(port), **changed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "serving MCP on port" in line:
                break
        with httpx2.Client(trust_env=False, base_url=f"http://127.0.0.1:{port}") as client:
            answers = [answered(client, path) for path in ("/mcp", "/health", "/anything")]
            refused = client.post("/mcp", json={})
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=30)
    text = "".join([*lines, rest])
    WATCH.look(text, "an app that is misconfigured")
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert refused.status_code == 503
    assert "is not configured" in refused.json()["error"]["message"]
    assert said not in refused.text
    assert process.returncode == 1
    logged = [json.loads(line) for line in text.splitlines()]
    assert any(line["level"] == "CRITICAL" and said in line["message"] for line in logged)


def answered(client: httpx2.Client, path: str) -> httpx2.Response:
    """The answer, once the port is open: the line that says so is written just before."""
    for _ in range(200):
        try:
            return client.get(path)
        except httpx2.ConnectError:
            time.sleep(0.05)
    raise AssertionError(f"nothing answers at {path}")


def test_an_app_without_a_port_says_so_and_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "databricks_app.app"], env=wrongly_set(), capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    line = json.loads(ended.stdout.splitlines()[-1])
    assert (line["level"], "DATABRICKS_APP_PORT" in line["message"]) == ("ERROR", True)
