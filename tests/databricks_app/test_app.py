"""The app as the platform runs it: a process of its own behind the proxy, with its secret in a scope."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import neo4j
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from local.console import Console
from local.emulators.databricks.apps_proxy import named
from local.emulators.databricks.emulate import DatabricksPlatform, platform
from local.neo4j import EmbeddedNeo4j
from tests.databricks_app.running_app import (
    ADA,
    CANARY,
    DatabaseUser,
    Log,
    another_app,
    ask,
    bearer,
    behind_a_proxy,
    message,
    rows,
    token,
)
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import eventually, statements_with

pytestmark = pytest.mark.processes

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
SPOOFED = ("x-forwarded-user", "x-forwarded-email", "x-forwarded-preferred-username", "x-forwarded-host")


@pytest.fixture(scope="module")
def user(scratch_database: EmbeddedNeo4j, empty_neo4j_driver: neo4j.Driver) -> DatabaseUser:
    return DatabaseUser(scratch_database, empty_neo4j_driver)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    log = Log(tmp_path_factory.mktemp("log") / "app.log")
    yield log
    log.close()


@pytest.fixture(scope="module")
def databricks(user: DatabaseUser, console: Console, log: Log) -> Iterator[DatabricksPlatform]:
    with platform(user.settings(), console, users=(ADA,), world="token", log=log.file) as running:
        yield running


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_an_sdk_client_reads_the_graph_through_the_proxy_in_either_era(
    databricks: DatabricksPlatform, mode: str, slash: str
) -> None:
    headers = {"authorization": f"Bearer {token(databricks)}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, follow_redirects=False) as http,
        Client(
            streamable_http_client(databricks.line["url"] + slash, http_client=http),
            mode=mode,  # type: ignore[arg-type]
        ) as client,
    ):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert "read-cypher" in tools
        assert "write-cypher" not in tools
        result = await client.call_tool("read-cypher", {"query": "UNWIND range(1, 3) AS n RETURN n"})
    assert result.structured_content is not None
    assert result.structured_content["rows"] == [[1], [2], [3]]


def test_without_proof_every_method_and_path_is_401_with_the_way_to_a_token(databricks: DatabricksPlatform) -> None:
    for method in METHODS:
        for path in ("/mcp", "/mcp/", "/", "/elsewhere"):
            response = ask(databricks.app.url + path, method=method)
            assert response.status_code == 401, (method, path)
            assert "resource_metadata=" in response.headers["www-authenticate"]
        assert ask(databricks.line["url"], method=method).status_code == 401
    metadata = ask(
        databricks.line["url"].replace("/mcp", "/.well-known/oauth-protected-resource/mcp"), method="GET"
    ).json()
    assert metadata["resource"] == databricks.line["url"]
    assert metadata["authorization_servers"] == [f"{databricks.line['host']}/oidc"]
    assert metadata["scopes_supported"] == ["all-apis"]


def test_with_proof_the_method_is_looked_at_and_a_slash_makes_no_difference(databricks: DatabricksPlatform) -> None:
    proof = [bearer(token(databricks))]
    for url in (databricks.line["url"], databricks.app.url + "/mcp"):
        for slash in ("", "/"):
            assert ask(url + slash, proof, method="GET").status_code == 405
            assert ask(url + slash, proof, method="DELETE").status_code == 405
            assert rows(ask(url + slash, proof)) == [[1]]


def test_wrong_proof_is_refused_at_the_proxy_and_at_the_app_and_never_led_elsewhere(
    databricks: DatabricksPlatform,
) -> None:
    line, issuer = databricks.line, databricks.workspace.workspace.issuer
    wrong = {
        "garbage": "x.y.z",
        "over": issuer.token(line["client_id"], exp=1, iat=0),
        "for another workspace": issuer.token(line["client_id"], aud="9"),
        "of the intruder": token(databricks, line["intruder"]),
        "of nobody": issuer.token(line["client_id"], sub="nobody", client_id="nobody"),
        "of a user whom no rule admits": issuer.user_token(line["client_id"], ADA.name),
        "of a personal access token": "dapi" + "0" * 32,
    }
    for name, value in wrong.items():
        for url in (line["url"], databricks.app.url + "/mcp"):
            assert ask(url, [bearer(value)]).status_code in (401, 403), (name, url)


def test_whoever_may_not_use_the_app_does_not_reach_it(databricks: DatabricksPlatform, log: Log) -> None:
    before = len(log.calls())
    databricks.proxy.can_use.remove(databricks.line["client_id"])
    try:
        assert ask(databricks.line["url"], [bearer(token(databricks))]).status_code == 403
    finally:
        databricks.proxy.can_use.add(databricks.line["client_id"])
    assert len(log.calls()) == before


def test_the_identities_that_are_printed_read_and_do_not_write(databricks: DatabricksPlatform) -> None:
    body = message("write-cypher", query="CREATE (:Never)")
    for value in (token(databricks), databricks.line["pat"]):
        assert rows(ask(databricks.line["url"], [bearer(value)])) == [[1]]
        assert ask(databricks.line["url"], [bearer(value)], body=body).json()["result"]["isError"] is True


@pytest.mark.parametrize("spoofed", ["strip", "append"])
def test_names_that_a_client_sends_itself_change_nothing(
    databricks: DatabricksPlatform, log: Log, spoofed: Any
) -> None:
    line = databricks.line
    agent, intruder = token(databricks), token(databricks, line["intruder"])
    with behind_a_proxy(databricks, databricks.app, spoofed=spoofed) as url:
        for names in ([(name, line["client_id"]) for name in SPOOFED], [(name, ADA.name) for name in 2 * SPOOFED]):
            assert ask(url, [*names, bearer(intruder)]).status_code == 403
            assert rows(ask(url, [*names, bearer(agent)])) == [[1]]
    ids = [call["principal"]["id"] for call in log.calls()[-4:]]
    assert ids == [line["intruder"]["client_id"], line["client_id"]] * 2


@pytest.mark.parametrize("user_authorization", [False, True])
@pytest.mark.parametrize("spoofed", ["strip", "append"])
def test_a_forwarded_token_that_a_client_sends_itself_gets_it_nothing(
    databricks: DatabricksPlatform, tmp_path: Path, spoofed: Any, user_authorization: bool
) -> None:
    line, issuer = databricks.line, databricks.workspace.workspace.issuer
    ada = issuer.user_token(line["client_id"], ADA.name)
    policy = f'[[rule]]\nname = "ada"\nid = "{ADA.name}"\naccess = "write"\n{databricks.environ["NEO4J_M2M_POLICY"]}'
    with (
        another_app(databricks, tmp_path, NEO4J_M2M_POLICY=policy) as (app, log),
        behind_a_proxy(databricks, app, spoofed=spoofed, user_authorization=user_authorization) as url,
    ):
        write = message("write-cypher", query="CREATE (:Never)")
        answer = ask(url, [("x-forwarded-access-token", ada), bearer(token(databricks))], body=write)
        # Taken away, it is as if it had never been sent; else the request is of two minds, and refused.
        if spoofed == "strip":
            assert answer.json()["result"]["isError"] is True
            assert log.calls()[-1]["principal"]["id"] == line["client_id"]
        else:
            assert answer.status_code == 401
        # The user's own call passes in the same way, unless it carries two tokens.
        assert rows(ask(url, [bearer(ada)])) == [[1]]
        assert log.calls()[-1]["principal"]["kind"] == "user_on_behalf"


def named_by_the_proxy(databricks: DatabricksPlatform, caller: str) -> str:
    return named(databricks.workspace.workspace, caller)["x-forwarded-user"]


def test_where_the_proxy_keeps_the_token_nobody_is_proved_and_the_log_says_what_to_set(
    databricks: DatabricksPlatform, tmp_path: Path
) -> None:
    with another_app(databricks, tmp_path) as (app, log):
        with behind_a_proxy(databricks, app, hands_on_authorization=False) as url:
            answer = ask(url, [bearer(token(databricks))])
        assert answer.status_code == 401
        assert "NEO4J_M2M_CALLER_AUTH" not in answer.text
        (told,) = [line["message"] for line in log.lines() if line["level"] == "WARNING"]
        assert "NEO4J_M2M_CALLER_AUTH=proxy" in told
        assert any("identity headers of this request: x-forwarded-user" in line["message"] for line in log.lines())


def test_where_the_proxy_keeps_the_token_and_is_trusted_the_policy_decides_by_its_name(
    databricks: DatabricksPlatform, tmp_path: Path
) -> None:
    line = databricks.line
    number = named_by_the_proxy(databricks, line["client_id"])
    policy = (
        f'[[rule]]\nname = "by number"\nkind = "forwarded"\nid = "{number}"\naccess = "write"\n'
        f'[[rule]]\nname = "by application id"\nkind = "forwarded"\nid = "{line["client_id"]}"\n'
    )
    environ = {"NEO4J_M2M_CALLER_AUTH": "proxy", "NEO4J_M2M_ACCEPT_PATS": "", "NEO4J_M2M_POLICY": policy}
    agent, intruder = [bearer(token(databricks))], [bearer(token(databricks, line["intruder"]))]
    write = message("write-cypher", query="CREATE (:Written) RETURN 1 AS one")
    with another_app(databricks, tmp_path, **environ) as (app, log):
        with behind_a_proxy(databricks, app, hands_on_authorization=False) as url:
            assert rows(ask(url, agent)) == [[1]]
            call = log.calls()[-1]
            assert (call["principal"]["kind"], call["principal"]["id"], call["rule"]) == (
                "forwarded",
                number,
                "by number",
            )
            assert rows(ask(url, agent, body=write)) == [[1]]
            assert ask(url, intruder).status_code == 403
            assert ask(url).status_code == 401
            # The proxy that appends leaves a spoofed name in front of its own: then it is nobody's.
            for spoofed in ("boss@1", number, line["client_id"]):
                assert ask(url, [("x-forwarded-user", spoofed), *intruder]).status_code == 401
        with behind_a_proxy(databricks, app, hands_on_authorization=False, spoofed="strip") as url:
            assert ask(url, [("x-forwarded-user", number), *intruder]).status_code == 403
            assert rows(ask(url, [("x-forwarded-user", "boss@1"), *agent])) == [[1]]
        with behind_a_proxy(databricks, app, hands_on_authorization=False, user_form="name") as url:
            assert rows(ask(url, agent)) == [[1]]
            assert log.calls()[-1]["rule"] == "by application id"
            assert ask(url, agent, body=write).json()["result"]["isError"] is True
            assert ask(url, intruder).status_code == 403
        with behind_a_proxy(databricks, app, hands_on_authorization=False, admits_pats=True) as url:
            # A personal access token, if the proxy takes one, and a user, are whom the proxy names.
            assert rows(ask(url, [bearer(line["pat"])])) == [[1]]
            assert log.calls()[-1]["principal"]["id"] == number
            ada = databricks.workspace.workspace.issuer.user_token(line["client_id"], ADA.name)
            assert ask(url, [bearer(ada)]).status_code == 403
            refused = log.calls()[-1]["principal"]
            assert (refused["kind"], refused["id"]) == ("forwarded", named_by_the_proxy(databricks, ADA.name))
            assert ask(url, [bearer("x.y.z")]).status_code == 401
        # What the setting trusts: nothing but the proxy reaches the port.
        assert rows(ask(f"{app.url}/mcp", [("x-forwarded-user", number)])) == [[1]]
        assert any("this trusts that the proxy" in line.get("message", "") for line in log.lines())


@pytest.mark.parametrize("caller_auth", ["token", "proxy"])
def test_where_the_proxy_forwards_the_users_token_alone_it_proves_the_user(
    databricks: DatabricksPlatform, tmp_path: Path, caller_auth: str
) -> None:
    ada = databricks.workspace.workspace.issuer.user_token(databricks.line["client_id"], ADA.name)
    policy = f'[[rule]]\nname = "ada"\nkind = "user_on_behalf"\nid = "{ADA.name}"\n'
    options = {"hands_on_authorization": False, "user_authorization": True}
    environ = {"NEO4J_M2M_CALLER_AUTH": caller_auth, "NEO4J_M2M_ACCEPT_PATS": "", "NEO4J_M2M_POLICY": policy}
    with (
        another_app(databricks, tmp_path, **environ) as (app, log),
        behind_a_proxy(databricks, app, **options) as url,
    ):
        assert rows(ask(url, [bearer(ada)])) == [[1]]
        assert log.calls()[-1]["principal"]["id"] == ADA.name
        assert ask(url, [bearer(token(databricks))]).status_code == 403


def test_personal_access_tokens_are_for_those_who_turned_them_on(
    databricks: DatabricksPlatform, tmp_path: Path
) -> None:
    proof = [bearer(databricks.line["pat"])]
    assert rows(ask(databricks.line["url"], proof)) == [[1]]
    with behind_a_proxy(databricks, databricks.app) as url:
        assert ask(url, proof).status_code == 401
    with (
        another_app(databricks, tmp_path, NEO4J_M2M_ACCEPT_PATS="") as (app, _),
        behind_a_proxy(databricks, app, admits_pats=True) as url,
    ):
        refused = ask(url, proof)
        assert (refused.status_code, "not accepted here" in refused.text) == (401, True)


def test_the_log_is_json_with_the_proxys_id_of_each_request(databricks: DatabricksPlatform, log: Log) -> None:
    proof = bearer(token(databricks))
    ask(f"{databricks.app.url}/mcp", [proof, ("x-request-id", "5c0ffee5-0000-4000-8000-000000000001")])
    call = log.calls()[-1]
    assert call["request_id"] == "5c0ffee5-0000-4000-8000-000000000001"
    assert (call["outcome"], call["level"], call["rule"]) == ("ok", "INFO", "the agent reads")
    for wrong in (["a", "b"], ["x" * 65], ['"}'], []):
        ask(f"{databricks.app.url}/mcp", [proof, *(("x-request-id", value) for value in wrong)])
        assert len(log.calls()[-1]["request_id"]) == 36
    ask(f"{databricks.app.url}/mcp", [bearer("x.y.z"), ("x-request-id", "refused-1")])
    refusal = next(line for line in log.lines() if line.get("request_id") == "refused-1")
    assert (refusal["level"], "refused with 401" in refusal["message"]) == ("INFO", True)


def test_nothing_that_proves_anybody_is_in_the_log(
    databricks: DatabricksPlatform, user: DatabaseUser, tmp_path: Path
) -> None:
    line = databricks.line
    good, bad = token(databricks), token(databricks, line["intruder"])[:-4]
    with another_app(databricks, tmp_path, NEO4J_M2M_LOG_LEVEL="DEBUG") as (app, log):
        for value in (good, bad, line["pat"]):
            ask(f"{app.url}/mcp", [bearer(value), ("x-forwarded-user", "1@2")])
            ask(f"{app.url}/mcp", [("x-forwarded-access-token", value)])
        said = log.path.read_text()
    assert '"audit": "call"' in said
    secrets_of_it = {
        *(good, bad, line["pat"], line["client_secret"], line["intruder"]["client_secret"], user.password),
        databricks.environ["DATABRICKS_CLIENT_SECRET"],
    }
    assert [value for value in secrets_of_it if value in said] == []


def test_a_password_that_is_changed_while_the_app_serves_loses_no_call(
    databricks: DatabricksPlatform, user: DatabaseUser, log: Log
) -> None:
    proof = bearer(token(databricks))
    over = threading.Event()
    answered: list[Any] = []

    def calling() -> None:
        with httpx2.Client(trust_env=False, timeout=60) as client:
            while not over.is_set():
                response = client.post(databricks.line["url"], json=message(), headers=[proof])
                answered.append(response.json()["result"].get("structuredContent", response.text))

    def more_than(count: int) -> Callable[[], bool]:
        return lambda: len(answered) > count

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(calling) for _ in range(4)]
        try:
            for _ in range(2):
                assert eventually(more_than(len(answered) + 20))
                user.change()
                assert eventually(more_than(len(answered) + 20))
                databricks.workspace.workspace.put_secret("neo4j", "credential", user.secret())
            # Connections that are open stay logged in; a new app has to log in with what it finds now.
            assert eventually(more_than(len(answered) + 40))
        finally:
            over.set()
        for call in calls:
            call.result(60)
    assert [one for one in answered if not isinstance(one, dict) or one["rows"] != [[1]]] == []


def test_an_app_that_started_with_a_password_of_before_reads_the_scope_and_serves(
    databricks: DatabricksPlatform, user: DatabaseUser, tmp_path: Path
) -> None:
    stale = {**databricks.environ, "NEO4J_M2M_SECRET_VALUE": user.secret().decode()}
    user.change()
    databricks.workspace.workspace.put_secret("neo4j", "credential", user.secret())
    before = databricks.workspace.requests.count(("GET", "/api/2.0/secrets/get"))
    with another_app(databricks, tmp_path, **stale) as (app, log):
        assert rows(ask(f"{app.url}/mcp", [bearer(token(databricks))])) == [[1]]
        assert "credential_changed" in [line.get("audit") for line in log.lines()]
    assert databricks.workspace.requests.count(("GET", "/api/2.0/secrets/get")) == before + 1


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("elsewhere/credential", "not_found"),
        ("neo4j/other", "not_found"),
        ("private/credential", "denied"),
        ("neo4j/half", "malformed"),
    ],
)
def test_a_secret_that_is_missing_private_or_half_is_an_answer_and_told_in_the_log(
    databricks: DatabricksPlatform, tmp_path: Path, secret: str, said: str
) -> None:
    workspace = databricks.workspace.workspace
    if "private" not in workspace.scopes():
        workspace.create_scope("private", "administrator")
    workspace.put_secret("private", "credential", b"{}")
    workspace.put_secret("neo4j", "half", json.dumps({"uri": "bolt://db", "password": CANARY}).encode())
    environ = {"NEO4J_M2M_SECRET": secret, "NEO4J_M2M_SECRET_VALUE": ""}
    with another_app(databricks, tmp_path, **environ) as (app, log):
        result = ask(f"{app.url}/mcp", [bearer(token(databricks))]).json()["result"]
        assert result["isError"] is True
        assert said in result["content"][0]["text"]
        assert any(secret in line.get("message", "") for line in log.lines())


def sent(url: str, proof: tuple[str, str]) -> http.client.HTTPConnection:
    """A connection on which a call was sent, and whose answer has not been read."""
    connection = http.client.HTTPConnection(url.partition("://")[2], timeout=60)
    connection.request("POST", "/mcp", json.dumps(message()), dict([proof, ("content-type", "application/json")]))
    return connection


async def test_calls_under_way_are_answered_when_the_app_is_told_to_stop(
    databricks: DatabricksPlatform, user: DatabaseUser, tmp_path: Path
) -> None:
    proof = bearer(token(databricks))
    async with TcpProxy.to(user.uri) as slow:
        with another_app(databricks, tmp_path, NEO4J_URI=slow.uri) as (app, log):
            url = f"{app.url}/mcp"
            assert rows(await asyncio.to_thread(ask, url, [proof])) == [[1]]
            before = len(log.calls())
            slow.delay = 0.5  # each way: a new connection takes several turns of it before it carries a statement
            calls = [await asyncio.to_thread(sent, app.url, proof) for _ in range(6)]
            # The app reads in the order in which requests arrive: it has all of them when it has answered this one.
            assert (await asyncio.to_thread(ask, url, [])).status_code == 401
            assert len(log.calls()) == before + 1
            app.process.terminate()
            begun = time.monotonic()
            for call in calls:
                response = await asyncio.to_thread(call.getresponse)
                body = json.loads(response.read())
                assert (response.status, body["result"]["structuredContent"]["rows"]) == (200, [[1]])
                call.close()
            assert await asyncio.to_thread(app.process.wait, 60) == 0
            assert time.monotonic() - begun < 10
            with pytest.raises(httpx2.ConnectError):
                await asyncio.to_thread(ask, url, [proof])
            assert log.lines()[-1]["message"] == "stopped"


def test_a_call_that_would_outlast_the_stopping_is_told_and_not_cut_off(
    databricks: DatabricksPlatform, empty_neo4j_driver: neo4j.Driver, tmp_path: Path
) -> None:
    proof = bearer(token(databricks))
    endless = message(query="UNWIND range(1, 1000000000) AS i RETURN sum(i % 7) AS outlasting")
    with another_app(databricks, tmp_path, NEO4J_M2M_TIMEOUT="60") as (app, _), ThreadPoolExecutor(1) as pool:
        assert rows(ask(f"{app.url}/mcp", [proof])) == [[1]]
        call = pool.submit(ask, f"{app.url}/mcp", [proof], body=endless)
        assert eventually(lambda: statements_with(empty_neo4j_driver, "out" + "lasting") > 0)
        begun = time.monotonic()
        app.process.terminate()
        assert app.process.wait(60) == 0
        assert time.monotonic() - begun < 12
        assert (call.result(20).status_code, "stopping" in call.result().text) == (503, True)


def test_an_answer_leaves_in_the_time_that_the_operator_gave(databricks: DatabricksPlatform, tmp_path: Path) -> None:
    endless = message(query="UNWIND range(1, 1000000000) AS i RETURN sum(i % 7)")
    with another_app(databricks, tmp_path, NEO4J_M2M_TIMEOUT="2") as (app, _):
        proof = bearer(token(databricks))
        assert rows(ask(f"{app.url}/mcp", [proof])) == [[1]]
        result = ask(f"{app.url}/mcp", [proof], body=endless).json()["result"]
        assert "time was up" in result["content"][0]["text"]
