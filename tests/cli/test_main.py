from __future__ import annotations

from pathlib import Path

import neo4j
import pytest

from core.version import server_version
from tests.support.processes import environment, finished, running

pytestmark = pytest.mark.processes


def test_the_embedded_database_alone_says_how_to_reach_it_and_ends_when_told(tmp_path: Path) -> None:
    with running("neo4j", "run", "--empty", "--data", str(tmp_path / "data"), environ=environment()) as command:
        assert list(command.ready) == ["uri", "username", "password", "database"]
        auth = (command.ready["username"], command.ready["password"])
        with neo4j.GraphDatabase.driver(command.ready["uri"], auth=auth) as driver:
            counted = driver.execute_query("MATCH (n) RETURN count(n) AS n", database_=command.ready["database"])
            assert counted.records[0]["n"] == 0
        assert command.stop() == 0
        with (
            neo4j.GraphDatabase.driver(command.ready["uri"], auth=auth) as driver,
            pytest.raises(neo4j.exceptions.ServiceUnavailable),
        ):
            driver.verify_connectivity()
    assert not any(command.ready["password"] in line for line in command.said)


def test_the_demo_asks_no_database_but_its_own() -> None:
    result = finished("demo", environ=environment(NEO4J_URI="bolt://127.0.0.1:1", NEO4J_PASSWORD="canary-3a"))
    assert result.returncode == 1
    assert "Unset NEO4J_URI" in result.stderr
    assert "canary-3a" not in result.stderr + result.stdout


def test_the_version_is_told() -> None:
    assert finished("--version", environ=environment()).stdout == f"neo4j-m2m {server_version()}\n"


@pytest.mark.parametrize("arguments", [[], ["serv"], ["neo4j"], ["neo4j", "run", "--empty", "--full"], ["serve", "x"]])
def test_a_wrong_command_line_is_status_2_and_says_what_would_do(arguments: list[str]) -> None:
    result = finished(*arguments, environ=environment())
    assert result.returncode == 2
    assert "usage: neo4j-m2m" in result.stderr
