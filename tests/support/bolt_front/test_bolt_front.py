from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import logging
import socket
import threading
import time
from typing import Any

import neo4j
import pytest
from neo4j.exceptions import ClientError, Neo4jError, ServiceUnavailable
from pydantic import SecretStr

from core.errors import LocalError
from local.emulators.issuer import Issuer
from local.neo4j import EmbeddedNeo4j
from tests.support.bolt_front import Backend, FrontRules, RunningBoltFront, running_bolt_front
from tests.support.bolt_front.conftest import KEY, Users, verifier


def run(front: RunningBoltFront, auth: Any, statement: str = "RETURN 1 AS one", **session: Any) -> list[Any]:
    with (
        neo4j.GraphDatabase.driver(front.uri, auth=auth, telemetry_disabled=True) as driver,
        driver.session(**session) as opened,
    ):
        return [record.values() for record in opened.run(statement)]


WHO = "SHOW CURRENT USER YIELD user"


def test_a_token_logs_in_as_the_user_that_its_principal_is_mapped_to(
    front: RunningBoltFront, issuer: Issuer, backend: Backend
) -> None:
    assert run(front, neo4j.bearer_auth(issuer.token("agent")), WHO) == [[backend.username]]
    assert run(front, neo4j.bearer_auth(issuer.token("other")), WHO) == [["other"]]
    assert front.logins.principals == {"agent": 1, "other": 1}
    assert front.logins.accepted["bearer"] == 2


@pytest.mark.parametrize(
    "changed",
    [{"aud": "api://else"}, {"exp": int(time.time()) - 10}, {"iss": "https://elsewhere.example"}],
)
def test_a_token_that_does_not_hold_is_refused(front: RunningBoltFront, issuer: Issuer, changed: Any) -> None:
    with pytest.raises(Neo4jError) as caught:
        run(front, neo4j.bearer_auth(issuer.token("agent", **changed)))
    assert caught.value.code == "Neo.ClientError.Security.Unauthorized"
    assert front.logins.refused["bearer"] == 1
    assert not front.logins.tokens


def test_a_token_is_refused_from_its_end_on_whatever_the_verifiers_leeway(issuer: Issuer, backend: Backend) -> None:
    with running_bolt_front(backend, FrontRules(verifier(issuer, leeway=60))) as front:
        with pytest.raises(Neo4jError, match="authentication failure"):
            run(front, neo4j.bearer_auth(issuer.token("agent", exp=int(time.time()) - 1)))
        assert run(front, neo4j.bearer_auth(issuer.token("agent"))) == [[1]]


def test_a_forged_token_is_refused(front: RunningBoltFront, issuer: Issuer) -> None:
    head, body, signature = issuer.token("agent").split(".")
    with pytest.raises(Neo4jError, match="authentication failure"):
        run(front, neo4j.bearer_auth(f"{head}.{body}.{signature[::-1]}"))


def test_a_token_that_ends_while_the_connection_lives_is_told(front: RunningBoltFront, issuer: Issuer) -> None:
    token = neo4j.bearer_auth(issuer.token("agent", exp=time.time() + 1.5))
    with neo4j.GraphDatabase.driver(front.uri, auth=token, telemetry_disabled=True) as driver:
        assert driver.execute_query("RETURN 1 AS one").records[0]["one"] == 1
        time.sleep(1.6)
        with driver.session() as session, pytest.raises(Neo4jError) as caught:
            session.run("RETURN 1").consume()
    assert caught.value.code == "Neo.ClientError.Security.TokenExpired"


def test_the_drivers_own_renewal_gets_over_the_end_of_a_token(front: RunningBoltFront, issuer: Issuer) -> None:
    fetched = []

    def token() -> neo4j.auth_management.ExpiringAuth:
        # Only the first one ends, and the driver is not told when: it learns it from the failure.
        changed = {} if fetched else {"exp": time.time() + 1.5}
        fetched.append(issuer.token("agent", **changed))
        return neo4j.auth_management.ExpiringAuth(neo4j.bearer_auth(fetched[-1]))

    auth = neo4j.auth_management.AuthManagers.bearer(token)
    with neo4j.GraphDatabase.driver(front.uri, auth=auth, telemetry_disabled=True) as driver:
        for pause in (0.0, 1.6, 0.0):
            time.sleep(pause)
            assert driver.execute_query("RETURN 1 AS one").records[0]["one"] == 1
    assert len(fetched) == 2
    assert front.logins.snapshot().accepted == {"bearer": 2}


def test_a_connection_is_logged_in_again_with_another_token(front: RunningBoltFront, issuer: Issuer) -> None:
    with neo4j.GraphDatabase.driver(front.uri, telemetry_disabled=True) as driver:
        for number in range(5):
            token = issuer.token("agent" if number % 2 else "other", number=number)
            with driver.session(auth=neo4j.bearer_auth(token)) as session:
                who = session.run(WHO).single(strict=True)["user"]
            assert (who == "other") == (number % 2 == 0)
    assert front.logins.connections == 1
    assert len(front.logins.tokens) == 5
    assert hashlib.sha256(token.encode()).hexdigest() in front.logins.tokens


