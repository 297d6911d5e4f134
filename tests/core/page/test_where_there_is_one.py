"""Which platform has a page if nobody asks, and what that costs a function which has none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from databricks_app.snapshot import lay_out
from tests.support.processes import environment

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parent.parent.parent.parent

IN_PLACE = {
    "aws": "from aws_lambda.app import application",
    "azure": "from azure_function.app import application",
    "databricks": (
        "from pydantic import SecretStr; from databricks_app.app import application_of\n"
        "from databricks_app.settings import DatabricksSettings; from databricks_app.workspace import Workspace\n"
        "import os; settings = DatabricksSettings.from_environ(os.environ)\n"
        "workspace = Workspace('https://w.example', '1', 'app', SecretStr('canary-app'))\n"
        "application = application_of(settings, workspace)"
    ),
}
LOOK = "\nimport sys; print(application.has_page, 'core.page.page' in sys.modules, 'core.page.files' in sys.modules)"
NEEDED = {"azure": {"NEO4J_M2M_CALLER_AUTH": "api_key", "NEO4J_M2M_KEYS_SECRET": "keys"}}


def look(platform: str, **environ: str) -> str:
    told = environment(AWS_DEFAULT_REGION="eu-central-1", **NEEDED.get(platform, {}), **environ)
    told["NEO4J_M2M_VAULT_URL"] = "https://v.vault.azure.net"
    if platform != "azure":
        del told["NEO4J_M2M_VAULT_URL"]
    command = [sys.executable, "-c", IN_PLACE[platform] + LOOK]
    return subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("platform", ["aws", "azure"])
def test_a_function_has_no_page_and_imports_nothing_for_one(platform: str) -> None:
    assert look(platform).endswith("False False False")


@pytest.mark.parametrize("platform", list(IN_PLACE))
@pytest.mark.parametrize("wanted", [True, False])
def test_the_setting_decides_on_every_platform(platform: str, wanted: bool) -> None:
    assert look(platform, NEO4J_M2M_PAGE=str(wanted).lower()).endswith(f"{wanted} {wanted} {wanted}")


def test_the_databricks_app_has_one() -> None:
    assert look("databricks").endswith("True True True")


def test_the_files_go_up_with_the_databricks_app(tmp_path: Path) -> None:
    laid_out = {str(path) for path in lay_out(tmp_path / "source") if path.parts[0] == "page"}
    files = {f"page/{path.name}" for path in (ROOT / "page").iterdir() if path.suffix not in (".toml", "")}
    assert laid_out == files


@pytest.mark.exhaustive
def test_no_function_carries_the_files() -> None:
    kept = [line for line in (ROOT / ".funcignore").read_text().splitlines() if line.startswith("!")]
    assert not any("page" in line for line in kept)
    told = ["make", "--dry-run", "--no-print-directory", "build-Function", "ARTIFACTS_DIR=/nowhere"]
    for more, carries in (([], False), (["PAGE=1"], True)):
        said = subprocess.run([*told, *more], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        copied = next(line for line in said.splitlines() if line.startswith("cp -R core"))
        assert (" page " in copied) is carries
