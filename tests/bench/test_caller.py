"""The benchmarks' caller understands every server that it asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench.caller import CallFailed, McpCaller

pytestmark = pytest.mark.processes

Say = Callable[[dict[str, Any]], tuple[int, str]]
TOOL = {"content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]}


@contextmanager
def server(say: Say, *, closes: bool = False) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A server that says ``say`` to what it is told, and keeps the headers; ``closes`` each connection unannounced."""
    headers: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers.append({name.lower(): value for name, value in self.headers.items()})
            status, body = (202, "") if "id" not in told else say(told)
            self.send_response(status)
            self.send_header("content-length", str(len(body.encode())))
            self.send_header("mcp-session-id", "a session")
            self.end_headers()
            self.wfile.write(body.encode())
            self.close_connection = closes

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield running.server_port, headers
        finally:
            running.shutdown()
            thread.join()


def answered(told: dict[str, Any], **body: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": told["id"], **body})


@pytest.mark.parametrize("form", ["{}", ": a comment\n\nevent: message\ndata: {}\n\n"], ids=["JSON", "events"])
def test_an_answer_as_json_and_one_as_events_are_read_alike(form: str) -> None:
    with (
        server(lambda told: (200, form.replace("{}", answered(told, result=TOOL)))) as (port, _),
        McpCaller(port) as caller,
    ):
        answer = caller.call("read-cypher", query="RETURN 1")
        assert (answer.text, answer.failed) == ("one two", False)


def test_the_session_and_the_version_are_sent_from_the_second_request_on_and_credentials_always() -> None:
    with (
        server(lambda told: (200, answered(told, result=TOOL))) as (port, headers),
        McpCaller(port, ("neo4j", "canary-password")) as caller,
    ):
        caller.call("read-cypher")
    assert [one.get("mcp-session-id") for one in headers] == [None, "a session", "a session"]
    assert "mcp-protocol-version" not in headers[0]
    assert "mcp-protocol-version" in headers[2]
    assert all(one["authorization"].startswith("Basic ") for one in headers)


def test_a_connection_that_the_server_has_closed_is_opened_again() -> None:
    with server(lambda told: (200, answered(told, result=TOOL)), closes=True) as (port, _), McpCaller(port) as caller:
        assert caller.call("read-cypher").text == "one two"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, "not now", "503"),
        (200, '{"jsonrpc":"2.0","id":1,"error":{"code":-1}}', "-1"),
        (200, "nonsense", "nonsense"),
    ],
)
def test_what_is_no_result_is_a_failure_that_says_what_came(status: int, body: str, said: str) -> None:
    with server(lambda _: (status, body)) as (port, _), pytest.raises(CallFailed, match=said), McpCaller(port):
        pass


def test_a_read_that_is_an_error_of_the_tool_fails() -> None:
    wrong = {**TOOL, "isError": True}
    with server(lambda told: (200, answered(told, result=wrong))) as (port, _), McpCaller(port) as caller:
        assert caller.call("read-cypher").failed
        with pytest.raises(CallFailed, match="one two"):
            caller.read("read-cypher", "RETURN 1")
