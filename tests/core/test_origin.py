from __future__ import annotations

import asyncio
import json
from typing import Any

import neo4j
import pytest

from core.access.grant import Grant
from core.application import Application
from core.http import Request
from core.identity.principal import Principal
from core.origin import Origin, asked_by, current_origin
from core.settings import Settings

AGENT = Principal("aws", "iam_role", "arn:aws:iam::111122223333:role/agent")


def call_of(name: str, **arguments: Any) -> Request:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    headers = (("content-type", "application/json"), ("mcp-protocol-version", "2025-11-25"))
    return Request("POST", "/mcp", headers, json.dumps(message).encode(), "request-77")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("read-cypher", {"query": "UNWIND range(1, 50000000) AS i RETURN sum(i % 7)"}),
        ("write-cypher", {"query": "UNWIND range(1, 50000000) AS i WITH sum(i % 7) AS s CREATE (:Never {s: s})"}),
    ],
)
async def test_the_database_names_the_caller_while_their_statement_runs(
    scratch_settings: Settings, empty_neo4j_driver: neo4j.Driver, name: str, arguments: dict[str, Any]
) -> None:
    async def authenticate(request: Request) -> Principal:
        return AGENT

    grant = Grant("test", writes=True, timeout=4)
    application = Application(scratch_settings, authenticate, grant_for=lambda principal: grant)
    running = asyncio.ensure_future(application.handle(call_of(name, **arguments)))
    seen: list[dict[str, str]] = []
    for _ in range(100):
        records = await asyncio.to_thread(
            lambda: empty_neo4j_driver.execute_query("SHOW TRANSACTIONS YIELD metaData RETURN metaData").records
        )
        seen = [record["metaData"] for record in records if record["metaData"].get("tool") == name]
        if seen or running.done():
            break
        await asyncio.sleep(0.02)
    assert seen == [
        {
            "app": "neo4j-m2m",
            "principal": AGENT.id,
            "principal_kind": "iam_role",
            "platform": "aws",
            "request_id": "request-77",
            "tool": name,
        }
    ]
    await running
    await application.close()


@pytest.mark.parametrize("tool", ["read-cypher", "write-cypher"])
@pytest.mark.parametrize(
    "statement",
    [
        "CALL tx.setMetaData({principal: 'somebody else'})",
        "CALL tx.setMetaData({principal: 'x'}) RETURN 1",
        "MATCH (n) CALL tx.setMetaData({principal: n.name}) CREATE (:X)",
        "CALL `tx`.`setMetaData`({principal: 'x'})",
        "CALL { CALL tx.setMetaData({principal: 'x'}) RETURN 1 AS x } RETURN x",
        "CYPHER 25 CALL tx.setMetaData({principal: 'x'})",
    ],
)
async def test_a_caller_cannot_change_what_the_database_is_told_of_him(
    scratch_settings: Settings, tool: str, statement: str
) -> None:
    async def authenticate(request: Request) -> Principal:
        return AGENT

    grant = Grant("test", writes=True)
    application = Application(scratch_settings, authenticate, grant_for=lambda principal: grant)
    response = await application.handle(call_of(tool, query=statement))
    assert json.loads(response.body)["result"]["isError"] is True
    await application.close()


def test_what_the_database_is_told_is_bounded() -> None:
    origin = Origin(Principal("aws", "iam_role", "x" * 10_000), "r" * 10_000, "read-cypher")
    assert all(len(value) <= 256 for value in origin.metadata().values())


def test_each_call_has_an_origin_of_its_own_and_none_is_left_behind() -> None:
    one, two = Origin(AGENT, "1", "a"), Origin(AGENT, "2", "b")
    with asked_by(one):
        with asked_by(two):
            assert current_origin() is two
        assert current_origin() is one
    assert current_origin() is None
