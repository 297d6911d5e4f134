"""What Azure's own tools make of this repository: run by ``make azure-package``, which builds what decides it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.azure_package.packers import (
    AZD,
    LYING_AROUND,
    ROOT,
    checkout,
    packed_by_azd,
    packed_by_core_tools,
    rules,
    tracked_files,
)

pytestmark = pytest.mark.processes

NODE = ROOT / ".venv-node/bin/node"

SHIPPED = {"azure_function", "core", "function_app.py", "rotation_app.py", "host.json", "requirements.txt"}

WANTED = {path for path in tracked_files() if path.partition("/")[0] in SHIPPED}

BYTE_CODE = ["core/__pycache__/http.cpython-313.pyc", "core/access/__pycache__/policy.cpython-313.pyc"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return checkout(tmp_path, *BYTE_CODE)


def test_azd_packs_what_runs_and_nothing_that_lies_around(clone: Path) -> None:
    assert packed_by_azd(clone) == WANTED
    assert len(WANTED) > 70


@pytest.mark.parametrize("line", ["!/core/**", "!/azure_function/**", "!/host.json"])
def test_without_a_line_of_it_azd_leaves_out_what_the_line_takes_back(clone: Path, line: str) -> None:
    """The fault that shipped three files: a check of this kind has to be able to fail."""
    assert line in rules()
    (clone / ".funcignore").write_text("\n".join(each for each in rules() if each != line))
    assert packed_by_azd(clone) < WANTED


def test_both_tools_pack_the_same_of_a_fresh_clone(clone: Path) -> None:
    assert packed_by_core_tools([*tracked_files(), *LYING_AROUND]) == packed_by_azd(clone) == WANTED


def test_core_tools_also_take_byte_code_since_an_exception_always_wins_there(clone: Path) -> None:
    """Python looks at no byte code whose source is another; so it costs its size alone."""
    assert packed_by_core_tools(BYTE_CODE) == set(BYTE_CODE)
    assert not packed_by_azd(clone) & set(BYTE_CODE)


def test_what_is_taken_for_core_tools_agrees_with_the_package_that_theirs_is_a_version_of() -> None:
    # Core Tools never look at a few files, whatever .funcignore says of them; the package knows nothing of that.
    paths = [path for path in [*tracked_files(), *LYING_AROUND, *BYTE_CODE] if not path.startswith((".git", ".vscode"))]
    paths = [path for path in paths if Path(path).name not in {".funcignore", "local.settings.json"}]
    asked = json.dumps({"rules": (ROOT / ".funcignore").read_text(), "paths": paths})
    said = subprocess.run(
        [NODE, "core_tools.js"], cwd=Path(__file__).parent, input=asked, capture_output=True, text=True, check=True
    ).stdout
    assert set(json.loads(said)) == packed_by_core_tools(paths)


def test_azd_fails_where_there_is_nothing_to_read(tmp_path: Path) -> None:
    failed = subprocess.run([AZD, "pack", tmp_path], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
