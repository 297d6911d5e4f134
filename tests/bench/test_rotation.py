"""The benchmark of rotations keeps its table apart from what the platforms log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, pathlib, sys
from bench.rotation import output_in
print("before", flush=True)
with output_in(pathlib.Path(sys.argv[1]) / "build" / "log") as table:
    os.system("echo of a child")
    print("of the process")
    print("a row", file=table, flush=True)
    print("of its log", file=sys.stderr)
    if len(sys.argv) > 2:
        raise RuntimeError("why it failed")
print("after", flush=True)
"""


@pytest.mark.processes
@pytest.mark.parametrize("fails", [False, True])
def test_only_the_table_and_an_error_are_shown(tmp_path: Path, fails: bool) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), *(["fails"] if fails else [])]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == int(fails)
    assert ended.stdout.split("\n") == ["before", "a row", *([] if fails else ["after"]), ""]
    assert ("why it failed" in ended.stderr) == fails
    logged = (tmp_path / "build" / "log").read_text().split("\n")
    assert sorted(logged) == ["", "of a child", "of its log", "of the process"]
