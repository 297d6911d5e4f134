"""Faults of deployed servers, as reported in public, each provoked and recognised by ``doctor --url``."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from cli.doctor import outside as outside_module
from cli.doctor.outside import OUTSIDE_LINKS, Outside, look_outside
from cli.settings import CommandLineSettings
from core.application import NOT_ADMITTED, NOTHING_HERE
from core.finding import Finding
from core.http import as_asked, plain
from core.identity.api_keys import new_key
from core.identity.principal import NOT_PROVED
from core.misconfigured import NOT_CONFIGURED
from core.settings import Settings
from core.tools.answer import in_one_copy, success, written
from tests.cli.doctor.platform import Answer, Respond, answering, json_answer

KEY = new_key().text.get_secret_value()
MCP = (("accept", "application/json, text/event-stream"),)


def settings(**values: str) -> CommandLineSettings:
    return CommandLineSettings.model_validate({"caller_api_key": KEY, **values})


def ours(status: int, reason: str, **headers: str) -> Answer:
    refused = as_asked(plain(status, reason), "POST", MCP)
    return (
        status,
        {**refused.headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
        refused.body,
    )


def proven(headers: dict[str, str]) -> bool:
    return headers.get("x-api-key") == KEY or headers.get("authorization", "").startswith(("Bearer", "AWS4"))


def server(**changed: Any) -> Respond:
    """A server that works, but for what is ``changed``: answers by MCP method, by tool, or by path."""

    def respond(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path in changed:
            answer: Answer = changed[path]
            return answer
        if path == "/health":
            return json_answer(200, {"status": "ok", "database": "up"})
        if path != "/mcp":
            return 404, {"content-type": "text/plain"}, NOTHING_HERE.encode()
        if not proven(headers):
            refused: Answer = changed.get("unproven", ours(401, f"{NOT_PROVED}: the request carries no credential."))
            return refused
        message = json.loads(body)
        name = message["params"].get("name")
        for key in (name, message["method"], "proven"):
            if key in changed:
                known: Answer = changed[key]
                return known
        return json_answer(200, {"jsonrpc": "2.0", "id": 1, "result": RESULTS[name or message["method"]](message)})

    return respond


def _read(message: dict[str, Any]) -> dict[str, Any]:
    if "CREATE" in message["params"]["arguments"]["query"]:
        return {"isError": True, "content": [{"type": "text", "text": "read-cypher only reads."}]}
    return {"content": [], "structuredContent": {"rows": [[1]]}}


RESULTS: dict[str, Any] = {
    "initialize": lambda message: {"serverInfo": {"name": "neo4j-m2m", "version": "0.1.0"}},
    "tools/list": lambda message: {"tools": [{"name": "read-cypher"}, {"name": "get-schema"}]},
    "ping": lambda message: {},
    "read-cypher": _read,
}


def looked(respond: Respond, platform: str | None = None, method: str = "api-key", **options: Any) -> list[Finding]:
    chosen = options.pop("settings", None) or settings()
    with answering(respond) as url:
        at = options.pop("path", "/mcp")
        asked = Outside(url.replace("/mcp", at), platform, method, chosen, **options)
        findings, _ = look_outside(asked)
    assert [finding.link for finding in findings] == list(OUTSIDE_LINKS)
    assert KEY not in repr(findings)
    return findings


def failure(findings: list[Finding], link: str) -> str:
    """The sentence of ``link``, which is the first that failed."""
    failed = [finding for finding in findings if finding.state == "failed"]
    assert failed, findings
    assert failed[0].link == link
    return failed[0].sentence()


def test_a_server_that_works_is_found_to_work() -> None:
    findings = looked(server())
    assert {finding.link: finding.state for finding in findings} == {
        **dict.fromkeys(OUTSIDE_LINKS, "ok"),
        "rule": "not reached",
    }


def test_the_inside_half_comes_through_the_tool_doctor() -> None:
    found = {"link": "login", "state": "failed", "says": "The database refuses the user.", "remedy": "Correct it."}
    tools = {"tools": [{"name": "read-cypher"}, {"name": "doctor"}]}
    content = {"rule": "operators", "findings": [found]}
    respond = server(
        **{
            "tools/list": json_answer(200, {"result": tools}),
            "doctor": json_answer(200, {"result": {"content": [], "structuredContent": content}}),
        }
    )
    with answering(respond) as url:
        findings, inside = look_outside(Outside(url, None, "api-key", settings()))
    assert next(finding for finding in findings if finding.link == "rule").says == "operators."
    assert inside == [Finding(**found)]


@pytest.mark.parametrize("wrapped", [True, False], ids=["marked", "plain"])
@pytest.mark.parametrize("form", ["both", "text", "structured"])
def test_an_answer_is_understood_in_each_form_that_a_server_may_send(
    form: Literal["both", "text", "structured"], wrapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Settings(answer_form=form, wrap_results=wrapped)

    def sent(payload: dict[str, Any]) -> dict[str, Any]:
        return written(in_one_copy(success(payload, settings=theirs), settings=theirs))

    def read(message: dict[str, Any]) -> dict[str, Any]:
        refused = _read(message)
        return refused if refused.get("isError") else sent({"columns": ["one"], "rows": [[1]], "row_count": 1})

    found = {"link": "guard", "state": "ok", "says": "It says </untrusted-data-1>.", "remedy": ""}
    tools = {"tools": [{"name": "read-cypher"}, {"name": "doctor"}]}
    monkeypatch.setitem(RESULTS, "tools/list", lambda message: tools)
    monkeypatch.setitem(RESULTS, "read-cypher", read)
    monkeypatch.setitem(RESULTS, "doctor", lambda message: sent({"rule": "operators", "findings": [found]}))
    with answering(server()) as url:
        findings, inside = look_outside(Outside(url, None, "api-key", settings()))
    assert {finding.link: finding.state for finding in findings} == dict.fromkeys(OUTSIDE_LINKS, "ok")
    assert next(finding for finding in findings if finding.link == "rule").says == "operators."
    assert inside == [Finding(**found)]


AWS_FORBIDDEN = json_answer(
    403, {"Message": "Forbidden. For troubleshooting Function URL authorization issues, see: …"}
)
NO_DATABASE = {"isError": True, "content": [{"text": "The database cannot be reached"}]}
FAULTS: dict[str, tuple[str | None, dict[str, Any], str, str]] = {
    "a caller whom no rule admits": (
        "azure",
        {"proven": ours(403, NOT_ADMITTED)},
        "admitted",
        "policy explain --policy FILE --platform azure",
    ),
    "a token for another audience": (
        "azure",
        {"proven": ours(401, f"{NOT_PROVED}: the token was issued for another audience than this server.")},
        "admitted",
        "--scope",
    ),
    "a token that has expired": (
        "azure",
        {"proven": ours(401, f"{NOT_PROVED}: the token has expired.")},
        "admitted",
        "look at the clocks",
    ),
    "a token without the role": (
        "azure",
        {"proven": ours(403, "The token lacks a role.", www_authenticate='Bearer error="insufficient_scope"')},
        "admitted",
        "Give the caller a role",
    ),
    "a setting that does not parse": (
        None,
        {
            "proven": ours(503, NOT_CONFIGURED),
        },
        "admitted",
        "names the setting",
    ),
    "a role without both permissions of the function URL": (
        "aws",
        {"proven": AWS_FORBIDDEN, "unproven": AWS_FORBIDDEN},
        "admitted",
        "lambda:InvokeFunction (InvokedViaFunctionUrl true)",
    ),
    "a clock that AWS does not accept": (
        "aws",
        {"proven": json_answer(403, {"message": "Signature expired: 20261125T000000Z is now earlier than 2026…"})},
        "admitted",
        "AWS allows five minutes",
    ),
    "a signature for another service": (
        "aws",
        {"proven": json_answer(403, {"message": "Credential should be scoped to correct service: 'lambda'."})},
        "admitted",
        "Sign for the service lambda",
    ),
    "keys that AWS does not know": (
        "aws",
        {"proven": json_answer(403, {"message": "The security token included in the request is invalid."})},
        "admitted",
        "Get new credentials",
    ),
    "a function that fails while it is imported": (
        "aws",
        {"proven": (502, {}, b"Internal Server Error")},
        "admitted",
        "log",
    ),
    "a function that is throttled": ("aws", {"proven": json_answer(429, {"Reason": "…"})}, "admitted", "concurrency"),
    "a function app without functions": (
        "azure",
        {"unproven": (404, {}, b"")},
        "closed",
        "an error while the app is imported",
    ),
    "a function key that is missing": ("azure", {"proven": (401, {}, b"")}, "admitted", "x-functions-key"),
    "a login page of Easy Auth": (
        "azure",
        {"proven": (302, {"location": "https://login.microsoftonline.com/x"}, b"")},
        "admitted",
        "Return401",
    ),
    "an application that Easy Auth does not allow": (
        "azure",
        {"proven": (403, {"content-type": "text/html"}, b"<html>You do not have permission to view this directory")},
        "admitted",
        "allowedApplications",
    ),
    "a host that does not start": ("azure", {"proven": (503, {}, b"<html>")}, "admitted", "AzureWebJobsStorage"),
    "a login page of Databricks": (
        "databricks",
        {"proven": (302, {"location": "/login"}, b"")},
        "admitted",
        "OAuth token",
    ),
    "a token that the proxy of Databricks refuses": (
        "databricks",
        {"proven": (401, {}, b"")},
        "admitted",
        "personal access",
    ),
    "a caller without CAN_USE": (
        "databricks",
        {"proven": (403, {"content-type": "text/plain"}, b"Forbidden\n")},
        "admitted",
        "CAN_USE",
    ),
    "an app that does not run": (
        "databricks",
        {"proven": (502, {}, b"App Not Available")},
        "admitted",
        "DATABRICKS_APP_PORT",
    ),
    "an app that takes too long": ("databricks", {"proven": (504, {}, b"")}, "admitted", "NEO4J_M2M_TIMEOUT"),
    "a redirect": (
        None,
        {"proven": (307, {"location": "https://elsewhere.example/mcp"}, b"")},
        "admitted",
        "elsewhere.example",
    ),
    "a page in place of a server": (
        None,
        {"proven": (200, {"content-type": "text/html"}, b"<html>")},
        "admitted",
        "it is a page",
    ),
    "a database that is down": (
        None,
        {"/health": json_answer(503, {"status": "degraded", "database": "down"})},
        "health",
        "Its log",
    ),
    "a caller without tools": (None, {"tools/list": json_answer(200, {"result": {"tools": []}})}, "tools", "`tools`"),
    "a caller who has used up their calls": (
        None,
        {"tools/list": ours(429, "You may make 2 calls a minute. Try again in 30 s.", retry_after="30")},
        "tools",
        "call less often",
    ),
    "a server that dies while it is looked at": (None, {"tools/list": (0, {}, b"")}, "tools", "There is no answer"),
    "a server that dies at the first call": ("aws", {"proven": (0, {}, b"")}, "admitted", "There is no answer"),
    "a server that dies before a proof is looked at": (None, {"unproven": (0, {}, b"")}, "closed", "no answer"),
    "a read that fails": (
        None,
        {"read-cypher": json_answer(200, {"result": NO_DATABASE})},
        "read",
        "cannot be reached",
    ),
    "metadata of another URL": (
        None,
        {"/.well-known/oauth-protected-resource/mcp": json_answer(200, {"resource": "https://inner/mcp"})},
        "discovery",
        "NEO4J_M2M_PUBLIC_URL=http://127.0.0.1",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_so_is_what_mends_it(fault: str) -> None:
    platform, changed, link, said = FAULTS[fault]
    assert said.lower() in failure(looked(server(**changed), platform), link).lower()


def test_calls_that_are_refused_are_no_measure_of_time() -> None:
    refused = ours(429, "You may make 9 calls a minute. Try again in 30 s.")
    found = {finding.link: finding for finding in looked(server(ping=refused))}
    assert found["write refused"].state == "ok"
    assert found["latency"].state == "warning"
    assert "calls a minute" in found["latency"].says


def test_a_reading_tool_that_writes_is_the_loudest_finding() -> None:
    written = json_answer(200, {"result": {"content": [], "structuredContent": {"rows": [[1]]}}})
    assert "A READING TOOL WROTE" in failure(looked(server(**{"read-cypher": written})), "write refused")


def test_a_server_that_asks_nobody_for_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = json_answer(200, {"result": {"tools": []}})
    findings = looked(server(unproven=answer))
    assert findings[2].state == "ok", "on this machine that is how it is meant"
    monkeypatch.setattr(outside_module, "is_local", lambda url: False)
    monkeypatch.setattr(outside_module, "look_at_url", lambda url: Finding("URL", "ok"))
    assert "ANYBODY MAY CALL" in failure(looked(server(unproven=answer)), "closed")


def test_a_url_that_is_none_or_has_no_tls() -> None:
    for url, said in (("graph.example.com/mcp", "not a URL"), ("http://graph.example.com/mcp", "no TLS")):
        findings, _ = look_outside(Outside(url, None, "none", settings()))
        assert said in failure(findings, "URL")


def test_a_url_without_its_path_is_told_of() -> None:
    findings = looked(server(**{"/": ours(404, NOTHING_HERE)}), path="/")
    assert (findings[0].state, findings[0].remedy) == ("warning", "End the URL in /mcp.")


@pytest.mark.parametrize(
    ("method", "chosen", "said"),
    [
        ("api-key", settings(caller_api_key=KEY[:-3]), "no whole key"),
        ("api-key", CommandLineSettings.model_validate({}), "NEO4J_M2M_CALLER_API_KEY"),
        ("client-credentials", settings(), "NEO4J_M2M_CALLER_CLIENT_SECRET"),
        ("client-credentials", settings(caller_client_id="a", caller_client_secret="canary-cli"), "--token-url"),
        ("azure", settings(), "--scope"),
    ],
)
def test_a_proof_that_cannot_be_had(method: str, chosen: CommandLineSettings, said: str) -> None:
    assert said in failure(looked(server(), method=method, settings=chosen), "proof")


def test_a_client_that_the_issuer_refuses_is_told_by_code_and_without_its_secret() -> None:
    refused = json_answer(401, {"error": "invalid_client", "error_description": "AADSTS7000215: canary-cli is wrong"})
    chosen = settings(caller_client_id="agent", caller_client_secret="canary-cli")
    with answering(lambda *_: refused) as issuer:
        findings = looked(server(), method="client-credentials", settings=chosen, token_url=issuer)
    said = failure(findings, "proof")
    assert "invalid_client (AADSTS7000215)" in said
    assert "canary" not in repr(findings)


@pytest.mark.parametrize("token", [None, 5, "canary-tökén"])
def test_what_no_header_can_carry_is_no_token(token: object) -> None:
    chosen = settings(caller_client_id="agent", caller_client_secret="canary-cli")
    with answering(lambda *_: json_answer(200, {"access_token": token})) as issuer:
        findings = looked(server(), method="client-credentials", settings=chosen, token_url=issuer)
    assert "refuses the client: status 200" in failure(findings, "proof")
    assert "canary" not in repr(findings)
