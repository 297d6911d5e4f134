from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from mcp_types import CallToolResult

from core.access.grant import Grant
from core.access.limits import CallLimits
from core.application import Application
from core.call import Call
from core.http import Request, Response
from core.identity.principal import LOCAL_PRINCIPAL, Principal
from core.settings import Settings
from core.tools.answer import success
from tests.core.fixture_tools import FIXTURE_TOOLS, granting, tool

MODERN = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
JSON = (("content-type", "application/json"), ("accept", "application/json, text/event-stream"))


async def anybody(request: Request) -> Principal | Response:
    return LOCAL_PRINCIPAL


async def nobody(request: Request) -> Principal | Response:
    return Response(401, {"www-authenticate": "Bearer"}, b"who are you?")


def application(settings: Settings | None = None, **options: Any) -> Application:
    options = {"grant_for": granting(FIXTURE_TOOLS), "tools": FIXTURE_TOOLS, **options}
    return Application(settings or Settings(timeout=5), options.pop("who", anybody), **options)


def post(message: Any, *headers: tuple[str, str], body: bytes | None = None) -> Request:
    content = json.dumps(message).encode() if body is None else body
    return Request("POST", "/mcp", (*JSON, *headers), content, "request-1")


def modern(method: str, params: dict[str, Any] | None = None, **changed: str) -> Request:
    headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
    if params and "name" in params:
        headers["mcp-name"] = params["name"]
    headers.update({name.replace("_", "-"): value for name, value in changed.items()})
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": {**(params or {}), "_meta": ENVELOPE}}
    return post(message, *headers.items())


def legacy(method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}


def parsed(response: Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    message: dict[str, Any] = json.loads(response.body)
    assert message["jsonrpc"] == "2.0"
    return message


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_client_of_a_handshake_era_gets_the_revision_it_asks_for(version: str) -> None:
    hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
    response = await application().handle(post(legacy("initialize", hello)))
    assert response.status == 200
    result = parsed(response)["result"]
    assert result["protocolVersion"] == version
    assert result["capabilities"] == {"tools": {"listChanged": False}}
    assert "mcp-session-id" not in response.headers


async def test_an_unknown_handshake_revision_is_answered_with_the_newest_one() -> None:
    hello = {"protocolVersion": "1999-01-01", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
    response = await application().handle(post(legacy("initialize", hello)))
    assert parsed(response)["result"]["protocolVersion"] == "2025-11-25"


async def test_a_call_needs_no_handshake_before_it() -> None:
    call = legacy("tools/call", {"name": "echo", "arguments": {"text": "hi"}})
    response = await application().handle(post(call, ("mcp-protocol-version", "2025-06-18")))
    assert parsed(response)["result"]["structuredContent"] == {"echo": "hi", "principal": "local"}


async def test_without_a_version_header_the_rules_of_2025_03_26_hold() -> None:
    # That revision has no structuredContent, so its answers carry none.
    response = await application().handle(post(legacy("tools/list")))
    assert response.status == 200
    tools = parsed(response)["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["echo", "fail", "crash", "sleep"]
    assert all("outputSchema" not in tool for tool in tools)


async def test_a_2026_client_discovers_lists_and_calls() -> None:
    app = application()
    discovered = await app.handle(modern("server/discover"))
    assert discovered.status == 200
    assert MODERN in parsed(discovered)["result"]["supportedVersions"]
    listed = parsed(await app.handle(modern("tools/list")))["result"]
    assert listed["cacheScope"] == "private"
    assert listed["ttlMs"] > 0
    called = await app.handle(modern("tools/call", {"name": "echo", "arguments": {"text": "hi"}}))
    assert parsed(called)["result"]["structuredContent"]["echo"] == "hi"


async def test_a_notification_is_accepted_and_gets_no_body() -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    response = await application().handle(post(message))
    assert (response.status, response.body) == (202, b"")


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD"])
async def test_any_method_but_post_gets_405_and_is_told_which_would_do(method: str) -> None:
    response = await application().handle(Request(method, "/mcp", (), b"", "r"))
    assert response.status == 405
    assert response.headers["allow"] == "POST"


async def test_the_path_may_end_in_a_slash() -> None:
    request = post(legacy("ping"))
    response = await application().handle(Request("POST", "/mcp/", request.headers, request.body, "r"))
    assert response.status == 200


async def test_any_other_path_gets_404() -> None:
    assert (await application().handle(Request("POST", "/", JSON, b"{}", "r"))).status == 404
    assert (await application().handle(Request("GET", "/mcp/../etc", (), b"", "r"))).status == 404


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/mcp", "/elsewhere"])
async def test_who_calls_is_asked_before_anything_else_about_a_request(method: str, path: str) -> None:
    huge = b"x" * 2_000_000
    response = await application(who=nobody).handle(Request(method, path, (), huge, "r"))
    assert response.status == 401
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_body_over_the_limit_gets_413() -> None:
    app = application(Settings(body_limit=1024))
    padded = json.dumps(legacy("ping")).encode().ljust(1024)
    assert (await app.handle(post(None, body=padded))).status == 200
    response = await app.handle(post(None, body=padded + b" "))
    assert response.status == 413
    assert b"1024" in response.body


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b"", 400, -32700),
        (b"\xff\xfe", 400, -32700),
        (b"[" * 100_000, 400, -32700),
        (b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b"}", 400, -32700),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 400, -32600),
        (b"[]", 400, -32600),
        (b"3", 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}', 400, -32700),
        (b'{"id":1,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":3}', 400, -32600),
        (b'{"jsonrpc":"2.0","result":{}}', 400, -32600),
    ],
)
@pytest.mark.parametrize("version", [None, "2025-11-25", MODERN])
async def test_a_malformed_message_gets_the_error_of_the_specification(
    body: bytes, status: int, code: int, version: str | None
) -> None:
    headers = () if version is None else (("mcp-protocol-version", version),)
    response = await application().handle(post(None, *headers, body=body))
    assert response.status == status
    error = parsed(response)["error"]
    assert error["code"] == code
    for internal in ("pydantic", "validation error", "Traceback", "JSONRPC", "input_value"):
        assert internal not in error["message"]


