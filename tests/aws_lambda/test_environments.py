"""Execution environments by the dozen and calls by the thousand: what each costs the database, and what none may."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.credentials import Credentials

from aws_lambda.signer import SigV4Auth
from local.emulators.aws.account import Account, Role, invoke_statements
from local.emulators.aws.function_url import FunctionUrl
from local.emulators.aws.secrets_manager import RunningSecretsManager
from local.emulators.loopback_server import served
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda.deployed import ARN, Lambda, environ_of, event, message, result, secret_of
from tests.support.canaries import WATCH
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import soon

pytestmark = pytest.mark.processes

SECRET = "neo4j/environments"
SLOW = "UNWIND range(1, 1000000000) AS i RETURN sum(i % 7)"


@pytest.fixture
def environ(store: RunningSecretsManager, sample_database: EmbeddedNeo4j, proxy: TcpProxy) -> dict[str, str]:
    """The environment of a function whose way to the database leads through the proxy."""
    name = f"{SECRET}/{time.monotonic_ns()}"
    store.create(name, secret_of(sample_database, uri=proxy.uri))
    return {**environ_of(store, name), "NEO4J_M2M_POOL_SIZE": "2"}


async def settled(proxy: TcpProxy) -> int:
    """How many connections are open, once none is being closed any more."""
    await soon(lambda: not proxy.open)
    return proxy.open


async def test_warm_calls_by_the_thousand_share_one_connection(environ: dict[str, str], proxy: TcpProxy) -> None:
    with Lambda(environ) as function:

        def calls() -> None:
            for number in range(1000):
                assert function.rows(f"RETURN {number % 7}") == [[number % 7]]

        await asyncio.to_thread(calls)
        assert function.function.started == 1
        assert (proxy.connections, proxy.open) == (1, 1)


@pytest.mark.exhaustive
async def test_each_cold_environment_opens_one_connection_and_leaves_none(
    environ: dict[str, str], proxy: TcpProxy
) -> None:
    def cold(_: int) -> Any:
        with Lambda(environ) as function:
            return function.rows()

    with ThreadPoolExecutor(3) as pool:
        loop = asyncio.get_running_loop()
        answers = await asyncio.gather(*(loop.run_in_executor(pool, cold, number) for number in range(8)))
    assert answers == [[[1]]] * 8
    assert proxy.connections == 8
    assert await settled(proxy) == 0


@pytest.mark.exhaustive
async def test_environments_at_once_have_a_connection_each_and_calls_above_the_limit_get_429(
    environ: dict[str, str], proxy: TcpProxy
) -> None:
    account = Account("123456789012")
    key = account.assume(Role("Agent", invoke_statements(ARN)), "s")
    assert key.session_token is not None
    keys = Credentials(key.id, key.secret.get_secret_value(), key.session_token.get_secret_value())
    auth = SigV4Auth(account.region, keys)
    with (
        Lambda(environ, concurrency=3) as function,
        served(FunctionUrl(function.function, ARN, account), name="the function URL") as url,
        httpx2.Client(trust_env=False, timeout=40) as client,
    ):

        def post(query: str, **more: Any) -> httpx2.Response:
            return client.post(f"{url}/mcp", json=message(query=query, **more), auth=auth)

        def patiently(number: int) -> int:
            for _ in range(1000):
                response = post(f"RETURN {number}")
                if response.status_code == 200:
                    assert response.json()["result"]["structuredContent"]["rows"] == [[number]]
                    return 200
                assert response.status_code == 429, response.text
                time.sleep(0.03)
            raise AssertionError("no environment was free for half a minute")

        with ThreadPoolExecutor(6) as pool:
            loop = asyncio.get_running_loop()
            load = [loop.run_in_executor(pool, patiently, number) for number in range(300)]
            assert await asyncio.gather(*load) == [200] * 300
            # Every environment is kept busy until the time of its call is up: the next call finds none.
            slow = [loop.run_in_executor(pool, lambda: post(SLOW, timeout_seconds=4)) for _ in range(3)]
            assert await soon(lambda: function.function._places._value == 0)
            refused = await asyncio.to_thread(post, "RETURN 1")
            assert refused.status_code == 429
            assert refused.headers["x-amzn-errortype"] == "TooManyRequestsException"
            for response in await asyncio.gather(*slow):
                assert "time was up" in response.json()["result"]["content"][0]["text"]
            assert await asyncio.to_thread(patiently, 1) == 200
        assert function.function.started == 3
    # One each, and one more for each statement that was stopped: its connection is dropped. On a busy machine, the
    # question whether it has stopped is late, too.
    assert 3 <= proxy.connections <= 9


async def test_connections_that_broke_while_the_function_was_frozen_cost_one_each_and_no_error(
    environ: dict[str, str], proxy: TcpProxy
) -> None:
    with Lambda(environ) as function:
        for number in range(1, 21):
            assert await asyncio.to_thread(function.rows) == [[1]]
            assert await asyncio.to_thread(function.rows) == [[1]]
            assert (proxy.connections, function.function.started) == (number, 1)
            proxy.drop_all()


async def test_a_database_that_was_away_while_the_function_was_frozen_is_found_again(
    environ: dict[str, str], proxy: TcpProxy
) -> None:
    with Lambda(environ) as function:
        assert await asyncio.to_thread(function.rows) == [[1]]
        await proxy.refuse()
        told = await asyncio.to_thread(function.call, message())
        assert "cannot be reached" in told["content"][0]["text"]
        await proxy.accept()
        assert await asyncio.to_thread(function.rows) == [[1]]
        assert function.function.started == 1


async def test_the_log_of_a_life_is_a_line_a_call_and_one_cold_start(
    environ: dict[str, str], sample_database: EmbeddedNeo4j, tmp_path: Path
) -> None:
    asked = [event(message(query=f"RETURN {number}")) for number in range(10)]
    with (tmp_path / "log").open("w") as log, Lambda(environ, log=log) as function:
        for one in asked:
            assert not result(await asyncio.to_thread(function.function.invoke, one)).get("isError")
    text = (tmp_path / "log").read_text()
    WATCH.look(text, "the log of a life")
    assert sample_database.password.get_secret_value() not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    calls = [line for line in lines if line.get("message") == "call"]
    assert [line["request_id"] for line in calls] == [one["requestContext"]["requestId"] for one in asked]
    assert Counter(line["cold_start"] for line in calls) == {True: 1, False: 9}


async def test_a_call_that_comes_when_another_has_just_failed_is_answered(
    environ: dict[str, str], proxy: TcpProxy
) -> None:
    """The connection breaks in the middle of statements, again and again; the environment stays good."""
    stop = threading.Event()
    with Lambda(environ) as function:
        answered: list[object] = []

        def calls() -> None:
            while not stop.is_set():
                told = function.call(message(query="UNWIND range(1, 20000) AS i RETURN count(toString(i))"))
                assert not told.get("isError"), told
                answered.append(told)

        calling = asyncio.ensure_future(asyncio.to_thread(calls))
        for _ in range(12):
            before = len(answered)
            assert await soon(lambda before=before: len(answered) > before or calling.done())  # type: ignore[misc]
            await asyncio.sleep(0.02)
            proxy.drop_all()
        stop.set()
        await calling
        assert function.function.started == 1
