"""The secret and its store in trouble, seen through the whole function: what the agent is told, and what mends it."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import neo4j
import pytest
from pydantic import SecretStr

from local.emulators.aws.secrets_manager import RunningSecretsManager, running_secrets_manager
from local.emulators.loopback_server import served
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda.deployed import Lambda, environ_of, message, secret_of
from tests.aws_lambda.fronts import StoreFront
from tests.support.canaries import WATCH
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import eventually, soon

pytestmark = pytest.mark.processes

CANARY = "canary-lambda-rotation-4b1e"
SECRET = "neo4j/agent"


@pytest.fixture(scope="module")
def store(sample_database: EmbeddedNeo4j) -> Iterator[RunningSecretsManager]:
    with running_secrets_manager("eu-central-1") as running:
        running.create(SECRET, secret_of(sample_database))
        yield running


@pytest.fixture
def front(store: RunningSecretsManager) -> Iterator[tuple[StoreFront, dict[str, str]]]:
    """The store behind a front, and the environment of a function that asks there."""
    front = StoreFront(store.endpoint)
    with served(front, name="the store") as endpoint:
        yield front, {**environ_of(store, SECRET), "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint}


def answers(function: Lambda) -> bool:
    """Whether a call goes well. For some seconds after a failed fetch none does: the store is not asked again."""
    return not function.call(message()).get("isError")


def told(function: Lambda) -> str:
    answer = function.call(message())
    assert answer["isError"] is True
    return str(answer["content"][0]["text"])


def test_a_role_that_may_not_read_the_secret_is_told_and_may_be_allowed_while_the_function_lives(
    store: RunningSecretsManager,
) -> None:
    environ = environ_of(store, SECRET, "secretsmanager:DescribeSecret")
    with Lambda(environ) as function:
        assert "secret store (denied)" in told(function)
        policy = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
        iam = store.client("iam")
        roles = [role["RoleName"] for role in iam.list_roles()["Roles"]]
        document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
        iam.put_role_policy(RoleName=max(roles), PolicyName="more", PolicyDocument=document)
        assert eventually(lambda: answers(function))
        assert function.function.started == 1


def test_a_store_that_is_asked_too_often_is_asked_again_before_anybody_is_told(
    front: tuple[StoreFront, dict[str, str]],
) -> None:
    store, environ = front
    store.throttled = 1
    with Lambda(environ) as function:
        assert function.rows() == [[1]]
        assert store.asked == 2


def test_a_store_that_goes_on_throttling_is_told_and_asked_again_at_longer_intervals(
    front: tuple[StoreFront, dict[str, str]],
) -> None:
    store, environ = front
    store.throttled = 10_000
    with Lambda({**environ, "NEO4J_M2M_TIMEOUT": "2"}) as function:
        begun = time.monotonic()
        for _ in range(3):
            assert "(throttled). Try again in some seconds" in told(function)
        # Five fetches in the first two seconds, then one a second, and the SDK asks twice for each.
        assert store.asked <= 2 * (5 + time.monotonic() - begun), "callers drive the store"
        store.throttled = 0
        assert eventually(lambda: answers(function))


def test_a_cold_call_says_that_it_is_the_key_that_is_in_the_way_and_not_the_secret(
    front: tuple[StoreFront, dict[str, str]], tmp_path: Path
) -> None:
    store, environ = front
    store.key_is_off = True
    with (tmp_path / "log").open("w") as log, Lambda(environ, log=log) as function:
        assert "secret store (undecryptable)" in told(function)
        store.key_is_off = False
        assert eventually(lambda: answers(function))
    assert "kms:Decrypt" in (tmp_path / "log").read_text()


@pytest.mark.exhaustive
async def test_a_store_that_is_away_costs_nothing_while_the_credential_is_good(
    store: RunningSecretsManager, sample_database: EmbeddedNeo4j, front: tuple[StoreFront, dict[str, str]]
) -> None:
    at, environ = front
    async with TcpProxy.to(sample_database.uri) as proxy:
        store.create("neo4j/stale", secret_of(sample_database, uri=proxy.uri))
        environ |= {"NEO4J_M2M_SECRET": "neo4j/stale", "NEO4J_M2M_SECRET_TTL": "1", "NEO4J_M2M_SECRET_STALE": "600"}
        with Lambda(environ) as function:
            assert await asyncio.to_thread(function.rows) == [[1]]
            at.away, asked = True, at.asked
            for _ in range(100):  # until the second is over in which it is not asked for again
                assert await asyncio.to_thread(function.rows) == [[1]]
                if at.asked > asked:
                    break
                await asyncio.sleep(0.1)
            assert at.asked > asked
            # Not only a connection that is open: a new one is logged in with what is remembered.
            proxy.drop_all()
            assert await asyncio.to_thread(function.rows) == [[1]]
            assert proxy.connections == 2
        with Lambda(environ) as other:
            assert "(unreachable)" in await asyncio.to_thread(told, other)


class Rotated:
    """A database user of its own, and the secret that says its password."""

    def __init__(self, database: EmbeddedNeo4j, admin: neo4j.Driver, store: RunningSecretsManager) -> None:
        self.name = f"agent{secrets.token_hex(4)}"
        self.secret = f"neo4j/{self.name}"
        self.passwords: list[str] = []
        self._database = database
        self._admin = admin
        self._store = store

    def change(self, command: str = "ALTER USER") -> None:
        """Give the user another password; the secret is another matter."""
        self.passwords.append(f"{CANARY}-{secrets.token_hex(4)}")
        statement = f"{command} {self.name} SET PASSWORD $password CHANGE NOT REQUIRED"
        self._admin.execute_query(statement, password=self.passwords[-1], database_="system")

    def text(self, uri: str) -> SecretStr:
        return secret_of(self._database, uri=uri, username=self.name, password=self.passwords[-1])

    def store(self, uri: str) -> None:
        """Let the secret say the password of now."""
        self._store.write(self.secret, self.text(uri))


@pytest.fixture
async def proxy(scratch_database: EmbeddedNeo4j) -> AsyncIterator[TcpProxy]:
    async with TcpProxy.to(scratch_database.uri) as proxy:
        yield proxy


@pytest.mark.exhaustive
async def test_a_rotation_under_load_loses_no_call_though_the_secret_comes_late(
    scratch_database: EmbeddedNeo4j,
    empty_neo4j_driver: neo4j.Driver,
    store: RunningSecretsManager,
    front: tuple[StoreFront, dict[str, str]],
    proxy: TcpProxy,
    tmp_path: Path,
) -> None:
    at, environ = front
    rotated = Rotated(scratch_database, empty_neo4j_driver, store)
    await asyncio.to_thread(rotated.change, "CREATE USER")
    store.create(rotated.secret, rotated.text(proxy.uri))
    environ |= {"NEO4J_M2M_SECRET": rotated.secret}
    stop = threading.Event()
    lost: list[str] = []

    answered = [0, 0, 0]

    def load(function: Lambda, number: int) -> None:
        while not stop.is_set():
            answer = function.call(message())
            if answer.get("isError"):
                lost.append(answer["content"][0]["text"])
            answered[number] += 1
            time.sleep(0.02)

    log = tmp_path / "log"
    with log.open("w") as output, Lambda(environ, log=output) as warm, Lambda(environ, log=output) as cold:
        loads = [asyncio.ensure_future(asyncio.to_thread(load, warm, number)) for number in range(2)]
        assert await soon(lambda: proxy.open >= 2)
        await asyncio.to_thread(rotated.change)
        asked = at.asked
        # Warm environments have to log in again, and a cold one for the first time, while the secret is the old one.
        proxy.drop_all()
        loads.append(asyncio.ensure_future(asyncio.to_thread(load, cold, 2)))
        assert await soon(lambda: at.asked >= asked + 3)
        await asyncio.to_thread(rotated.store, proxy.uri)
        # Neo4j locks a user out for five seconds after wrong passwords in a row.
        changed = await soon(lambda: log.read_text().count('"credential_changed"') >= 2)
        before = list(answered)
        went_on = await soon(lambda: all(now > then + 10 for now, then in zip(answered, before, strict=True)))
        stop.set()
        await asyncio.gather(*loads)
        assert changed
        assert went_on
        assert lost == []
        assert (warm.function.started, cold.function.started) == (2, 1)
    text = log.read_text()
    WATCH.look(text, "the log of a rotation")
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    changes = [line for line in lines if line.get("audit") == "credential_changed"]
    refreshes = [line for line in lines if "CredentialRefreshes" in line]
    assert len(changes) == len(refreshes) >= 2, "both warm environments have changed their credential"