async def test_an_unknown_method_is_an_error_in_both_eras_and_a_404_since_2026() -> None:
    old = await application().handle(post(legacy("resources/frobnicate")))
    assert (old.status, parsed(old)["error"]["code"]) == (200, -32601)
    new = await application().handle(modern("resources/frobnicate"))
    assert (new.status, parsed(new)["error"]["code"]) == (404, -32601)


async def test_an_unknown_tool_is_a_protocol_error_not_an_answer() -> None:
    response = await application().handle(post(legacy("tools/call", {"name": "nope", "arguments": {}})))
    assert parsed(response)["error"]["code"] == -32602


async def test_parameters_of_a_wrong_shape_are_refused_without_a_librarys_words() -> None:
    response = await application().handle(post(legacy("tools/call", {"name": 3})))
    error = parsed(response)["error"]
    assert error["code"] == -32602
    assert "valid" not in error["message"]


@pytest.mark.parametrize(
    "request_",
    [
        modern("tools/call", {"name": "echo", "arguments": {"text": "x"}}, mcp_name="other"),
        modern("tools/list", mcp_method="ping"),
        modern("tools/list", mcp_protocol_version="2025-11-26"),
        post({**legacy("tools/list"), "params": {"_meta": ENVELOPE}}),
        post(
            {**legacy("tools/list"), "params": {"_meta": ENVELOPE}},
            ("mcp-protocol-version", MODERN),
            ("mcp-method", "tools/list"),
            ("mcp-method", "tools/call"),
        ),
    ],
    ids=["name", "method", "version", "version missing", "method twice"],
)
async def test_headers_that_disagree_with_the_body_are_refused(request_: Request) -> None:
    response = await application().handle(request_)
    assert response.status == 400
    assert parsed(response)["error"]["code"] == -32020


