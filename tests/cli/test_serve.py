from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import neo4j
import psutil
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from cli.serve import _listener
from core.tools import ALL_TOOLS
from tests.cli.questions import ask
from tests.support.grants import READING
from tests.support.processes import Command, environment, finished, running
from tests.support.waiting import eventually, statements_with

pytestmark = pytest.mark.processes

LISTED = [tool.name for tool in ALL_TOOLS if tool.name in READING]


@pytest.fixture(scope="module")
def served(environ: dict[str, str]) -> Iterator[Command]:
    with running("serve", "--port", "0", environ=environ) as command:
        yield command


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28", "auto"])
async def test_an_sdk_client_of_either_era_lists_and_calls_over_http(served: Command, mode: str) -> None:
    async with Client(served.ready["url"], mode=mode) as client:  # type: ignore[arg-type]
        listed = await client.list_tools()
        assert [tool.name for tool in listed.tools] == LISTED
        assert await ask(client) == [["La Guardia"]]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_an_sdk_client_of_either_era_lists_and_calls_over_stdio(environ: dict[str, str], mode: str) -> None:
    command = StdioServerParameters(command=sys.executable, args=["-m", "cli.main", "serve", "--stdio"], env=environ)
    async with Client(stdio_client(command), mode=mode) as client:  # type: ignore[arg-type]
        listed = await client.list_tools()
        assert [tool.name for tool in listed.tools] == LISTED
        assert await ask(client) == [["La Guardia"]]


async def test_sixteen_clients_at_once_are_all_answered(served: Command) -> None:
    async def one() -> Any:
        async with Client(served.ready["url"]) as client:
            return [await ask(client) for _ in range(4)]

    answers = await asyncio.gather(*(one() for _ in range(16)))
    assert answers == [[[["La Guardia"]]] * 4] * 16


def test_serve_prints_one_line_of_json_and_nothing_else_on_stdout(environ: dict[str, str]) -> None:
    with running("serve", "--port", "0", environ=environ) as command:
        assert list(command.ready) == ["url"]
        assert command.ready["url"].startswith("http://127.0.0.1:")
        assert command.stop() == 0
        assert command.process.stdout is not None
        assert command.process.stdout.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_serve_cleanly_even_while_a_call_is_under_way(
    environ: dict[str, str], neo4j_driver: neo4j.Driver, number: int
) -> None:
    with running("serve", "--port", "0", environ=environ) as command:
        name = f"under_way_{number}"
        slow = f"UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN max(a * b) AS {name}"
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "read-cypher", "arguments": {"query": slow}},
        }
        with httpx2.Client() as client:
            host, port = command.ready["url"].split("/")[2].split(":")
            body = json.dumps(message).encode()
            head = (
                f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            )
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(head.encode() + b"\r\n\r\n" + body)
                assert eventually(lambda: statements_with(neo4j_driver, name) > 0)
                started = time.monotonic()
                assert command.stop(number) == 0
                assert time.monotonic() - started < 15
                assert connection.recv(1000).startswith(b"HTTP/1.1 503")
            with pytest.raises(httpx2.ConnectError):
                client.get(command.ready["url"])
        assert not any("Traceback" in line for line in command.said)


