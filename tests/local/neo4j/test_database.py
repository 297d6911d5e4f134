"""A running embedded database: what it answers, what it listens on, who can read its password, and how it is shared."""

from __future__ import annotations

import json
import socket

import neo4j
import psutil
import pytest

from local.neo4j import EmbeddedNeo4j
from tests.local.neo4j.processes import command, mode, pids, query

pytestmark = pytest.mark.processes


def test_it_answers_cypher(database: EmbeddedNeo4j) -> None:
    components = query(database, "CALL dbms.components() YIELD name, versions, edition RETURN name, versions, edition")
    assert ["Neo4j Kernel", ["2026.09.0"], "community"] in components
    assert database.alive
    database.check()


def test_nothing_listens_but_bolt_on_loopback(database: EmbeddedNeo4j) -> None:
    open_to_callers = {
        (connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)
        for pid in pids(database.data_dir)
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.type == socket.SOCK_DGRAM or connection.status == psutil.CONN_LISTEN
    }
    assert open_to_callers == {("127.0.0.1", database.port)}


def test_the_password_is_long_and_only_its_owner_can_read_it(database: EmbeddedNeo4j) -> None:
    assert len(database.password.get_secret_value()) >= 32
    assert mode(database.data_dir) == 0o700
    assert mode(database.data_dir / "password") == 0o600
    assert mode(database.data_dir / "server.json") == 0o600
    assert database.password.get_secret_value() not in repr(vars(database))


def test_the_password_is_in_no_log_no_argument_and_no_environment(database: EmbeddedNeo4j) -> None:
    password = database.password.get_secret_value().encode()
    for pid in pids(database.data_dir):
        assert password not in "\0".join(psutil.Process(pid).cmdline()).encode()
        assert password not in json.dumps(psutil.Process(pid).environ()).encode()
    files = [path for path in database.data_dir.rglob("*") if path.is_file() and path.stat().st_size < 50_000_000]
    assert [path.name for path in files if password in path.read_bytes()] == ["password"]
    assert not (database.data_dir / "data" / "dbms" / "auth.ini").exists()


def test_no_credential_of_the_first_command_lives_on_in_the_processes_that_it_starts(database: EmbeddedNeo4j) -> None:
    for pid in pids(database.data_dir):
        names = psutil.Process(pid).environ().keys()
        assert "PATH" in names
        assert not names & {"NEO4J_PASSWORD", "AWS_SECRET_ACCESS_KEY"}


def test_the_password_of_a_fresh_neo4j_does_not_work(database: EmbeddedNeo4j) -> None:
    with (
        neo4j.GraphDatabase.driver(database.uri, auth=("neo4j", "neo4j")) as driver,
        pytest.raises(neo4j.exceptions.AuthError),
    ):
        driver.verify_connectivity()


def test_no_statement_reads_files_of_this_machine(database: EmbeddedNeo4j) -> None:
    with pytest.raises(neo4j.exceptions.ClientError):
        query(database, "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line")


def test_a_second_command_shares_the_database_that_runs(database: EmbeddedNeo4j) -> None:
    with command(database.data_dir) as second:
        assert second.ready() == {"uri": database.uri, "shared": True}
        second.end()
    assert query(database, "RETURN 1") == [[1]]
