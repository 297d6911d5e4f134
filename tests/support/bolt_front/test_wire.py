"""What goes over the wire: compared with the database itself wherever that can do the same."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import neo4j
import pytest
from pydantic import SecretStr

from local.emulators.issuer import Issuer
from local.neo4j import EmbeddedNeo4j
from tests.support.bolt_front import Backend, FrontRules, RunningBoltFront, running_bolt_front
from tests.support.bolt_front.conftest import KEY
from tests.support.bolt_front.raw_bolt import HELLO, LOGOFF, PULL, RESET, RawBolt, logon, message, run

BY_KEY = logon(scheme="api-key", credentials=KEY)
GHOST = logon(scheme="basic", principal="ghost", credentials="wrong")


def port_of(front: RunningBoltFront) -> int:
    return int(front.uri.rpartition(":")[2])


@pytest.fixture(scope="module")
def community(backend: Backend) -> Iterator[RunningBoltFront]:
    """A front that knows no more than the database behind it."""
    with running_bolt_front(backend, FrontRules()) as front:
        yield front


def comparable(answers: list[tuple[str, Any]]) -> list[Any]:
    """Without what differs from one connection to the next."""
    fleeting = {"connection_id", "bookmark", "t_first", "t_last"}
    return [
        (name, {key: value for key, value in said.items() if key not in fleeting} if isinstance(said, dict) else said)
        for name, said in answers
    ]


@pytest.mark.parametrize("version", [(5, 1), (5, 6), (5, 8)])
@pytest.mark.parametrize("refused", [logon(scheme="bearer", credentials="x.y.z"), logon(), GHOST])
def test_a_refusal_and_what_was_sent_behind_it_are_answered_as_by_the_database(
    community: RunningBoltFront, backend: Backend, version: tuple[int, int], refused: bytes
) -> None:
    said = []
    for port in (backend.port, port_of(community)):
        with RawBolt(port, version) as client:
            client.send(HELLO, refused, run("RETURN 1"), PULL)
            said.append((client.answer, comparable(client.read_to_end())))
    assert said[0] == said[1]
    assert [name for name, _ in said[0][1]] == ["SUCCESS", "FAILURE"]


def test_what_is_sent_in_one_write_is_answered_as_by_the_database(
    community: RunningBoltFront, backend: Backend
) -> None:
    right = logon(scheme="basic", principal=backend.username, credentials=backend.password.get_secret_value())
    said = []
    for port in (backend.port, port_of(community)):
        with RawBolt(port) as client:
            client.send(HELLO, right, run("RETURN 1"), PULL, LOGOFF, right, run("UNWIND [1, 2] AS n RETURN n"), PULL)
            answers = client.read(11)
            client.send(run("RETURN nope"), PULL)
            answers += client.read(2)
            client.send(RESET, run("RETURN 3"), PULL)
            answers += client.read(4)
            client.send(LOGOFF, right)
            answers += client.read(2)
            said.append([_without_address(answer) for answer in comparable(answers)])
    assert said[0] == said[1]
    assert [name for name, _ in said[0]].count("RECORD") == 4


def _without_address(answer: Any) -> Any:
    name, said = answer
    return (name, {}) if isinstance(said, dict) and "advertised_address" in said else answer


@pytest.mark.parametrize("behind", [LOGOFF, BY_KEY])
def test_a_change_of_login_after_a_failure_ends_the_connection(front: RunningBoltFront, behind: bytes) -> None:
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, BY_KEY, run("RETURN nope"))
        assert [name for name, _ in client.read(3)] == ["SUCCESS", "SUCCESS", "FAILURE"]
        client.send(behind)
        [(name, said)] = client.read_to_end()
    assert (name, said["neo4j_code"]) == ("FAILURE", "Neo.ClientError.Request.Invalid")
    counted = front.logins.snapshot()
    assert (counted.accepted, counted.refused) == ({"api-key": 1}, {})


def test_what_was_sent_behind_a_refused_login_does_not_run(
    front: RunningBoltFront, empty_neo4j_driver: neo4j.Driver
) -> None:
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, logon(scheme="api-key", credentials="wrong"), run("CREATE (:Uninvited)"), PULL)
        assert [name for name, _ in client.read_to_end()] == ["SUCCESS", "FAILURE"]
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, run("CREATE (:Uninvited)"), PULL, BY_KEY)
        client.read_to_end()
    counted = empty_neo4j_driver.execute_query("MATCH (n:Uninvited) RETURN count(n) AS n")
    assert counted.records[0]["n"] == 0


def test_the_end_of_a_token_is_told_when_what_came_before_is_answered(front: RunningBoltFront, issuer: Issuer) -> None:
    end = time.time() + 1.5
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, logon(scheme="bearer", credentials=issuer.token("agent", exp=end)))
        client.read(2)
        time.sleep(max(0.0, end - 0.7 - time.time()))
        client.send(run("UNWIND range(1, 6000000) AS i RETURN max(i % 7) AS n"), PULL)
        time.sleep(max(0.0, end + 0.1 - time.time()))
        client.send(run("RETURN 1"), LOGOFF)
        answers = client.read_to_end()
    assert [name for name, _ in answers] == ["SUCCESS", "RECORD", "SUCCESS", "FAILURE", "FAILURE"]
    codes = [said["neo4j_code"] for _, said in answers[-2:]]
    assert codes == ["Neo.ClientError.Security.TokenExpired", "Neo.ClientError.Request.Invalid"]


def test_after_the_end_of_a_token_all_is_refused_until_another_login(front: RunningBoltFront, issuer: Issuer) -> None:
    def by_token(**changed: Any) -> bytes:
        return logon(scheme="bearer", credentials=issuer.token("agent", **changed))

    with RawBolt(port_of(front)) as client:
        client.send(HELLO, by_token(exp=time.time() + 1.5), run("RETURN 1"), PULL)
        assert [name for name, _ in client.read(5)] == ["SUCCESS", "SUCCESS", "SUCCESS", "RECORD", "SUCCESS"]
        time.sleep(1.6)
        client.send(run("RETURN 1"), PULL, RESET, run("RETURN 1"), PULL, RESET)
        answers = client.read(6)
        assert [name for name, _ in answers] == ["FAILURE", "IGNORED", "SUCCESS"] * 2
        assert answers[0][1]["neo4j_code"] == "Neo.ClientError.Security.TokenExpired"
        assert answers[0][1]["gql_status"] == "42NFE"
        client.send(LOGOFF, by_token(), run("RETURN 1"), PULL)
        assert [name for name, _ in client.read(5)] == ["SUCCESS", "SUCCESS", "SUCCESS", "RECORD", "SUCCESS"]


def test_a_message_may_be_cut_into_chunks_anywhere(front: RunningBoltFront) -> None:
    body = BY_KEY[2:-2]
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, *(b"\x00\x01" + body[at : at + 1] for at in range(len(body))), b"\x00\x00")
        assert [name for name, _ in client.read(2)] == ["SUCCESS", "SUCCESS"]


@pytest.mark.parametrize("before", [(HELLO,), (HELLO, BY_KEY, LOGOFF)])
def test_a_long_message_of_who_is_not_logged_in_ends_the_connection(
    front: RunningBoltFront, before: tuple[bytes, ...]
) -> None:
    with RawBolt(port_of(front)) as client:
        client.send(*before)
        client.read(len(before))
        client.send(message(0x10, "x" * 70_000, {}, {}))
        assert client.read_to_end() == []


def test_a_long_message_may_be_sent_right_behind_a_login(front: RunningBoltFront) -> None:
    long = message(0x10, "RETURN size($x)", {"x": "y" * 300_000}, {})
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, BY_KEY, long, PULL)
        answers = client.read(5)
    assert answers[3] == ("RECORD", [300_000])


@pytest.mark.parametrize(
    "nested", [b"\x91", b"\xa1\x80", b"\xb1\x01", b"\xd6\x7f\xff\xff\xff", b"\xda\x7f\xff\xff\xff"]
)
def test_a_login_that_cannot_be_read_ends_its_own_connection_only(front: RunningBoltFront, nested: bytes) -> None:
    body = b"\xb1\x6a" + nested * (60_000 // len(nested))
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, len(body).to_bytes(2, "big"), body, b"\x00\x00")
        assert [name for name, _ in client.read_to_end()] == ["SUCCESS"]
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, message(0x6A, {"scheme": "basic"}, {"scheme": "api-key", "credentials": KEY}))
        assert [name for name, _ in client.read_to_end()] == ["SUCCESS"]
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, BY_KEY)
        assert [name for name, _ in client.read(2)] == ["SUCCESS", "SUCCESS"]


def test_a_client_that_does_not_read_is_cut_off_all_the_same(front: RunningBoltFront) -> None:
    long = run("UNWIND range(1, 20000) AS i RETURN reduce(s = 'x', j IN range(1, 10) | s + s) AS long")
    with RawBolt(port_of(front)) as client:
        client.send(HELLO, BY_KEY, long, PULL)
        time.sleep(0.3)
        front.drop_connections()
        time.sleep(0.1)
        with contextlib.suppress(ConnectionResetError):
            client.send(bytes(2))  # the first one may still be taken, and is answered with a reset
        time.sleep(0.1)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            client.send(bytes(2))


def test_a_client_that_is_too_old_is_told_that_no_version_is_in_common(front: RunningBoltFront) -> None:
    for version in ((5, 0), (4, 4), (3, 0)):
        with RawBolt(port_of(front), version) as client:
            assert client.answer == bytes(4)
            assert client.read_to_end() == []


def test_the_driver_gets_the_version_of_bolt_that_it_gets_from_the_database(
    front: RunningBoltFront, scratch_database: EmbeddedNeo4j
) -> None:
    auth = (scratch_database.username, scratch_database.password.get_secret_value())
    versions = set()
    for uri in (front.uri, scratch_database.uri):
        with neo4j.GraphDatabase.driver(uri, auth=auth) as driver:
            versions.add(driver.get_server_info().protocol_version)
    assert len(versions) == 1


@contextlib.contextmanager
def scripted(answers: bytes) -> Iterator[int]:
    """A server that agrees to Bolt 5.8 and then says ``answers``, whatever it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as client:
                client.sendall(b"\x00\x00\x08\x05" + answers)
                while client.recv(65_536):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def before(port: int) -> contextlib.AbstractContextManager[RunningBoltFront]:
    return running_bolt_front(Backend("127.0.0.1", port, "u", SecretStr("p")), FrontRules())


def test_the_signs_of_life_of_a_busy_database_reach_the_client() -> None:
    answers = message(0x70, {}) + bytes(4) + message(0x7E)
    with scripted(answers) as port, before(port) as front, RawBolt(port_of(front)) as client:
        client.send(HELLO)
        assert client.raw(len(answers)) == answers


@pytest.mark.parametrize("said", [b"\x00\x03\x01\x02\x03\x00\x00", b"\x00\x01\xb1\x00\x00"])
def test_a_database_that_talks_nonsense_costs_the_client_its_connection_only(said: bytes) -> None:
    with scripted(said) as port, before(port) as front, RawBolt(port_of(front)) as client:
        client.send(HELLO)
        assert client.read_to_end() == []


def test_a_database_that_is_not_there_costs_the_client_its_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with before(port) as front, pytest.raises((EOFError, ConnectionResetError)):
        RawBolt(port_of(front))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