def test_answers_are_not_held_back_by_nagles_algorithm() -> None:
    # asyncio turns it off for sockets that say that they are TCP; with it on, every answer takes 40 ms longer.
    with _listener("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_nothing_but_the_loopback_interface_is_bound(served: Command) -> None:
    bound = {
        connection.laddr.ip
        for connection in psutil.Process(served.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert bound == {"127.0.0.1"}


def test_a_page_under_another_name_reaches_nothing(served: Command) -> None:
    with httpx2.Client() as client:
        for path in ("/mcp", "/health"):
            url = served.ready["url"].replace("/mcp", path)
            assert client.get(url, headers={"host": "evil.example"}).status_code == 421
        headers = {"origin": "http://evil.example", "content-type": "application/json"}
        message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert client.post(served.ready["url"], json=message, headers=headers).status_code == 403


def test_a_get_is_answered_at_once(served: Command) -> None:
    with httpx2.Client() as client:
        started = time.monotonic()
        response = client.get(served.ready["url"], headers={"accept": "text/event-stream"})
        assert time.monotonic() - started < 1
        assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_a_port_that_is_taken_is_named_with_what_to_do(environ: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = finished("serve", "--port", str(port), environ=environ)
    assert result.returncode == 1
    assert result.stdout == ""
    assert f"Port {port} of 127.0.0.1 is taken" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "http", "８０"])
def test_an_invalid_port_is_refused(environ: dict[str, str], port: str) -> None:
    result = finished("serve", f"--port={port}", environ=environ)
    assert result.returncode == 2
    assert "is not a port" in result.stderr


def test_a_wrong_setting_stops_it_before_anything_starts() -> None:
    result = finished("serve", environ=environment(NEO4J_M2M_MAX_ROWS="many", NEO4J_M2M_MAXROWS="7"))
    assert result.returncode == 1
    assert "NEO4J_M2M_MAX_ROWS" in result.stderr
    assert "did you mean" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_uri_without_a_password_is_refused_at_start() -> None:
    result = finished("serve", environ=environment(NEO4J_URI="bolt://127.0.0.1:1"))
    assert result.returncode == 1
    assert "NEO4J_URI is set, but NEO4J_PASSWORD is not" in result.stderr


def test_a_client_that_hangs_up_stops_its_statement_in_the_database(
    served: Command, neo4j_driver: neo4j.Driver
) -> None:
    slow = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN max(a * b) AS hung_up"
    arguments = {"name": "read-cypher", "arguments": {"query": slow}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": arguments}
    host, port = served.ready["url"].split("/")[2].split(":")
    body = json.dumps(message).encode()
    head = f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        assert eventually(lambda: statements_with(neo4j_driver, "hung_up") > 0)
    # Without the client it would run for the whole time of a call.
    assert eventually(lambda: statements_with(neo4j_driver, "hung_up") == 0, 15)


async def test_a_database_of_ones_own_is_served_and_its_being_down_is_an_answer_not_an_end() -> None:
    environ = environment(NEO4J_URI="bolt://127.0.0.1:1", NEO4J_PASSWORD="canary-password-5f1c")
    with running("serve", "--port", "0", environ=environ) as command:
        async with Client(command.ready["url"]) as client:
            for _ in range(2):
                result = await client.call_tool("read-cypher", {"query": "RETURN 1"})
                assert result.is_error
                assert "cannot be reached" in result.content[0].text  # type: ignore[union-attr]
        with httpx2.Client() as plain:
            health = plain.get(command.ready["url"].replace("/mcp", "/health"))
            assert health.status_code == 503
            assert health.json() == {"status": "degraded", "database": "down"}
        assert command.stop() == 0
        assert not any("canary" in line for line in command.said)


def test_a_person_gets_a_page_at_the_root_and_its_address_at_the_start(served: Command) -> None:
    base = served.ready["url"].removesuffix("/mcp")
    with httpx2.Client(trust_env=False, timeout=60) as browser:
        page = browser.get(f"{base}/", headers={"accept": "text/html"})
        assert (page.status_code, "<!doctype html>" in page.text) == (200, True)
        script = browser.get(f"{base}/page/page.js")
        assert script.status_code == 200
        known = {"if-none-match": script.headers["etag"]}
        assert browser.get(f"{base}/page/page.js", headers=known).status_code == 304
        me = browser.get(f"{base}/page/me").json()
        assert me["principal"]["kind"] == "local"
        assert browser.get(f"{base}/", headers={"host": "rebound.example"}).status_code == 421
        elsewhere = {"origin": "https://elsewhere.example"}
        assert browser.get(f"{base}/page/me", headers=elsewhere).status_code == 403
    assert f"{base}/\n" in "".join(served.said)


def test_without_the_page_there_is_nothing_at_the_root(environ: dict[str, str]) -> None:
    with running("serve", "--port", "0", environ={**environ, "NEO4J_M2M_PAGE": "false"}) as command:
        base = command.ready["url"].removesuffix("/mcp")
        with httpx2.Client(trust_env=False, timeout=60) as browser:
            for path in ("/", "/page/me", "/page/page.js"):
                assert browser.get(base + path).status_code == 404
        assert f"{base}/\n" not in "".join(command.said)
