"""The rotation job against an emulated workspace: its right is WRITE on one scope, and READ on the administrator's."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest
import yaml

from databricks_app.rotation import main
from databricks_app.snapshot import lay_out
from local.emulators.databricks.api import WorkspaceApp, running_workspace
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.issuer import Client
from local.neo4j import EmbeddedNeo4j
from tests.support.canaries import WATCH
from tests.support.database_users import create_user

pytestmark = pytest.mark.processes

CANARY = "canary-scope-rotated-8a3e"
ROOT = Path(__file__).parents[2]
JOB = yaml.safe_load((ROOT / "databricks.yml").read_text())["targets"]["rotated"]["resources"]["jobs"][
    "rotate_neo4j_credential"
]
ARGUMENTS = ["--secret", "neo4j/credential", "--admin-secret", "neo4j-admin/credential"]


class Scopes:
    def __init__(self, app: WorkspaceApp, rotator: Client, database: EmbeddedNeo4j, admin: neo4j.Driver) -> None:
        self.app = app
        self.workspace = app.workspace
        self.rotator = rotator
        self.user = f"scope{secrets.token_hex(4)}"
        password = f"{CANARY}-{secrets.token_hex(6)}"
        create_user(admin, self.user, password)
        for scope, login in (
            ("neo4j", (self.user, password)),
            ("neo4j-admin", (database.username, database.password.get_secret_value())),
        ):
            self.workspace.create_scope(scope, "administrator")
            text = json.dumps({"uri": database.uri, "username": login[0], "password": login[1]})
            self.workspace.put_secret(scope, "credential", text.encode())
        self.workspace.permit("neo4j", rotator.id, "WRITE")
        self.workspace.permit("neo4j-admin", rotator.id, "READ")

    def username(self) -> str:
        said = json.loads(self.workspace.secret("neo4j", "credential"))
        auth = (said["username"], said["password"])
        with neo4j.GraphDatabase.driver(said["uri"], auth=auth, telemetry_disabled=True) as driver:
            driver.verify_connectivity()
        username: str = said["username"]
        return username


@pytest.fixture
def scopes(
    scratch_database: EmbeddedNeo4j,
    empty_neo4j_driver: neo4j.Driver,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Scopes]:
    rotator = Client("rotator", secrets.token_urlsafe(24), scopes=frozenset({"all-apis"}))
    workspace = EmulatedWorkspace([rotator], id="1234567890123456")
    with running_workspace(workspace) as app:
        monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", workspace.issue_pat(rotator.id).get_secret_value())
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
        yield Scopes(app, rotator, scratch_database, empty_neo4j_driver)


def test_the_job_rotates_and_a_retry_of_a_run_that_had_ended_does_not_rotate_twice(
    scopes: Scopes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ARGUMENTS) == 0
    assert scopes.username() == f"{scopes.user}_alternate"
    assert main(ARGUMENTS) == 1
    assert scopes.username() == f"{scopes.user}_alternate"
    assert main([*ARGUMENTS, "--now"]) == 0
    assert scopes.username() == scopes.user
    out, err = capsys.readouterr()
    WATCH.look(out + err, "the rotation job")
    assert json.loads(out.splitlines()[0])["done"] is True


def test_what_is_uploaded_runs_as_the_bundle_runs_it(scopes: Scopes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    lay_out(source)
    task: dict[str, Any] = JOB["tasks"][0]["spark_python_task"]
    file = source / Path(task["python_file"]).relative_to("infra/databricks/source")
    stands_for = {
        "${workspace.file_path}/infra/databricks/source": str(source),
        "${var.scope}/credential": "neo4j/credential",
        "${var.admin_secret}": "neo4j-admin/credential",
    }
    parameters = [stands_for.get(one, one) for one in task["parameters"]]
    ran = subprocess.run(
        [sys.executable, "-P", str(file), *parameters], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    WATCH.look(ran.stdout + ran.stderr, "the rotation job's process")
    assert scopes.username() == f"{scopes.user}_alternate"


def test_without_the_right_to_write_nothing_is_changed_and_with_it_the_next_run_is_well(
    scopes: Scopes, capsys: pytest.CaptureFixture[str]
) -> None:
    scopes.workspace.permit("neo4j", scopes.rotator.id, "READ")
    assert main(ARGUMENTS) == 1
    assert "WRITE" in capsys.readouterr().err
    assert scopes.username() == scopes.user
    scopes.workspace.permit("neo4j", scopes.rotator.id, "WRITE")
    assert main(ARGUMENTS) == 0


def test_an_administrator_in_the_scope_that_the_app_reads_is_refused(scopes: Scopes) -> None:
    assert main(["--secret", "neo4j/credential", "--admin-secret", "neo4j/administrator"]) == 2
    assert scopes.username() == scopes.user


def test_the_job_runs_one_at_a_time_as_a_service_principal_and_tells_of_failures() -> None:
    assert JOB["max_concurrent_runs"] == 1
    assert JOB["run_as"] == {"service_principal_name": "${var.rotator}"}
    assert JOB["email_notifications"]["on_failure"] == ["${var.rotation_alert}"]
    assert JOB["schedule"]["pause_status"] == "UNPAUSED"
    assert JOB["tasks"][0]["min_retry_interval_millis"] > 120_000
    (environment,) = JOB["environments"]
    assert environment["environment_key"] == JOB["tasks"][0]["environment_key"]
    (requirements,) = environment["spec"]["dependencies"]
    assert requirements.endswith("infra/databricks/source/requirements.txt")
