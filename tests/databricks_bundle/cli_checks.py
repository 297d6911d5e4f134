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

from databricks_app.snapshot import PACKAGES, lay_out
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.issuer import Client
from local.emulators.loopback_server import served
from tests.databricks_bundle.workspace import BundleWorkspace

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
CLI = os.environ["DATABRICKS_CLI"]
ENDED = subprocess.CompletedProcess[str]
CREDENTIAL = json.dumps({"uri": "neo4j://db", "username": "agent", "password": "canary-bundle-password"})


def service_principal(name: str) -> Client:
    return Client(str(uuid.uuid4()), f"canary-{secrets.token_hex(8)}", scopes=frozenset({"all-apis"}), name=name)


@dataclass
class Deployer:
    """``somebody`` who runs the program in ``checkout`` against ``app``, for the agent of the id ``agent``."""

    app: BundleWorkspace
    checkout: Path
    somebody: str
    agent: str
    environ: dict[str, str]

    def run(self, *arguments: str, said: str | None = None) -> ENDED:
        """Run the program with ``arguments``, with ``said`` on its standard input."""
        ended = subprocess.run(
            [CLI, *arguments],
            cwd=self.checkout,
            env=self.environ,
            input=said,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "canary-" not in ended.stdout + ended.stderr
        return ended

    def done(self, *arguments: str, said: str | None = None) -> str:
        """As `run`, for what has to succeed; returns what was printed."""
        ended = self.run(*arguments, said=said)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def store_the_secret(self) -> None:
        """What docs/databricks.md has the deployer do before the first deploy."""
        self.done("secrets", "create-scope", "neo4j")
        self.done("secrets", "put-secret", "neo4j", "credential", said=CREDENTIAL)

    def may_read(self) -> dict[str, str]:
        """Who may do what with the scope, the deployer aside."""
        permissions = self.app.workspace.scopes()["neo4j"].permissions
        return {name: permission for name, permission in permissions.items() if name != self.somebody}

    def change(self, before: str, after: str) -> None:
        """Put ``after`` in the place of ``before`` in the bundle."""
        bundle = self.checkout / "databricks.yml"
        text = bundle.read_text()
        assert before in text
        bundle.write_text(text.replace(before, after))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy = tmp_path / "checkout"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    laid_out_before = shutil.ignore_patterns("__pycache__", *PACKAGES)
    shutil.copytree(ROOT / "infra/databricks", copy / "infra/databricks", ignore=laid_out_before)
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
        yield Deployer(app, checkout, somebody.id, agent.id, environ)


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_the_bundle_validates_strictly(deployer: Deployer, target: str) -> None:
    ended = deployer.run("bundle", "validate", "--strict", "--target", target)
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
    assert deployer.run("bundle", "validate", "--strict").returncode != 0


def test_deploying_uploads_the_apps_snapshot_and_makes_what_it_needs_and_destroying_takes_the_app_away(
    deployer: Deployer, tmp_path: Path
) -> None:
    app = deployer.app
    deployer.store_the_secret()
    deployer.done("bundle", "deploy", "--target", "dev")
    marker = "/files/infra/databricks/source/"
    uploaded = {name.partition(marker)[2]: content for name, content in app.files.items() if marker in name}
    expected = {str(path): (tmp_path / "snapshot" / path).read_bytes() for path in lay_out(tmp_path / "snapshot")}
    assert {name: content for name, content in uploaded.items() if name != ".gitignore"} == expected
    beside = {name.rpartition("/files/")[2] for name in app.files if "/files/" in name and marker not in name}
    assert beside == set()
    (made,) = app.apps.apps.values()
    assert made.document["name"] == "mcp-neo4j"
    assert made.secrets() == {"credential": ("neo4j", "credential", "READ")}
    assert deployer.may_read() == {made.principal.id: "READ"}
    allowed = {one["service_principal_name"]: one["permission_level"] for one in app.permissions["apps/mcp-neo4j"]}
    assert allowed[deployer.agent] == "CAN_USE"
    assert app.unknown == []
    deployer.done("bundle", "destroy", "--target", "dev", "--auto-approve")
    assert [one.document["compute_status"]["state"] for one in app.apps.apps.values()] in ([], ["DELETING"])
    # The scope is the operator's, with the secret in it; nobody else may read it any more.
    assert app.workspace.scopes()["neo4j"].values.keys() == {"credential"}
    assert deployer.may_read() == {}
    assert app.unknown == [], json.dumps(app.unknown)


def test_the_apps_read_permission_outlives_every_later_deployment_and_update(deployer: Deployer) -> None:
    app = deployer.app
    deployer.store_the_secret()
    deployer.done("bundle", "deploy")
    (made,) = app.apps.apps.values()
    reads = {made.principal.id: "READ"}
    assert (deployer.may_read(), made.deployments) == (reads, [])
    deployer.done("bundle", "deploy")
    assert deployer.may_read() == reads
    for count in (1, 2):
        # It deploys the bundle once more, starts the app if it does not run, and deploys the sources to it.
        assert "mcp-neo4j" in deployer.done("apps", "deploy")
        assert [one["status"]["state"] for one in made.deployments] == ["SUCCEEDED"] * count
        assert deployer.may_read() == reads
    assert app.files.keys() >= {f"{made.deployments[-1]['source_code_path']}/app.yaml"}
    deployer.change("A Neo4j graph for agents, over MCP", "Another description")
    deployer.done("bundle", "deploy")
    assert (made.document["description"], made.update is not None) == ("Another description", True)
    assert deployer.may_read() == reads
    deployer.done("apps", "update", "mcp-neo4j", "--json", '{"description": "By hand"}')
    assert (made.document["description"], deployer.may_read()) == ("By hand", reads)
    assert app.unknown == []


def test_a_bundle_with_the_scope_in_it_takes_the_secret_from_the_app_which_is_why_there_is_none(
    deployer: Deployer,
) -> None:
    deployer.store_the_secret()
    deployer.change("  apps:\n", "  secret_scopes:\n    neo4j:\n      name: another\n  apps:\n")
    deployer.change("scope: ${var.scope}", "scope: ${resources.secret_scopes.neo4j.name}")
    assert deployer.run("bundle", "deploy").returncode != 0  # the scope is there now, and no secret in it
    deployer.done("secrets", "put-secret", "another", "credential", said=CREDENTIAL)
    deployer.done("bundle", "deploy")
    deployer.done("bundle", "deploy")
    assert deployer.app.workspace.scopes()["another"].permissions == {deployer.somebody: "MANAGE"}


def test_a_version_of_the_cli_that_breaks_apps_is_refused(deployer: Deployer) -> None:
    version = deployer.done("version").strip().rpartition("v")[2]
    major, minor, _ = version.split(".")
    deployer.change("!= 1.14.*", f"!= {major}.{minor}.*")
    ended = deployer.run("bundle", "validate")
    assert (ended.returncode != 0, version in ended.stdout + ended.stderr) == (True, True)
    deployer.change(f"!= {major}.{minor}.*", "< 1.12.0")
    assert deployer.run("bundle", "deploy").returncode != 0
    assert deployer.app.apps.apps == {}


def test_what_an_operator_may_choose_besides_reaches_the_app(deployer: Deployer) -> None:
    deployer.store_the_secret()
    deployer.done("bundle", "deploy")
    (made,) = deployer.app.apps.apps.values()
    assert (made.document["compute_size"], made.document.get("user_api_scopes") or []) == ("MEDIUM", [])
    # What docs/databricks.md has in its part on costs, logs and users' tokens.
    chosen = (
        "    variables:\n      compute_size: LARGE\n      user_api_scopes: [sql]\n    resources:\n      apps:\n"
        "        mcp_neo4j:\n          budget_policy_id: 8f9c2f5e-0000-4000-8000-000000000001\n"
        "          telemetry_export_destinations:\n            - unity_catalog:\n"
        "                logs_table: main.neo4j.app_logs\n                metrics_table: main.neo4j.app_metrics\n"
        "                traces_table: main.neo4j.app_traces\n"
    )
    deployer.change("    default: true\n", f"    default: true\n{chosen}")
    assert "Validation OK!" in deployer.done("bundle", "validate", "--strict")
    deployer.done("bundle", "deploy")
    assert (made.document["compute_size"], made.document["user_api_scopes"]) == ("LARGE", ["sql"])
    assert made.document["budget_policy_id"] == "8f9c2f5e-0000-4000-8000-000000000001"
    (destination,) = made.document["telemetry_export_destinations"]
    assert destination["unity_catalog"]["logs_table"] == "main.neo4j.app_logs"
    assert deployer.may_read() == {made.principal.id: "READ"}
    assert deployer.app.unknown == []


def test_deploying_before_there_is_a_secret_says_what_is_missing_and_works_after(deployer: Deployer) -> None:
    ended = deployer.run("bundle", "deploy")
    assert (ended.returncode != 0, "neo4j" in ended.stderr) == (True, True)
    assert deployer.app.apps.apps == {}
    deployer.store_the_secret()
    deployer.done("bundle", "deploy")
    assert len(deployer.app.apps.apps) == 1


def test_a_deployed_bundle_gives_its_scope_up_without_losing_the_secret(deployer: Deployer) -> None:
    bundle = deployer.checkout / "databricks.yml"
    without = bundle.read_text()
    deployer.change("  apps:\n", "  secret_scopes:\n    neo4j:\n      name: neo4j\n  apps:\n")
    deployer.run("bundle", "deploy")  # makes the scope, and stops at the app, which has no secret yet
    deployer.done("secrets", "put-secret", "neo4j", "credential", said=CREDENTIAL)
    deployer.done("bundle", "deploy")
    deployer.done("bundle", "deploy")
    (made,) = deployer.app.apps.apps.values()
    assert deployer.may_read() == {}
    # What docs/databricks.md has for those who come from such a bundle.
    deployer.done("bundle", "deployment", "unbind", "neo4j")
    bundle.write_text(without)
    deployer.done("secrets", "put-acl", "neo4j", made.principal.id, "READ")
    for _ in range(2):
        deployer.done("bundle", "deploy")
        assert deployer.may_read() == {made.principal.id: "READ"}
        assert deployer.app.workspace.scopes()["neo4j"].values == {"credential": CREDENTIAL.encode()}