def test_passwords_are_for_the_database_to_judge(front: RunningBoltFront, backend: Backend) -> None:
    right = (backend.username, backend.password.get_secret_value())
    assert run(front, right) == [[1]]
    with pytest.raises(Neo4jError) as caught:
        run(front, ("other", "wrong"))
    assert caught.value.code == "Neo.ClientError.Security.Unauthorized"
    assert (front.logins.accepted["basic"], front.logins.refused["basic"]) == (1, 1)


def test_the_databases_own_brake_on_guessing_comes_through(
    front: RunningBoltFront, empty_neo4j_driver: neo4j.Driver
) -> None:
    statement = "CREATE OR REPLACE USER guessed SET PASSWORD 'password-of-guessed' CHANGE NOT REQUIRED"
    empty_neo4j_driver.execute_query(statement, database_="system")
    codes = []
    for _ in range(5):
        with pytest.raises(Neo4jError) as caught:
            run(front, ("guessed", "wrong"))
        codes.append(caught.value.code)
    assert codes[0] == "Neo.ClientError.Security.Unauthorized"
    assert codes[-1] == "Neo.ClientError.Security.AuthenticationRateLimit"
    assert front.logins.refused["basic"] == 5


def test_passwords_can_be_switched_off(backend: Backend) -> None:
    right = (backend.username, backend.password.get_secret_value())
    with running_bolt_front(backend, FrontRules(basic=False)) as front, pytest.raises(Neo4jError) as caught:
        run(front, right)
    assert caught.value.code == "Neo.ClientError.Security.Unauthorized"
    assert front.logins.refused == {"basic": 1}


def test_principals_and_keys_without_a_user_of_their_own_get_the_default(
    issuer: Issuer, backend: Backend, users: Users
) -> None:
    other = users["other"]
    mine = (backend.username, backend.password)
    rules = FrontRules(
        verifier(issuer),
        {"*": other, "agent": mine},
        {"one": SecretStr(KEY), "two": SecretStr(KEY)},
        key_users={"two": other},
    )
    with running_bolt_front(backend, rules) as front:
        assert run(front, neo4j.bearer_auth(issuer.token("agent")), WHO) == [[backend.username]]
        assert run(front, neo4j.bearer_auth(issuer.token("other")), WHO) == [["other"]]
        assert run(front, neo4j.custom_auth("", KEY, None, "one"), WHO) == [[backend.username]]
        assert run(front, neo4j.custom_auth("", KEY, None, "two"), WHO) == [["other"]]


def test_a_login_counts_only_when_the_database_lets_its_user_in(issuer: Issuer, backend: Backend) -> None:
    rules = FrontRules(verifier(issuer), {"agent": ("nobody", SecretStr("password-of-nobody"))})
    with running_bolt_front(backend, rules) as front:
        with pytest.raises(Neo4jError, match="authentication failure"):
            run(front, neo4j.bearer_auth(issuer.token("agent")))
        counted = front.logins.snapshot()
    assert (counted.accepted, counted.refused, counted.principals, counted.tokens) == ({}, {"bearer": 1}, {}, set())


def test_aura_takes_nothing_but_passwords(issuer: Issuer, backend: Backend) -> None:
    rules = FrontRules(verifier(issuer), api_keys={"api-key": SecretStr(KEY)}, aura=True)
    with running_bolt_front(backend, rules) as front:
        for auth in (neo4j.bearer_auth(issuer.token("agent")), neo4j.custom_auth("", KEY, None, "api-key")):
            with pytest.raises(Neo4jError, match="is not supported") as caught:
                run(front, auth)
            assert caught.value.code == "Neo.ClientError.Security.Unauthorized"
        assert run(front, (backend.username, backend.password.get_secret_value())) == [[1]]


def test_what_was_counted_stays_as_it_was(front: RunningBoltFront) -> None:
    before = front.logins.snapshot()
    for scheme in ("api-key", f"{KEY}-by-mistake"):
        with pytest.raises(Neo4jError):
            run(front, neo4j.custom_auth("", "wrong", None, scheme))
    assert (before.connections, before.refused) == (0, {})
    after = front.logins.snapshot()
    assert (after.connections, after.refused) == (2, {"api-key": 1, "other": 1})


def test_an_api_key_is_accepted_under_its_scheme_and_under_no_other(front: RunningBoltFront) -> None:
    assert run(front, neo4j.custom_auth("", KEY, None, "api-key")) == [[1]]
    for auth in (neo4j.custom_auth("", KEY, None, "another"), neo4j.custom_auth("", "wrong", None, "api-key")):
        with pytest.raises(Neo4jError) as caught:
            run(front, auth)
        assert caught.value.code == "Neo.ClientError.Security.Unauthorized"


