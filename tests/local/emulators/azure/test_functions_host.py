"""The front does as the Functions host does, to functions that do nothing but say what they were given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from local.emulators.azure.functions_host import FunctionsHost, HostKeys
from local.emulators.azure.worker_process import Worker
from local.emulators.loopback_server import served

pytestmark = pytest.mark.processes

FUNCTIONS = Path(__file__).parent / "functions"
KEYS = HostKeys(functions={"closed": "key-of-closed", "other": "key-of-other"})


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker({"PYTHONPATH": str(FUNCTIONS)}, module="echo_app")
    worker.load()
    assert worker.loading_error is None
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def url(worker: Worker) -> Iterator[str]:
    with served(FunctionsHost(worker, KEYS), name="the function app") as url:
        yield url


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=20) as client:
        yield client


def test_a_function_gets_the_request_as_the_host_hands_it_over(url: str, client: httpx2.Client) -> None:
    headers = [("X-Twice", "a"), ("x-twice", "b"), ("traceparent", f"00-{'a' * 32}-{'1' * 16}-01")]
    said = client.post(f"{url}/open?x=1&y=%20", content=b"\xff\x00", headers=headers).json()
    assert (said["method"], said["params"], said["body"]) == ("POST", {"x": "1", "y": " "}, "ff00")
    assert said["url"] == f"https://{url.partition('://')[2]}/open?x=1&y=%20"
    assert said["headers"]["x-twice"] == "a,b"
    assert said["trace"].startswith(f"00-{'a' * 32}-")
    assert len(said["invocation_id"]) == 36
    assert said["pid"] != os.getpid()


def test_a_route_is_there_with_and_without_a_slash_and_nothing_else_is(url: str, client: httpx2.Client) -> None:
    assert client.get(f"{url}/open/").status_code == 200
    assert client.get(f"{url}/OPEN").status_code == 200
    for path in ("/", "/api/open", "/open/more", "/opened", "/admin/host/keys"):
        assert client.get(url + path).status_code == 404


def test_a_method_that_a_route_does_not_name_is_not_found_and_a_route_that_names_none_has_all(
    url: str, client: httpx2.Client
) -> None:
    assert client.get(f"{url}/posted").status_code == 404
    assert client.post(f"{url}/posted").status_code == 200
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.request(method, f"{url}/open").status_code == 200


@pytest.mark.parametrize(
    ("route", "key", "status"),
    [
        ("open", "", 200),
        ("open", "wrong", 200),
        ("closed", "", 401),
        ("closed", "wrong", 401),
        ("closed", "key-of-other", 401),
        ("closed", "key-of-closed", 200),
        ("closed", "key of the host", 200),
        ("closed", "key of the master", 200),
        ("admin", "key-of-closed", 401),
        ("admin", "key of the host", 401),
        ("admin", "key of the master", 200),
        ("unsaid", "", 401),
        ("unsaid", "key of the host", 200),
    ],
)
def test_a_key_opens_what_it_is_for(url: str, client: httpx2.Client, route: str, key: str, status: int) -> None:
    key = {"key of the host": KEYS.host, "key of the master": KEYS.master}.get(key, key)
    assert client.get(f"{url}/{route}", headers={"x-functions-key": key}).status_code == status
    assert client.get(f"{url}/{route}", params={"code": key}).status_code == status


def test_many_calls_run_in_one_worker_at_once(url: str) -> None:
    def sleep(_: int) -> int:
        with httpx2.Client(trust_env=False, timeout=30) as client:
            return int(client.get(f"{url}/open?wait_for=8").json()["pid"])

    # Each of these answers only once eight of them are in the worker together.
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(sleep, range(8)))) == 1


def test_a_function_that_raises_is_an_error_and_the_worker_serves_on(url: str, client: httpx2.Client) -> None:
    assert client.get(f"{url}/open?raise=1").status_code == 500
    assert client.get(f"{url}/open").status_code == 200


def test_answers_of_megabytes_pass(url: str, client: httpx2.Client) -> None:
    assert len(client.post(f"{url}/open", content=b"x" * 3_000_000).json()["body"]) == 6_000_000


def test_a_worker_that_is_gone_is_an_error_and_leaves_no_call_waiting() -> None:
    worker = Worker({"PYTHONPATH": str(FUNCTIONS)}, module="echo_app")
    worker.load()
    with (
        served(FunctionsHost(worker, KEYS), name="the function app") as url,
        httpx2.Client(trust_env=False, timeout=20) as client,
    ):
        assert client.get(f"{url}/open?exit=1").status_code == 500
        assert client.get(f"{url}/open").status_code == 500
    worker.close()


@pytest.mark.parametrize(("module", "said"), [("no_such_app", "ModuleNotFoundError"), ("json", "0 apps")])
def test_a_module_without_one_app_is_not_indexed(module: str, said: str) -> None:
    worker = Worker({}, module=module)
    try:
        worker.load()
        assert said in (worker.loading_error or "")
    finally:
        worker.close()


def test_a_worker_does_not_outlive_a_parent_that_was_killed() -> None:
    script = (
        "import sys, time\n"
        "from local.emulators.azure.worker_process import Worker\n"
        f"worker = Worker({{'PYTHONPATH': {str(FUNCTIONS)!r}}}, module='echo_app')\n"
        "worker.load()\n"
        "print(worker.process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(json.loads(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert psutil.wait_procs([child], timeout=60)[1] == []
