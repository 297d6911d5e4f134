"""The plugins of the suite at work on a few tests, in a run of its own, with and without other processes to help."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.exhaustive]

ROOT = Path(__file__).parents[2]
SHARED = pytest.mark.parametrize("options", [[], ["--numprocesses=2", "--dist=loadfile"]], ids=["alone", "shared"])

FIXTURE = """
import subprocess, sys
import pytest

@pytest.fixture(scope="session")
def child():
    subprocess.run([sys.executable, "-c", ""], check=True)
"""


def outcome(directory: Path, options: list[str], /, **files: str) -> tuple[int, str]:
    """The exit status, and all that is said, of a run of the tests in ``files`` (module name and text)."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.suite", "-p", "tests.support.tiers", *options]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "CI": "1"}
    ended = subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, timeout=180)
    return ended.returncode, ended.stdout + ended.stderr


@SHARED
def test_a_secret_that_a_test_shows_fails_the_run_whichever_process_sees_it(tmp_path: Path, options: list[str]) -> None:
    secret = "canary-" + "shown-5d1f"
    status, said = outcome(
        tmp_path,
        options,
        test_prints=f"def test_prints():\n    print('canary-' + {secret[7:]!r})\n",
        test_logs="import logging\ndef test_logs():\n"
        f"    logging.getLogger('x').warning('canary-%s', {secret[7:]!r})\n",
    )
    assert status == 1
    assert "2 passed" in said
    for where in ("call of test_prints.py::test_prints", "the log of x"):
        assert f"a secret shows: {secret} in" in said
        assert f"in {where}" in said or f"in Captured stdout {where}" in said


@SHARED
@pytest.mark.parametrize(
    "skips", ["def test_it():\n    pytest.skip('x')\n", "pytest.skip('x', allow_module_level=True)\n"]
)
def test_a_test_that_is_skipped_fails_the_run_in_ci(tmp_path: Path, options: list[str], skips: str) -> None:
    others = "def test_other():\n    pass\n"
    assert outcome(tmp_path, options, test_other=others)[0] == 0
    status, said = outcome(tmp_path, options, test_skips=f"import pytest\n{skips}", test_other=others)
    assert status == 1, said


@SHARED
def test_a_test_that_starts_a_process_fails_until_it_says_so(tmp_path: Path, options: list[str]) -> None:
    starts = "import subprocess, sys\ndef test_it():\n    subprocess.run([sys.executable, '-c', ''])\n"
    hidden = (
        starts.replace("    subprocess", "    try:\n        subprocess") + "    except BaseException:\n        pass\n"
    )
    for text in (starts, hidden):
        status, said = outcome(tmp_path, options, test_starts=text)
        assert (status, "@pytest.mark.processes" in said) == (1, True)
    marked = f"import pytest\npytestmark = pytest.mark.processes\n{starts}"
    assert outcome(tmp_path, options, test_starts=marked)[0] == 0


def test_a_test_that_uses_a_fixture_that_started_a_process_for_another_one_fails_too(tmp_path: Path) -> None:
    used = (
        "import pytest\n@pytest.mark.processes\ndef test_first(child):\n    pass\ndef test_second(child):\n    pass\n"
    )
    status, said = outcome(tmp_path, [], conftest=FIXTURE, test_uses=used)
    assert (status, "the fixture 'child' starts a process" in said) == (1, True)
    assert "1 passed, 1 error" in said


@pytest.fixture
def interrupts_ignored() -> Iterator[None]:
    """What this process starts meanwhile ignores interrupts too."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@SHARED
@pytest.mark.usefixtures("interrupts_ignored")
def test_in_the_background_of_a_script_a_test_can_interrupt_its_children(tmp_path: Path, options: list[str]) -> None:
    interrupts = (
        "import signal, subprocess, sys\nimport pytest\n@pytest.mark.processes\ndef test_it():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'],\n"
        "        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "    with child:\n        child.stdout.readline()\n        child.send_signal(signal.SIGINT)\n"
        "    assert child.returncode == -signal.SIGINT\n"
    )
    status, said = outcome(tmp_path, options, test_interrupts=interrupts)
    assert status == 0, said
