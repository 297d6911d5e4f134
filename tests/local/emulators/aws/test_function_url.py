from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import psutil
import pytest
from botocore.credentials import Credentials

from aws_lambda.signer import SigV4Auth
from local.emulators.aws.account import Account, Role, invoke_statements
from local.emulators.aws.environment import Function
from local.emulators.aws.function_url import FunctionUrl
from local.emulators.loopback_server import served
from tests.support.waiting import GENEROUS_SECONDS, eventually

pytestmark = pytest.mark.processes

ACCOUNT = Account()
ARN = ACCOUNT.function_arn("echo")
KEY = ACCOUNT.assume(Role("Agent", invoke_statements(ARN)), "s")
ECHO = "tests.local.emulators.aws.functions.echo"


def auth(key: Any = KEY) -> SigV4Auth:
    token = key.session_token.get_secret_value()
    return SigV4Auth(ACCOUNT.region, Credentials(key.id, key.secret.get_secret_value(), token))


@pytest.fixture
def function() -> Iterator[Function]:
    function = Function(ECHO, {}, arn=ARN, timeout=2, concurrency=2, freeze=True)
    yield function
    function.close()


@pytest.fixture
def url(function: Function) -> Iterator[str]:
    with served(FunctionUrl(function, ARN, ACCOUNT), name="the function URL") as url:
        yield url


def get(url: str, key: Any = KEY, **options: Any) -> httpx2.Response:
    with httpx2.Client(trust_env=False, timeout=GENEROUS_SECONDS) as client:
        return client.get(url, auth=auth(key), **options)


def test_a_signed_request_reaches_the_function_as_an_event_that_says_who_signed(url: str) -> None:
    with httpx2.Client(trust_env=False) as client:
        response = client.post(f"{url}/mcp?a=1&a=2", json={"x": "é"}, headers={"cookie": "c=1"}, auth=auth())
    event = response.json()["event"]
    assert event["requestContext"]["authorizer"]["iam"]["userArn"].endswith("assumed-role/Agent/s")
    assert event["requestContext"]["http"]["method"] == "POST"
    assert (event["rawPath"], event["rawQueryString"]) == ("/mcp", "a=1&a=2")
    assert event["queryStringParameters"] == {"a": "1,2"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"x":"é"}', False)
    assert event["cookies"] == ["c=1"]
    assert "authorization" not in event["headers"]
    assert 0 < response.json()["left"] <= 2000


def test_who_is_not_signed_or_may_not_call_is_refused_before_the_function(url: str, function: Function) -> None:
    assert httpx2.get(url, trust_env=False).status_code == 403
    half = ACCOUNT.assume(Role("Half", invoke_statements(ARN)[:1]), "s")
    refused = get(url, half)
    assert (refused.status_code, refused.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert function.started == 0


def test_an_environment_is_kept_for_the_next_call_and_frozen_between_them(url: str, function: Function) -> None:
    first = get(url).json()["pid"]
    assert eventually(lambda: psutil.Process(first).status() == psutil.STATUS_STOPPED)
    assert get(url).json()["pid"] == first
    assert function.started == 1
    assert first != os.getpid()


def test_calls_at_once_have_environments_of_their_own_up_to_the_limit(url: str, function: Function) -> None:
    get(url)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: get(f"{url}/?sleep=0.6"), range(5)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 200, 429, 429, 429]
    assert function.started == 2


class Meeting:
    """Stands for a function: each of its calls is answered when all others are there."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self._barrier = threading.Barrier(concurrency, timeout=GENEROUS_SECONDS)

    def invoke(self, event: Any) -> Any:
        self._barrier.wait()
        return {"statusCode": 200, "body": ""}


def test_as_many_calls_as_the_limit_allows_run_at_once_however_few_processors_there_are() -> None:
    many = min(32, (os.cpu_count() or 1) + 4) + 4
    function: Any = Meeting(many)
    with served(FunctionUrl(function, ARN, ACCOUNT), name="the function URL") as url, ThreadPoolExecutor(many) as pool:
        answers = list(pool.map(lambda _: get(url), range(many)))
    assert {answer.status_code for answer in answers} == {200}


def test_a_call_that_takes_too_long_ends_with_its_environment(url: str) -> None:
    before = get(url).json()["pid"]
    assert get(f"{url}/?sleep=10").status_code == 502
    assert not psutil.pid_exists(before)
    assert get(url).json()["pid"] != before


@pytest.mark.parametrize("query", ["raise=1", "exit=1", "nonsense=1", "bytes=6291557"])
def test_a_function_that_fails_answers_502_and_serves_on(url: str, query: str) -> None:
    assert get(f"{url}/?{query}").status_code == 502
    assert get(url).status_code == 200


def test_requests_and_answers_of_six_megabytes_pass_and_larger_ones_do_not(url: str) -> None:
    assert len(get(f"{url}/?bytes=6200000").content) == 6_200_000
    with httpx2.Client(trust_env=False) as client:
        assert client.post(url, content=b"x" * (6 * 1024 * 1024 + 1), auth=auth()).status_code == 413


def test_a_url_without_authentication_says_so_to_the_function(function: Function) -> None:
    with served(FunctionUrl(function, ARN), name="the function URL") as url:
        forged = {"authorization": "Bearer t", "x-amz-date": "x"}
        event = httpx2.post(url, content=b"\xff\x00", headers=forged, trust_env=False).json()["event"]
    assert "authorizer" not in event["requestContext"]
    assert event["headers"]["authorization"] == "Bearer t"
    assert event["isBase64Encoded"] is True


def test_nothing_is_left_when_the_function_is_closed(url: str, function: Function) -> None:
    pid = get(url).json()["pid"]
    function.close()
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it, and only Linux")
def test_a_frozen_environment_does_not_outlive_a_parent_that_was_killed() -> None:
    script = (
        "import sys, time\n"
        "from local.emulators.aws.environment import Function\n"
        f"function = Function({ECHO!r}, {{}}, arn={ARN!r}, freeze=True)\n"
        "print(function.invoke({})['body'], flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    for line in parent.stdout:
        if line.startswith("{"):
            break
    child = psutil.Process(json.loads(line)["pid"])
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert psutil.wait_procs([child], timeout=60)[1] == []
