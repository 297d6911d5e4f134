from __future__ import annotations

import json
import logging

import pytest

from core.errors import SettingsError
from core.http import HEALTH_PATH, MCP_PATH, Request
from core.misconfigured import Misconfigured

CANARY = "canary-in-an-exception-4c11"


def request(method: str, path: str) -> Request:
    return Request(method, path, (), b"", "request-1")


@pytest.mark.parametrize("path", [MCP_PATH, HEALTH_PATH, "/.well-known/oauth-protected-resource", "/anything"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_every_request_is_refused_with_503_and_a_time_to_wait(method: str, path: str) -> None:
    response = await Misconfigured(SettingsError("NEO4J_M2M_POLICY is wrong")).handle(request(method, path))
    assert response.status == 503
    assert int(response.headers["retry-after"]) >= 30
    assert b"NEO4J_M2M_POLICY" not in response.body


async def test_an_agent_reads_that_the_server_is_not_configured() -> None:
    response = await Misconfigured(SettingsError("x")).handle(request("POST", MCP_PATH))
    error = json.loads(response.body)["error"]
    assert "not configured" in error["message"]
    assert error["data"] == {"status": 503}


async def test_the_operator_is_told_why_at_the_start_and_with_each_request(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "core.misconfigured"):
        server = Misconfigured(SettingsError("NEO4J_M2M_POLICY is wrong"))
        await server.handle(request("POST", MCP_PATH))
    assert [record.levelname for record in caplog.records] == ["CRITICAL", "ERROR"]
    assert all("NEO4J_M2M_POLICY is wrong" in record.getMessage() for record in caplog.records)
    assert "request-1" in caplog.records[1].getMessage()


async def test_of_an_error_that_is_not_ours_the_log_has_the_type_alone(caplog: pytest.LogCaptureFixture) -> None:
    server = Misconfigured(RuntimeError(CANARY))
    await server.handle(request("POST", MCP_PATH))
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text


async def test_health_is_told_apart_from_a_database_that_is_down() -> None:
    response = await Misconfigured(SettingsError("x")).handle(request("GET", HEALTH_PATH))
    assert response.body == b'{"status":"misconfigured"}'
