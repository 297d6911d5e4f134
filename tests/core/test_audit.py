from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.access.grant import Grant
from core.application import Application
from core.audit import AUDIT_LOGGER, AuditTrail
from core.http import Request, Response, plain
from core.identity.principal import Principal
from core.settings import Settings
from tests.core.fixture_tools import tool

CANARY = "canary-audit-3fd0"
AGENT = Principal("azure", "managed_identity", "7c9e6679", name="Billing", tenant="contoso", proved_by="contoso")
GRANT = Grant("the billing agent reads")


class Door:
    """An application whose lines are kept, and the requests that a test makes of it."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.lines: list[dict[str, Any]] = []
        self.principal: Principal | Response = AGENT
        self.grant: Grant | None = GRANT
        self.application = Application(
            settings,
            self._authenticate,
            grant_for=lambda principal: self.grant,
            audit=self.lines.append,
            **options,
        )

    async def _authenticate(self, request: Request) -> Principal | Response:
        return self.principal

    async def post(self, message: Any, *, path: str = "/mcp", method: str = "POST") -> Response:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        headers = (("content-type", "application/json"), ("mcp-protocol-version", "2025-11-25"))
        return await self.application.handle(Request(method, path, headers, body, "request-1"))

    async def call(self, name: str, **arguments: Any) -> Response:
        params = {"name": name, "arguments": arguments}
        return await self.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


@pytest.fixture
async def door(settings: Settings) -> AsyncIterator[Door]:
    door = Door(settings)
    yield door
    await door.application.close()


async def test_a_call_has_one_line_that_says_who_did_what_and_what_became_of_it(door: Door) -> None:
    statement = "UNWIND range(1, $n) AS i RETURN i, $secret AS s"
    response = await door.call("read-cypher", query=statement, params={"n": 3, "secret": CANARY})
    assert len(door.lines) == 1
    line = door.lines[0]
    assert line.pop("duration_ms") > line.pop("database_ms") > 0
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "audit": "call",
        "request_id": "request-1",
        "platform": "azure",
        "principal": {
            "id": "7c9e6679",
            "kind": "managed_identity",
            "tenant": "contoso",
            "proved_by": "contoso",
        },
        "rule": "the billing agent reads",
        "method": "tools/call",
        "tool": "read-cypher",
        "statement_sha256": hashlib.sha256(statement.encode()).hexdigest(),
        "parameters": ["n", "secret"],
        "outcome": "ok",
        "rows": 3,
        "bytes": len(response.body),
        "status": 200,
    }


async def test_the_text_of_a_statement_is_written_down_only_if_it_is_asked_for(settings: Settings) -> None:
    door = Door(settings.model_copy(update={"audit_statements": True}))
    await door.call("read-cypher", query="RETURN 1")
    assert door.lines[0]["statement"] == "RETURN 1"
    await door.application.close()


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        ({"query": "RETURN"}, "statement_error"),
        ({"query": "CREATE (:X)"}, "refused"),
        ({"query": "RETURN 1", "nonsense": CANARY}, "invalid_arguments"),
        ({"query": 7}, "invalid_arguments"),
        ({"query": "UNWIND range(1, 100000000) AS i RETURN sum(i % 7)", "timeout_seconds": 0.3}, "timeout"),
    ],
)
async def test_a_call_that_fails_says_how(door: Door, arguments: dict[str, Any], outcome: str) -> None:
    await door.call("read-cypher", **arguments)
    assert [line["outcome"] for line in door.lines] == [outcome]
    assert CANARY not in json.dumps(door.lines)


async def test_refused_calls_are_lines_too(door: Door) -> None:
    await door.call("write-cypher", query="CREATE (:X)")
    await door.call("no-such-tool")
    await door.post(b"{")
    await door.post({"jsonrpc": "2.0", "id": 1, "method": "no/such"})
    await door.post({}, method="GET")
    await door.post({}, path="/elsewhere")
    door.grant = None
    await door.call("read-cypher", query="RETURN 1")
    door.principal = plain(401, "The caller's identity is not proved: the token has expired.")
    await door.call("read-cypher", query="RETURN 1")
    assert [(line["outcome"], line["status"]) for line in door.lines] == [
        ("not_granted", 200),
        ("unknown_tool", 200),
        ("protocol_error", 400),
        ("protocol_error", 200),
        ("refused", 405),
        ("refused", 404),
        ("forbidden", 403),
        ("unauthenticated", 401),
    ]
    assert door.lines[0]["tool"] == "write-cypher"
    assert door.lines[6]["principal"]["id"] == "7c9e6679"
    assert "principal" not in door.lines[7]
    assert "expired" in door.lines[7]["reason"]


async def test_what_is_no_call_has_no_line(door: Door) -> None:
    await door.application.handle(Request("GET", "/health", (), b"", "request-1"))
    door.principal = Response(200, {}, b"metadata")
    await door.application.handle(Request("GET", "/.well-known/oauth-protected-resource", (), b"", "request-1"))
    assert door.lines == []


async def test_a_list_of_tools_is_a_call_that_went_well(door: Door) -> None:
    await door.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert [(line["method"], line["outcome"]) for line in door.lines] == [("tools/list", "ok")]


async def test_a_call_whose_client_goes_away_says_so(settings: Settings) -> None:
    begun = asyncio.Event()

    async def wait(call: Any, arguments: dict[str, Any]) -> Any:
        begun.set()
        await asyncio.sleep(3600)

    door = Door(settings, tools=[tool("wait", wait)])
    door.grant = Grant("test", tools=frozenset({"wait"}))
    waiting = asyncio.ensure_future(door.call("wait"))
    await begun.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert [line["outcome"] for line in door.lines] == ["cancelled"]


async def test_a_call_that_fails_in_an_unforeseen_way_says_so_without_its_text(settings: Settings) -> None:
    async def fail(call: Any, arguments: dict[str, Any]) -> Any:
        raise RuntimeError(CANARY)

    door = Door(settings, tools=[tool("fail", fail)])
    door.grant = Grant("test", tools=frozenset({"fail"}))
    await door.call("fail")
    assert [line["outcome"] for line in door.lines] == ["failed"]
    assert CANARY not in json.dumps(door.lines)


async def test_what_a_caller_chooses_cannot_forge_a_line_or_fill_the_log(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door.application.audit = AuditTrail(statements=True)
    names = {f"p{number}\n{{}}" + "x" * 1000: 1 for number in range(1000)}
    with caplog.at_level(logging.INFO, logger=AUDIT_LOGGER):
        await door.call("read-cypher", query='RETURN 1 //\n{"audit":"call"}\u2028\ud800', params=names)
    lines = [record.getMessage() for record in caplog.records if record.name == AUDIT_LOGGER]
    assert len(lines) == 1
    assert lines[0].isascii()
    assert "\n" not in lines[0]
    assert len(lines[0]) < 10_000
    assert json.loads(lines[0])["tool"] == "read-cypher"


async def test_lines_are_written_whatever_the_log_level_is(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.application.audit = AuditTrail()
    logging.getLogger(AUDIT_LOGGER).setLevel(logging.NOTSET)
    root, level = logging.getLogger(), logging.getLogger().level
    try:
        root.setLevel(logging.ERROR)
        await door.call("read-cypher", query="RETURN 1")
    finally:
        root.setLevel(level)
    assert [record.name for record in caplog.records] == [AUDIT_LOGGER]


async def test_a_place_that_takes_no_lines_does_not_take_the_answer(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    def full(line: dict[str, Any]) -> None:
        raise OSError(CANARY)

    door = Door(settings)
    door.application.audit = AuditTrail(full)
    response = await door.call("read-cypher", query="RETURN 1")
    assert response.status == 200
    assert "could not be written: OSError" in caplog.text
    assert CANARY not in caplog.text
    await door.application.close()


async def test_writing_is_told_apart_by_its_credential(settings: Settings) -> None:
    door = Door(settings)
    door.grant = Grant("writes", writes=True, credential="writer")
    await door.call("write-cypher", query="CREATE (:X)")
    assert door.lines[0]["credential"] == "writer"
    assert door.lines[0]["outcome"] == "unavailable"
    await door.application.close()
