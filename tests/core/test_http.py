from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from core.application import NOT_ADMITTED, Application
from core.audit import AUDIT_LOGGER
from core.http import REFUSED, Request, Response, as_asked, plain
from core.identity.principal import Principal
from core.settings import Settings
from tests.core.mcp_requests import JSON, anybody, application

MCP_CLIENT = (("accept", "application/json, text/event-stream"),)
BROWSER = (("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),)


def error_in(response: Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    message: dict[str, Any] = json.loads(response.body)
    assert (message["jsonrpc"], message["id"]) == ("2.0", None)
    error: dict[str, Any] = message["error"]
    return error


@pytest.mark.parametrize("headers", [MCP_CLIENT, (), (("accept", "*/*"),), (("accept", "application/json"),)])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 421, 429, 503])
def test_a_refusal_of_a_post_is_a_json_rpc_error_with_the_same_status(status: int, headers: Any) -> None:
    response = as_asked(plain(status, 'Who "calls"?'), "POST", headers)
    assert response.status == status
    assert error_in(response) == {"code": REFUSED, "message": 'Who "calls"?', "data": {"status": status}}


def test_a_refusal_keeps_its_headers() -> None:
    refused = plain(401, "No.", "POST")
    refused.headers["www-authenticate"] = 'Bearer error="invalid_token"'
    refused.headers["retry-after"] = "5"
    headers = as_asked(refused, "POST", MCP_CLIENT).headers
    assert (headers["www-authenticate"], headers["retry-after"]) == ('Bearer error="invalid_token"', "5")
    assert (headers["allow"], headers["cache-control"]) == ("POST", "no-store")


@pytest.mark.parametrize(
    ("method", "headers"), [("GET", BROWSER), ("GET", MCP_CLIENT), ("GET", ()), ("POST", BROWSER), ("DELETE", ())]
)
def test_a_person_is_told_in_plain_text(method: str, headers: Any) -> None:
    response = as_asked(plain(403, "No."), method, headers)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.body == b"No.\n"


def test_what_is_no_refusal_stays_as_it_is() -> None:
    answer = Response(200, {"content-type": "application/json"}, b"{}")
    assert as_asked(answer, "POST", MCP_CLIENT) is answer


def test_a_form_of_the_refusal_does_not_depend_on_how_often_it_is_asked_for() -> None:
    once = as_asked(plain(403, "No."), "POST", MCP_CLIENT)
    assert as_asked(once, "POST", MCP_CLIENT) == once


async def refused(request: Request) -> Principal | Response:
    return plain(401, "The caller's identity is not proved: the request carries no credential.")


async def broken(request: Request) -> Principal | Response:
    raise RuntimeError("canary-of-a-failure")


@pytest.mark.parametrize(
    ("app", "path", "body", "status", "said"),
    [
        (application(who=refused), "/mcp", b"{}", 401, "The caller's identity is not proved"),
        (application(grant_for=lambda principal: None), "/mcp", b"{}", 403, NOT_ADMITTED),
        (application(), "/sse", b"{}", 404, "MCP is served at /mcp"),
        (application(), "/health", b"{}", 405, "with GET"),
        (application(Settings(body_limit=1024)), "/mcp", b"x" * 1025, 413, "1024 bytes"),
        (application(allowed_hosts=frozenset({"localhost"})), "/mcp", b"{}", 421, "loopback"),
        (application(who=broken), "/mcp", b"{}", 500, "The operator finds the cause in its log"),
    ],
)
async def test_every_refusal_of_the_server_reaches_an_agent(
    app: Application, path: str, body: bytes, status: int, said: str
) -> None:
    response = await app.handle(Request("POST", path, JSON, body, "r"))
    assert response.status == status
    assert said in error_in(response)["message"]
    assert b"canary" not in response.body


@pytest.mark.parametrize("name", [AUDIT_LOGGER, "core.application"])
async def test_a_log_that_cannot_be_written_shows_nothing_of_the_failure(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = io.StringIO()
    gone.close()
    handler = logging.StreamHandler(gone)
    logging.getLogger(name).addHandler(handler)
    try:
        response = await application(who=broken).handle(Request("POST", "/mcp", JSON, b"{}", "r"))
    finally:
        logging.getLogger(name).removeHandler(handler)
    assert response.status == 500
    assert capsys.readouterr() == ("", "")


async def test_the_audit_counts_what_is_sent_and_keeps_the_reason() -> None:
    lines: list[dict[str, Any]] = []
    app = application(grant_for=lambda principal: None, who=anybody, audit=lines.append)
    response = await app.handle(Request("POST", "/mcp", JSON, b"{}", "r"))
    assert [(line["bytes"], line["reason"]) for line in lines] == [(len(response.body), NOT_ADMITTED)]
