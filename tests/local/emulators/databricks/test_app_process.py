from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from core.errors import LocalError
from local.emulators.databricks.app_process import AppProcess, app_environ

pytestmark = pytest.mark.processes

SERVING = (
    "import os, signal, socket, time\n"
    "{before}\n"
    "listening = socket.create_server(('127.0.0.1', int(os.environ['DATABRICKS_APP_PORT'])))\n"
    "print(os.environ['SAID'], os.environ['VALUE'], os.getcwd(), flush=True)\n"
    "time.sleep(60)\n"
)


def snapshot(folder: Path, program: str) -> Path:
    (folder / "program.py").write_text(program)
    (folder / "app.yaml").write_text(
        "command: ['python', 'program.py']\n"
        "env:\n  - name: SAID\n    value: from the file\n  - name: VALUE\n    valueFrom: credential\n"
    )
    return folder


def test_an_app_runs_in_its_folder_with_what_its_file_says(tmp_path: Path) -> None:
    source = snapshot(tmp_path, SERVING.format(before=""))
    with (tmp_path / "log").open("w+") as log:
        app = AppProcess(source, {}, resources={"credential": "of the resource"}, log=log)
        assert app.stop() == -15
        log.seek(0)
        assert log.read() == f"from the file of the resource {source}\n"
    assert not psutil.pid_exists(app.process.pid)


def test_what_is_said_besides_holds_instead_of_the_file(tmp_path: Path) -> None:
    source = snapshot(tmp_path, SERVING.format(before=""))
    with (tmp_path / "log").open("w+") as log:
        app = AppProcess(source, {"SAID": "otherwise"}, resources={"credential": "x"}, log=log)
        app.stop()
        log.seek(0)
        assert log.read().startswith("otherwise x")


def test_an_app_that_ends_at_once_or_lacks_a_resource_is_told(tmp_path: Path) -> None:
    source = snapshot(tmp_path, "raise SystemExit(3)\n")
    with (tmp_path / "log").open("w") as log, pytest.raises(LocalError, match="status 3"):
        AppProcess(source, {}, resources={"credential": "x"}, log=log)
    with pytest.raises(LocalError, match="resource credential"):
        app_environ({"env": [{"name": "VALUE", "valueFrom": "credential"}]}, {})


def test_an_app_that_does_not_heed_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.emulators.databricks.app_process._STOP_SECONDS", 0.5)
    source = snapshot(tmp_path, SERVING.format(before="signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    with (tmp_path / "log").open("w") as log:
        app = AppProcess(source, {}, resources={"credential": "x"}, log=log)
        begun = time.monotonic()
        assert app.stop() == -9
    assert time.monotonic() - begun < 10


def test_an_app_that_never_listens_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.emulators.databricks.app_process._START_SECONDS", 0.5)
    source = snapshot(tmp_path, "import time\ntime.sleep(60)\n")
    with (tmp_path / "log").open("w") as log, pytest.raises(LocalError, match="did not listen"):
        AppProcess(source, {}, resources={"credential": "x"}, log=log)
