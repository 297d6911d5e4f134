"""The snapshot alone: in an environment that has its requirements and nothing else, as the platform runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from databricks_app.snapshot import PACKAGES, lay_out
from local.console import Console
from local.emulators.databricks.app_process import AppProcess
from local.emulators.databricks.emulate import platform
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings
from tests.support.canaries import WATCH

pytestmark = pytest.mark.processes

ELSEWHERE = ("local", "aws_lambda", "boto3", "azure", "moto", "pytest")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshot") / "source"
    lay_out(folder)
    return folder


@pytest.fixture(scope="module")
def python(source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with just the requirements, which pip installs as the platform does."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True, timeout=120)
    found = str(environment / "bin/python")
    pip = [found, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "-r", "requirements.txt"]
    installed = subprocess.run(pip, cwd=source, capture_output=True, text=True, timeout=400)
    assert installed.returncode == 0, installed.stderr
    checked = subprocess.run([found, "-m", "pip", "check"], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout
    return found


@pytest.mark.exhaustive  # pip installs what the app requires
def test_the_snapshot_runs_alone_and_answers(
    source: Path, python: str, sample_database: EmbeddedNeo4j, console: Console, tmp_path: Path
) -> None:
    database = sample_database
    settings = LocalSettings(neo4j_uri=database.uri, neo4j_username=database.username, neo4j_password=database.password)
    look = f"import importlib.util as u; print([name for name in {ELSEWHERE!r} if u.find_spec(name)])"
    there = subprocess.run([python, "-c", look], cwd=source, capture_output=True, text=True, check=True).stdout
    assert there == "[]\n"
    with platform(settings, console, world="token") as databricks, (tmp_path / "log").open("w+") as log:
        app = AppProcess(source, databricks.environ, resources=databricks.resources(), log=log, python=python)
        try:
            token = databricks.workspace.workspace.issuer.token(databricks.line["client_id"])
            params = {"name": "read-cypher", "arguments": {"query": "MATCH (a:Airport) RETURN count(a) AS n"}}
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            with httpx2.Client(trust_env=False, timeout=60) as client:
                assert client.post(f"{app.url}/mcp", json=call).status_code == 401
                answer = client.post(f"{app.url}/mcp", json=call, headers={"authorization": f"Bearer {token}"})
            assert answer.json()["result"]["structuredContent"]["rows"][0][0] > 1000
        finally:
            assert app.stop() == 0
        log.seek(0)
        said = log.read()
    WATCH.look(said, "the log of the snapshot")
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["status"] for line in lines if line.get("audit") == "call"] == [401, 200]


def test_a_checkout_that_lacks_a_folder_makes_no_snapshot_and_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PACKAGES[:-1]:
        (tmp_path / "checkout" / name).mkdir(parents=True)
    monkeypatch.setattr("databricks_app.snapshot.ROOT", tmp_path / "checkout")
    with pytest.raises(FileNotFoundError, match=f"{PACKAGES[-1]} is missing"):
        lay_out(tmp_path / "source")
    assert not (tmp_path / "source").exists()
