"""What whoever starts ``serve`` is told of a database that cannot be used, and what a caller is not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from local.neo4j import EmbeddedNeo4j
from tests.support.processes import Command, environment, finished, running
from tests.support.sockets import closed_port

PARAMS = {"name": "read-cypher", "arguments": {"query": "RETURN 1"}}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": PARAMS}
pytestmark = pytest.mark.processes

PASSWORD = "canary-serve-password"


@pytest.fixture(scope="module")
def refused_port() -> Iterator[int]:
    with closed_port() as port:
        yield port


def heard(command: Command, text: str, seconds: float = 40) -> str:
    """Everything said so far, once ``text`` is in it."""
    deadline = time.monotonic() + seconds
    waiting = threading.Event()
    while text not in (said := "".join(command.said)):
        assert time.monotonic() < deadline, f"{text!r} was not said, but: {said}"
        waiting.wait(0.05)
    return said


def database(uri: str, **changed: str) -> dict[str, str]:
    return environment(**{"NEO4J_URI": uri, "NEO4J_USERNAME": "neo4j", "NEO4J_PASSWORD": PASSWORD, **changed})


def test_serve_says_at_start_that_the_port_is_refused_and_the_caller_is_not_told_where(refused_port: int) -> None:
    with running("serve", "--port", "0", environ=database(f"bolt://127.0.0.1:{refused_port}")) as command:
        said = heard(command, "The database cannot be used (TCP)")
        assert f"127.0.0.1:{refused_port} refuses the connection" in said
        assert "Start the database, or correct the port" in said
        with httpx2.Client(trust_env=False, timeout=60) as client:
            answer = client.post(command.ready["url"], json=CALL).text
        assert "cannot be reached at the moment" in answer
        assert str(refused_port) not in answer
        assert "ERROR core.health: the database cannot be used (TCP): 127.0.0.1" in heard(command, "ERROR core.health")
        with httpx2.Client(trust_env=False, timeout=60) as client:
            assert client.get(command.ready["url"].replace("/mcp", "/health")).text.count(str(refused_port)) == 0
        assert "".join(command.said).count("ERROR core.health") == 1, "once a minute is enough"


def test_serve_over_stdio_says_so_too(refused_port: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "serve", "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=database(f"bolt://127.0.0.1:{refused_port}"),
    )
    assert process.stderr is not None
    try:
        assert any("The database cannot be used (TCP)" in line for line in process.stderr)
    finally:
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"NEO4J_PASSWORD": PASSWORD}, "(login): The database refuses the user neo4j with this password"),
        ({"NEO4J_DATABASE": "graf"}, "(database): There is no database graf"),
        ({"NEO4J_URI": "bolt+s://{address}"}, "speaks Bolt without TLS"),
    ],
)
def test_serve_says_at_start_what_is_wrong_with_a_database_that_runs(
    sample_database: EmbeddedNeo4j, changed: dict[str, str], said: str
) -> None:
    address = sample_database.uri.partition("://")[2]
    good = {"NEO4J_PASSWORD": sample_database.password.get_secret_value(), "NEO4J_USERNAME": sample_database.username}
    wrong = {name: value.format(address=address) for name, value in changed.items()}
    with running("serve", "--port", "0", environ=database(sample_database.uri, **{**good, **wrong})) as command:
        assert PASSWORD not in heard(command, said)


def test_serve_says_nothing_of_a_database_that_can_be_used(sample_database: EmbeddedNeo4j) -> None:
    environ = environment(NEO4J_M2M_DATA_DIR=str(sample_database.data_dir))
    with running("serve", "--port", "0", environ=environ) as command, httpx2.Client(trust_env=False) as client:
        assert client.post(command.ready["url"], json=CALL, timeout=60).status_code == 200
        assert "cannot be used" not in "".join(command.said)


def test_serve_tells_of_a_key_ring_that_it_does_not_ask_for(refused_port: int, tmp_path: Path) -> None:
    environ = database(f"bolt://127.0.0.1:{refused_port}", HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path))
    assert finished("keys", "create", "--name", "agent", environ=environ).returncode == 0
    with running("serve", "--port", "0", environ=environ) as command:
        said = heard(command, "There is a key ring")
    ring = tmp_path / "neo4j-m2m" / "keys.json"
    assert f"set NEO4J_M2M_KEYS_FILE={ring}" in said
    with running("serve", "--port", "0", environ={**environ, "NEO4J_M2M_KEYS_FILE": str(ring)}) as command:
        heard(command, "The database cannot be used")
        assert "There is a key ring" not in "".join(command.said)
