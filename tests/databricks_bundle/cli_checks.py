"""The bundle, as Databricks' own command line takes it: validated strictly, deployed, and taken down again.

``DATABRICKS_CLI`` names the program, which ``make databricks-bundle`` builds. The workspace is the emulated one; what
is deployed is a copy of this checkout, so that nothing is left in it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from databricks_app.snapshot import lay_out
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.issuer import Client
from local.emulators.loopback_server import served
from tests.databricks_bundle.workspace import BundleWorkspace

ROOT = Path(__file__).parents[2]
CLI = os.environ["DATABRICKS_CLI"]
ENDED = subprocess.CompletedProcess[str]


def service_principal(name: str) -> Client:
    return Client(str(uuid.uuid4()), f"canary-{secrets.token_hex(8)}", scopes=frozenset({"all-apis"}), name=name)


@dataclass
class Deployer:
    """Somebody who runs the program in the folder ``checkout`` against ``app``, for the agent of the id ``agent``."""

    app: BundleWorkspace
    checkout: Path
    agent: str
    environ: dict[str, str]

    def run(self, *arguments: str) -> ENDED:
        command = [CLI, "bundle", *arguments]
        ended = subprocess.run(
            command, cwd=self.checkout, env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )
        assert "canary-" not in ended.stdout + ended.stderr
        return ended


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy = tmp_path / "checkout"
    made = shutil.ignore_patterns("__pycache__", "core", "databricks_app")
    for name in ("core", "databricks_app", "local", "infra/databricks"):
        shutil.copytree(ROOT / name, copy / name, ignore=made)
    for name in ("databricks.yml", ".gitignore"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture
def deployer(checkout: Path, tmp_path: Path) -> Iterator[Deployer]:
    somebody, agent = service_principal("deployer"), service_principal("agent")
    workspace = EmulatedWorkspace([somebody, agent], (), id="1234567890123456")
    app = BundleWorkspace(workspace)
    with served(app, name="the workspace", bound=lambda url: setattr(workspace.issuer, "url", url)) as url:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "DATABRICKS_HOST": url,
            "DATABRICKS_CLIENT_ID": somebody.id,
            "DATABRICKS_CLIENT_SECRET": str(somebody.secret),
            "DATABRICKS_AUTH_TYPE": "oauth-m2m",
            "BUNDLE_VAR_agent": agent.id,
        }
        yield Deployer(app, checkout, agent.id, environ)


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_the_bundle_validates_strictly(deployer: Deployer, target: str) -> None:
    ended = deployer.run("validate", "--strict", "--target", target)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Validation OK!" in ended.stdout


@pytest.mark.parametrize(
    "broken",
    [
        lambda text: text.replace("source_code_path:", "source_code_pth:"),
        lambda text: text.replace("level: CAN_USE", "level: CAN_DO"),
        lambda text: text.replace("infra/databricks/source\n\nsync", "infra/nowhere\n\nsync").replace(
            "./infra/databricks/source", "./infra/nowhere"
        ),
    ],
    ids=["a key that there is not", "a permission that there is not", "a folder that there is not"],
)
def test_a_bundle_that_is_wrong_does_not_validate(deployer: Deployer, broken: Callable[[str], str]) -> None:
    bundle = deployer.checkout / "databricks.yml"
    text = broken(bundle.read_text())
    assert text != bundle.read_text()
    bundle.write_text(text)
    assert deployer.run("validate", "--strict").returncode != 0


def test_deploying_uploads_the_apps_snapshot_and_makes_what_it_needs_and_destroying_takes_all_away(
    deployer: Deployer, tmp_path: Path
) -> None:
    app = deployer.app
    ended = deployer.run("deploy", "--target", "dev")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    marker = "/files/infra/databricks/source/"
    uploaded = {name.partition(marker)[2]: content for name, content in app.files.items() if marker in name}
    expected = {str(path): (tmp_path / "snapshot" / path).read_bytes() for path in lay_out(tmp_path / "snapshot")}
    assert {name: content for name, content in uploaded.items() if name != ".gitignore"} == expected
    beside = {name.rpartition("/files/")[2] for name in app.files if "/files/" in name and marker not in name}
    assert beside == set()
    (made,) = app.apps.values()
    assert made["name"] == "mcp-neo4j"
    (resource,) = made["resources"]
    assert resource["secret"] == {"scope": "neo4j", "key": "credential", "permission": "READ"}
    assert app.workspace.scopes().keys() == {"neo4j"}
    allowed = {one["service_principal_name"]: one["permission_level"] for one in app.permissions["apps/mcp-neo4j"]}
    assert allowed[deployer.agent] == "CAN_USE"
    assert app.unknown == []
    ended = deployer.run("destroy", "--target", "dev", "--auto-approve")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert app.apps == {}
    assert app.unknown == [], json.dumps(app.unknown)
