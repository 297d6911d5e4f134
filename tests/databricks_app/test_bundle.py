"""What is deployed fits together: the bundle, the app's own file, its requirements, and the snapshot."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from databricks_app.settings import DatabricksSettings
from databricks_app.snapshot import lay_out

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "databricks.yml").read_text()
BUNDLE: dict[str, Any] = yaml.safe_load(TEXT)
APP: dict[str, Any] = BUNDLE["resources"]["apps"]["mcp_neo4j"]
APP_YAML: dict[str, Any] = yaml.safe_load((ROOT / "databricks_app/app.yaml").read_text())
SOURCE = str(APP["source_code_path"]).removeprefix("./")


def pins(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / path).read_text(), re.MULTILINE))


def resolved(path: str) -> object:
    """What ``${path}`` stands for in the bundle."""
    first, *rest = path.split(".")
    found: Any = BUNDLE["variables"] if first == "var" else BUNDLE[first]
    for name in rest:
        found = found[name]
    return found


def test_every_reference_in_the_bundle_leads_somewhere() -> None:
    without_comments = re.sub(r"^\s*#.*$", "", TEXT, flags=re.MULTILINE)
    references = set(re.findall(r"\$\{([^}]+)\}", without_comments)) - {
        "workspace.current_user.userName",
        "workspace.file_path",
    }
    assert references >= {"var.agent", "var.scope"}
    for reference in references - {"bundle.target"}:
        assert resolved(reference), reference
    # The CLI deploys it as just that text: measured with version 1.12.
    assert "service_principal_client_id" not in without_comments


def test_the_agent_may_use_the_app_and_the_app_may_read_its_secret_and_nobody_else_is_named() -> None:
    assert APP["name"].startswith("mcp-")
    assert APP["permissions"] == [{"service_principal_name": "${var.agent}", "level": "CAN_USE"}]
    (resource,) = APP["resources"]
    assert resource["secret"] == {"scope": "${var.scope}", "key": "credential", "permission": "READ"}
    # A scope of the bundle's own would lose the READ that the platform gives the app: see cli_checks.py.
    assert "secret_scopes" not in BUNDLE["resources"]
    assert set(BUNDLE["targets"]) == {"dev", "prod", "rotated"}
    assert BUNDLE["targets"]["prod"]["mode"] == "production"
    # Whoever may write where the sources lie may change what the app runs.
    assert "/Shared/" not in BUNDLE["targets"]["prod"]["workspace"]["root_path"]


def test_the_apps_own_file_names_the_secret_that_the_bundle_gives_it() -> None:
    (resource,) = APP["resources"]
    environ = {variable["name"]: variable for variable in APP_YAML["env"]}
    assert environ["NEO4J_M2M_SECRET_VALUE"]["valueFrom"] == resource["name"]
    scope = BUNDLE["variables"]["scope"]["default"]
    assert environ["NEO4J_M2M_SECRET"]["value"] == f"{scope}/{resource['secret']['key']}"
    DatabricksSettings.from_environ({name: variable.get("value", "x") for name, variable in environ.items()})
    python, flag, module = APP_YAML["command"]
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module) is not None


@pytest.mark.processes
def test_what_is_laid_out_goes_up_and_the_folder_is_there_before(tmp_path: Path) -> None:
    assert BUNDLE["sync"] == {"paths": [SOURCE], "include": [f"{SOURCE}/**"]}
    kept = subprocess.run(["git", "ls-files", SOURCE], cwd=ROOT, capture_output=True, text=True).stdout
    assert kept.split() in ([f"{SOURCE}/.gitignore"], [])  # a copy without Git has no list
    assert (ROOT / SOURCE / ".gitignore").is_file()
    *command, folder = shlex.split(BUNDLE["artifacts"]["app"]["build"])
    assert (command[0], folder) == ("python3", SOURCE)
    # As the bundle runs it: in the root, with whatever Python there is, without one installed package.
    ended = subprocess.run(
        [sys.executable, "-S", *command[1:], str(tmp_path / "source")], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    laid_out = {path.relative_to(tmp_path / "source") for path in (tmp_path / "source").rglob("*") if path.is_file()}
    assert {
        Path("app.yaml"),
        Path("requirements.txt"),
        Path("core/application.py"),
        Path("databricks_app/app.py"),
    } <= laid_out
    assert laid_out == set(lay_out(tmp_path / "again"))
    assert {path.parts[0] for path in laid_out} == {"app.yaml", "requirements.txt", "core", "databricks_app", "page"}
    assert all((tmp_path / "source" / path).stat().st_size < 10_000_000 for path in laid_out)


@pytest.mark.processes
def test_laying_out_again_leaves_no_old_file_and_keeps_what_is_not_part_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    (folder / "core").mkdir(parents=True)
    (folder / "core/gone.py").touch()
    (folder / ".gitignore").write_text("*")
    lay_out(folder)
    assert not (folder / "core/gone.py").exists()
    assert (folder / ".gitignore").read_text() == "*"
    (folder / "thesis.docx").touch()
    with pytest.raises(FileExistsError, match="thesis"):
        lay_out(folder)
    assert (folder / "app.yaml").exists()
    refused = subprocess.run(
        [sys.executable, "-m", "databricks_app.snapshot", str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert (refused.returncode, "thesis" in refused.stderr) == (1, True)


def test_the_requirements_are_exact_hashed_and_those_that_are_tested_here() -> None:
    text = (ROOT / "databricks_app/requirements.txt").read_text()
    requirements = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert requirements
    for line in requirements:
        assert re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line[:80]
    assert "://" not in text
    shipped, tested = pins("databricks_app/requirements.txt"), pins("requirements/local.txt")
    assert {name: version for name, version in shipped.items() if tested.get(name) != version} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["databricks"]]
    assert {re.split(r"[\[<>=]", name)[0] for name in wanted} <= set(shipped)
