from __future__ import annotations

import json

import pytest

from core.http import Request
from tests.core.mcp_requests import ENVELOPE, MODERN, application, legacy, modern, parsed, post


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
