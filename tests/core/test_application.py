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
from core.http import Request
from core.settings import Settings
from core.tools.answer import success
from tests.core.fixture_tools import FIXTURE_TOOLS, granting, tool
from tests.core.mcp_requests import HI, JSON, anybody, application, legacy, modern, nobody, parsed, post


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


def limited(**limits: Any) -> Application:
    grant = Grant("a little", tools=frozenset({"echo", "sleep"}), limits=CallLimits(**limits))
    return application(grant_for=lambda principal: grant, audit=AUDITED.append)


AUDITED: list[dict[str, Any]] = []


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