def test_a_door_without_rules_refuses_tokens_as_community_does(
    backend: Backend, issuer: Issuer, scratch_database: EmbeddedNeo4j
) -> None:
    auth = neo4j.bearer_auth(issuer.token("agent"))
    said = []
    with running_bolt_front(backend, FrontRules()) as front:
        for uri in (front.uri, scratch_database.uri):
            with (
                neo4j.GraphDatabase.driver(uri, auth=auth, telemetry_disabled=True) as driver,
                pytest.raises(ClientError) as caught,
            ):
                driver.execute_query("RETURN 1")
            said.append((type(caught.value), caught.value.code, caught.value.message))
    assert said[0] == said[1]


@pytest.mark.exhaustive
def test_a_large_result_arrives_whole(front: RunningBoltFront, issuer: Issuer) -> None:
    auth = neo4j.bearer_auth(issuer.token("agent"))
    rows = run(front, auth, "UNWIND range(1, 200000) AS i RETURN i", fetch_size=-1)
    assert len(rows) == 200_000
    assert rows[-1] == [200_000]
    long = run(front, auth, "RETURN reduce(s = 'x', i IN range(1, 18) | s + s) AS long")
    assert len(long[0][0]) == 2**18


async def test_many_sessions_are_served_at_once(front: RunningBoltFront, issuer: Issuer) -> None:
    auth = neo4j.bearer_auth(issuer.token("agent"))
    async with neo4j.AsyncGraphDatabase.driver(front.uri, auth=auth, telemetry_disabled=True) as driver:

        async def one(number: int) -> Any:
            async with driver.session() as session:
                return (await (await session.run("RETURN $n", n=number)).single(strict=True)).value()

        assert await asyncio.gather(*(one(number) for number in range(20))) == list(range(20))


def test_dropped_connections_are_opened_again(front: RunningBoltFront, issuer: Issuer) -> None:
    auth = neo4j.bearer_auth(issuer.token("agent"))
    with neo4j.GraphDatabase.driver(front.uri, auth=auth, telemetry_disabled=True) as driver:
        driver.execute_query("RETURN 1")
        front.drop_connections()
        driver.execute_query("RETURN 1")
    assert front.logins.connections == 2


def test_a_result_is_cut_off_and_nothing_is_left_behind(
    front: RunningBoltFront, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    auth = neo4j.bearer_auth(issuer.token("agent"))
    driver = neo4j.GraphDatabase.driver(front.uri, auth=auth, telemetry_disabled=True)
    with driver, driver.session(fetch_size=-1) as session:
        result = session.run("UNWIND range(1, 20000) AS i RETURN reduce(s = 'x', j IN range(1, 10) | s + s) AS long")
        time.sleep(0.3)
        front.drop_connections()
        with pytest.raises(ServiceUnavailable):
            result.consume()
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_it_stops_at_once_with_connections_open(issuer: Issuer, backend: Backend) -> None:
    with running_bolt_front(backend, FrontRules(verifier(issuer))) as front:
        auth = neo4j.bearer_auth(issuer.token("agent"))
        driver = neo4j.GraphDatabase.driver(front.uri, auth=auth, telemetry_disabled=True)
        driver.verify_connectivity()
        began = time.monotonic()
    assert time.monotonic() - began < 2
    driver.close()
    front.drop_connections()
    assert "bolt front" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x60\x60\xb0\x17" + b"\x00" * 16,
        b"\x60\x60\xb0\x17\x00\x00\x04\x05" + b"\x00" * 12 + b"\xff" * 100_000,
        b"\x60\x60\xb0\x17\x00\x00\x04\x05" + b"\x00" * 12 + b"\x00\x03\xb1\x6a\x01\x00\x00",
        b"\x60\x60\xb0\x17\x00\x00\x04\x05" + b"\x00" * 12 + (b"\xff\xff" + b"\xb1\x6a" * 32767 + b"\x01") * 3,
    ],
)
def test_what_is_no_bolt_ends_its_own_connection_only(front: RunningBoltFront, issuer: Issuer, garbage: bytes) -> None:
    host, port = front.uri.removeprefix("bolt://").split(":")
    stranger = socket.create_connection((host, int(port)), timeout=5)
    with stranger, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        stranger.sendall(garbage)
        with contextlib.suppress(OSError):  # no longer connected, if the reset came first
            stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(65536):
            pass
    assert run(front, neo4j.bearer_auth(issuer.token("agent"))) == [[1]]


def test_no_token_or_key_shows_in_the_log(
    front: RunningBoltFront, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    token = issuer.token("agent")
    with caplog.at_level(logging.DEBUG):
        run(front, neo4j.bearer_auth(token))
        run(front, neo4j.custom_auth("", KEY, None, "api-key"))
    assert token.rpartition(".")[2] not in caplog.text
    assert KEY not in caplog.text + repr(front.rules) + repr(front.backend) + repr(front.logins)


def test_a_port_that_is_taken_is_told(front: RunningBoltFront, backend: Backend) -> None:
    with (
        pytest.raises(LocalError, match="is not available"),
        running_bolt_front(backend, FrontRules(), port=int(front.uri.rpartition(":")[2])),
    ):
        pass
