"""The lists of packages that are deployed: exact, with hashes, and of one version in all that is tested together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WITH_TELEMETRY = {
    "requirements/azure-monitor.txt": "requirements.txt",
    "requirements/databricks-telemetry.txt": "databricks_app/requirements.txt",
}
LISTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "requirements").glob("*.txt"))
DEPLOYED = ["requirements.txt", "databricks_app/requirements.txt"]


def pins(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    text = (ROOT / name).read_text()
    for package, version in re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", text, re.MULTILINE):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("name", LISTS + DEPLOYED)
def test_a_list_is_exact_and_has_hashes_and_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    wanted = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert wanted
    for line in wanted:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+( ; .+)? \\$", line), line
    assert text.count("--hash=sha256:") >= len(wanted)
    assert "://" not in text


@pytest.mark.parametrize(("with_telemetry", "without"), WITH_TELEMETRY.items())
def test_a_list_with_telemetry_has_everything_else_in_the_same_version(with_telemetry: str, without: str) -> None:
    more, deployed = pins(with_telemetry), pins(without)
    assert {name: more.get(name) for name in deployed if name != "opentelemetry-api"} == {
        name: versions for name, versions in deployed.items() if name != "opentelemetry-api"
    }
    assert "opentelemetry-sdk" in more
    assert "opentelemetry-sdk" not in deployed