async def test_an_unserved_revision_is_refused_with_the_list_of_those_served() -> None:
    message = {**legacy("tools/list")}
    message["params"] = {"_meta": {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": "2031-01-01"}}
    headers = (("mcp-protocol-version", "2031-01-01"), ("mcp-method", "tools/list"))
    response = await application().handle(post(message, *headers))
    assert response.status == 400
    error = parsed(response)["error"]
    assert error["code"] == -32022
    assert error["data"]["supported"] == [MODERN]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
async def test_a_body_that_is_not_declared_json_gets_415(kind: str) -> None:
    request = Request("POST", "/mcp", (("content-type", kind),), json.dumps(legacy("ping")).encode(), "r")
    assert (await application().handle(request)).status == 415


async def test_a_client_that_rules_json_out_gets_406_and_one_that_says_nothing_is_served() -> None:
    body = json.dumps(legacy("ping")).encode()
    kind = ("content-type", "application/json; charset=utf-8")
    refused = await application().handle(Request("POST", "/mcp", (kind, ("accept", "text/html")), body, "r"))
    assert refused.status == 406
    served = await application().handle(Request("POST", "/mcp", (kind,), body, "r"))
    assert served.status == 200


@pytest.mark.parametrize("arguments", [{}, {"text": 3}, {"text": "x", "tekst": "y"}, {"text": None}])
async def test_wrong_arguments_are_an_answer_that_names_them(arguments: dict[str, Any]) -> None:
    response = await application().handle(post(legacy("tools/call", {"name": "echo", "arguments": arguments})))
    result = parsed(response)["result"]
    assert result["isError"] is True
    text = result["content"][0]["text"]
    assert "tekst" in text if "tekst" in arguments else "text" in text


async def test_what_a_tool_raises_is_an_answer_that_the_agent_can_act_on() -> None:
    response = await application().handle(post(legacy("tools/call", {"name": "fail"})))
    result = parsed(response)["result"]
    assert result["isError"] is True
    assert "Neo.ClientError.Statement.SyntaxError" in result["content"][0]["text"]


async def test_an_unforeseen_error_shows_neither_its_text_nor_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    response = await application().handle(post(legacy("tools/call", {"name": "crash"})))
    result = parsed(response)["result"]
    assert result["isError"] is True
    assert "request-1" in result["content"][0]["text"]
    assert b"canary-in-an-exception-text" not in response.body
    assert "canary-in-an-exception-text" not in caplog.text
    assert "RuntimeError" in caplog.text


async def test_a_call_ends_with_its_deadline() -> None:
    app = application(Settings(timeout=0.2))
    response = await app.handle(post(legacy("tools/call", {"name": "sleep"})))
    result = parsed(response)["result"]
    assert result["isError"] is True
    assert "time was up" in result["content"][0]["text"]


HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
async def test_a_request_to_this_machines_own_names_is_served(host: str) -> None:
    response = await application(allowed_hosts=HOSTS).handle(post(legacy("ping"), ("host", host)))
    assert response.status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "localhost:80:80", "", "::1", None]
)
async def test_a_request_under_any_other_name_is_misdirected(host: str | None) -> None:
    headers = () if host is None else (("host", host),)
    response = await application(allowed_hosts=HOSTS).handle(post(legacy("ping"), *headers))
    assert response.status == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:5173", 200),
        ("https://127.0.0.1", 200),
        ("http://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("file://localhost", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_a_web_page_from_elsewhere_may_not_call(origin: str, status: int) -> None:
    request = post(legacy("ping"), ("host", "localhost"), ("origin", origin))
    assert (await application(allowed_hosts=HOSTS).handle(request)).status == status


async def test_health_is_open_to_anyone_and_tells_nothing_but_whether_the_database_answers(settings: Settings) -> None:
    app = application(settings, who=nobody)
    try:
        response = await app.handle(Request("GET", "/health", (), b"", "r"))
        assert response.status == 200
        assert json.loads(response.body) == {"status": "ok", "database": "up"}
        head = await app.handle(Request("HEAD", "/health", (), b"", "r"))
        assert (head.status, head.body) == (200, b"")
    finally:
        await app.close()


async def test_health_is_503_when_the_database_does_not_answer() -> None:
    nowhere = Settings.from_environ({"NEO4J_URI": "bolt://127.0.0.1:1", "NEO4J_PASSWORD": "canary-health"})
    app = application(nowhere)
    response = await app.handle(Request("GET", "/health", (), b"", "r"))
    await app.close()
    assert response.status == 503
    assert json.loads(response.body) == {"status": "degraded", "database": "down"}


async def test_health_takes_no_other_method() -> None:
    response = await application().handle(Request("POST", "/health", (), b"", "r"))
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")


async def test_a_tool_outside_the_grant_is_neither_listed_nor_run() -> None:
    app = application(grant_for=granting(FIXTURE_TOOLS[:1]))
    listed = parsed(await app.handle(modern("tools/list")))["result"]["tools"]
    assert [tool["name"] for tool in listed] == ["echo"]
    called = parsed(await app.handle(post(legacy("tools/call", {"name": "crash"}))))["result"]
    assert called["isError"] is True
    assert "may not use crash" in called["content"][0]["text"]


async def test_by_default_everyone_may_use_the_tools_that_read_and_no_other() -> None:
    app = Application(Settings(), anybody)
    listed = parsed(await app.handle(modern("tools/list")))["result"]["tools"]
    assert listed
    assert all(tool["annotations"]["readOnlyHint"] for tool in listed)
    refused = await app.handle(modern("tools/call", {"name": "write-cypher", "arguments": {"query": "CREATE ()"}}))
    assert parsed(refused)["result"]["isError"] is True


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","id":2}', "stands twice"),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":1,"a":2}}}', "twice"),
        ('﻿{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode(), "UTF-8"),
        ('{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16"), "UTF-8"),
        ('{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-32-le"), "UTF-8"),
        (rb'{"jsonrpc":"2.0","id":"\ud800","method":"ping"}', "A request needs"),
        (rb'{"jsonrpc":"2.0","id":1,"method":"\udfff"}', "A request needs"),
    ],
)
async def test_a_body_that_could_be_read_in_two_ways_is_refused(body: bytes, reason: str) -> None:
    response = await application().handle(post(None, body=body))
    assert response.status == 400
    assert reason in parsed(response)["error"]["message"]


async def test_a_request_under_a_foreign_host_name_has_its_audit_line() -> None:
    lines: list[dict[str, Any]] = []
    app = application(allowed_hosts=frozenset({"localhost"}), audit=lines.append)
    response = await app.handle(post(legacy("ping"), ("host", "evil.example")))
    assert response.status == 421
    assert [(line["outcome"], line["status"]) for line in lines] == [("refused", 421)]


async def test_an_error_quotes_only_so_much_of_wrong_arguments() -> None:
    arguments = {f"wrong{number}" * 50: number for number in range(500)}
    response = await application().handle(post(legacy("tools/call", {"name": "echo", "arguments": arguments})))
    text = parsed(response)["result"]["content"][0]["text"]
    assert "The arguments of echo are wrong" in text
    assert len(response.body) < 4000


async def test_an_answer_that_no_tool_has_cut_is_not_sent() -> None:
    async def flood(call: Call, arguments: dict[str, Any]) -> CallToolResult:
        return success({"text": "x" * 1_000_000}, settings=call.settings)

    tools = [tool("flood", flood)]
    app = application(tools=tools, grant_for=granting(tools))
    result = parsed(await app.handle(post(legacy("tools/call", {"name": "flood", "arguments": {}}))))["result"]
    assert result["isError"]
    assert "Ask for less" in result["content"][0]["text"]


@pytest.mark.parametrize("version", ["banana", "2025-13-01", "2024-11-05x", "", "x" * 5_000])
@pytest.mark.parametrize("method", ["initialize", "tools/list", "notifications/initialized"])
async def test_a_version_header_that_names_no_version_is_called_wrong_by_its_name(version: str, method: str) -> None:
    message = {"jsonrpc": "2.0", "method": method, "params": {}, **({} if "/init" in method else {"id": 7})}
    response = await application().handle(post(message, ("mcp-protocol-version", version)))
    assert response.status == 400
    told = json.loads(response.body)
    assert "MCP-Protocol-Version" in told["error"]["message"]
    assert told["error"]["data"]["requested"] == version[:1_000]
    assert {"2025-06-18", MODERN} <= set(told["error"]["data"]["supported"])
    assert told["id"] == (None if "/init" in method else 7)


def limited(**limits: Any) -> Application:
    grant = Grant("a little", tools=frozenset({"echo", "sleep"}), limits=CallLimits(**limits))
    return application(grant_for=lambda principal: grant, audit=AUDITED.append)


AUDITED: list[dict[str, Any]] = []
HI = legacy("tools/call", {"name": "echo", "arguments": {"text": "hi"}})


async def test_a_call_beyond_a_limit_is_told_when_to_try_again_and_its_body_is_not_read() -> None:
    async def never_read() -> bytes:
        raise AssertionError("the body was read")

    app = limited(calls_per_minute=2)
    assert [(await app.handle(post(HI))).status for _ in range(2)] == [200, 200]
    refused = await app.handle(Request("POST", "/mcp", JSON, b"", "request-9", arriving=never_read))
    assert refused.status == 429
    assert 59 <= int(refused.headers["retry-after"]) <= 61
    message = json.loads(refused.body)
    assert "2 calls a minute" in message["error"]["message"]
    assert (message["jsonrpc"], message["id"]) == ("2.0", None)
    line = AUDITED[-1]
    assert (line["outcome"], line["status"], line["request_id"]) == ("limited", 429, "request-9")


async def test_calls_at_the_same_time_are_limited_until_one_is_answered() -> None:
    app = limited(concurrent=1)
    sleeping = asyncio.ensure_future(app.handle(post(legacy("tools/call", {"name": "sleep"}))))
    while not app._counts._running:
        await asyncio.sleep(0)
    assert (await app.handle(post(HI))).status == 429
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)
    assert (await app.handle(post(HI))).status == 200
