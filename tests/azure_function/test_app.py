"""The function app as a platform runs it: a worker behind the front, with its secret in Key Vault."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest
from pydantic import SecretStr

from core.identity.api_keys import NewKey, new_key
from core.identity.key_ring import ApiKey, KeyRing, render_key_ring
from local.emulators.azure.emulate import Subscription
from local.neo4j import EmbeddedNeo4j
from tests.azure_function.apps import App, call, function_app
from tests.azure_function.conftest import SECRET
from tests.support.waiting import eventually

pytestmark = pytest.mark.processes

CANARY = "canary-azure-password-5b7e"
KEY_MODE = {"NEO4J_M2M_CALLER_AUTH": "function_key", "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": "foundry"}


@pytest.fixture(scope="module")
def by_key(stocked: Subscription) -> Iterator[App]:
    with function_app(stocked, NEO4J_M2M_SECRET=SECRET, **KEY_MODE) as app:
        yield app


def test_fifty_first_calls_at_once_are_all_answered_from_one_look_at_the_vault(
    stocked: Subscription, issuers: str
) -> None:
    token = stocked.tokens.issuer.token(stocked.tenant.agent.id)
    before = stocked.vault.requests, stocked.identities.requests
    with function_app(stocked, NEO4J_M2M_SECRET=SECRET, NEO4J_M2M_ISSUERS=issuers) as app:

        async def all_at_once() -> list[httpx2.Response]:
            headers = {"authorization": f"Bearer {token}", "mcp-protocol-version": "2025-11-25"}
            async with httpx2.AsyncClient(trust_env=False, timeout=90, headers=headers) as client:
                return await asyncio.gather(*(client.post(app.url, json=call()) for _ in range(50)))

        answers = asyncio.run(all_at_once())
    assert [answer.json()["result"]["structuredContent"]["rows"] for answer in answers] == [[[1]]] * 50
    assert (stocked.vault.requests - before[0], stocked.identities.requests - before[1]) == (1, 1)


def test_a_function_key_opens_what_it_is_for_and_names_the_principal_of_the_settings(by_key: App) -> None:
    keys = by_key.keys
    for headers in ({"x_functions_key": key} for key in (keys.functions["mcp"], keys.host, keys.master)):
        assert by_key.post(call(), **headers).json()["result"]["structuredContent"]["rows"] == [[1]]
        principal = by_key.audit()["principal"]
        assert principal == {"id": "foundry", "kind": "api_key", "proved_by": "function key, checked by the host"}
    with httpx2.Client(trust_env=False, timeout=60) as client:
        assert client.post(f"{by_key.url}?code={keys.host}", json=call()).status_code == 200
        assert client.post(f"{by_key.url}?code=wrong", json=call()).status_code == 401
        assert client.get(by_key.url).status_code == 401
        got = client.get(by_key.url, headers={"x-functions-key": keys.host})
        assert (got.status_code, got.headers["allow"]) == (405, "POST")
        assert client.get(f"{by_key.origin}/health").status_code == 200
        assert client.get(f"{by_key.origin}/.well-known/oauth-protected-resource").status_code == 404


@pytest.fixture(scope="module")
def key(stocked: Subscription) -> NewKey:
    made, gone = new_key(), new_key()
    now = datetime.now(UTC)
    entries = (
        ApiKey(id=made.id, name="foundry-prod", hash=made.hash, created=now, expires=None, roles=("graph-reader",)),
        ApiKey(id=gone.id, name="old", hash=gone.hash, created=now, expires=None, revoked=now),
    )
    stocked.vault.write("keys", SecretStr(render_key_ring(KeyRing(keys=entries))))
    return made


def test_an_api_key_opens_the_door_with_the_rights_of_its_principal_and_nothing_else_does(
    stocked: Subscription, key: NewKey
) -> None:
    policy = '[[rule]]\nname = "readers"\nrole = "graph-reader"\ntools = ["read-cypher"]\n'
    with function_app(
        stocked,
        NEO4J_M2M_SECRET=SECRET,
        NEO4J_M2M_CALLER_AUTH="api_key",
        NEO4J_M2M_KEYS_SECRET="keys",
        NEO4J_M2M_POLICY=policy,
    ) as app:
        text = key.text.get_secret_value()
        for answer in (app.post(call(), x_api_key=text), app.post(call(), token=text)):
            assert answer.json()["result"]["structuredContent"]["rows"] == [[1]]
        assert app.audit()["principal"]["id"] == "foundry-prod"
        assert "may not use" in app.post(call("get-schema"), x_api_key=text).text
        token = stocked.tokens.issuer.token(stocked.tenant.agent.id)
        for refused in (
            app.post(call()),
            app.post(call(), token=token),
            app.post(call(), x_api_key=new_key().text.get_secret_value()),
            app.post(call(), x_functions_key=app.keys.master),
        ):
            assert refused.status_code == 401
        assert text not in app.said


@pytest.mark.parametrize(
    ("environ", "leave_out", "said"),
    [
        ({}, frozenset(), "NEO4J_M2M_ISSUERS"),
        ({"NEO4J_M2M_CALLER_AUTH": "api_key"}, frozenset(), "NEO4J_M2M_KEYS_SECRET"),
        ({"NEO4J_M2M_CALLER_AUTH": "function_key"}, frozenset(), "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL"),
        ({"NEO4J_M2M_ISSUERS": "[[issuer]]\n"}, frozenset(), "NEO4J_M2M_ISSUERS, line 1"),
        ({**KEY_MODE, "NEO4J_M2M_POLICY": "[[rule]]\n"}, frozenset(), "NEO4J_M2M_POLICY, line 1"),
        ({**KEY_MODE, "NEO4J_M2M_LOG_LEVEL": CANARY}, frozenset(), "NEO4J_M2M_LOG_LEVEL"),
        ({**KEY_MODE, "NEO4J_M2M_SECRET": "s"}, frozenset({"NEO4J_M2M_VAULT_URL"}), "NEO4J_M2M_VAULT_URL"),
    ],
)
def test_an_app_that_would_be_open_or_cannot_work_answers_503_on_every_route_and_logs_why(
    running: Subscription, environ: dict[str, str], leave_out: frozenset[str], said: str
) -> None:
    with function_app(running, leave_out=leave_out, **environ) as app, httpx2.Client(trust_env=False) as client:
        for answer in (
            app.post(call()),
            app.post(call(), x_functions_key=app.keys.master),
            client.get(app.url),
            client.get(f"{app.origin}/health"),
            client.get(f"{app.origin}/.well-known/oauth-protected-resource"),
            client.get(f"{app.origin}/.well-known/oauth-protected-resource/mcp"),
        ):
            assert answer.status_code == 503, answer.url
            assert said not in answer.text
            assert "NEO4J" not in answer.text
            assert answer.headers["retry-after"]
        # Once while the app is imported, which a host may lose, and with each of the six requests.
        assert app.said.count(said) == 7
        assert CANARY not in app.said


def test_the_audit_line_names_the_invocation_and_the_operation_of_application_insights(by_key: App) -> None:
    trace = uuid.uuid4().hex
    key = by_key.keys.host
    by_key.post(call(), x_functions_key=key, traceparent=f"00-{trace}-{'1' * 16}-01")
    line = by_key.audit()
    assert line["operation_id"] == trace
    assert uuid.UUID(line["request_id"])
    assert line["outcome"] == "ok"
    by_key.post(call(), x_functions_key=key, traceparent="forged\x7f")
    assert by_key.audit()["operation_id"] != trace


def test_an_answer_leaves_in_time_and_the_app_serves_on(stocked: Subscription) -> None:
    with function_app(stocked, NEO4J_M2M_SECRET=SECRET, NEO4J_M2M_TIMEOUT="3", **KEY_MODE) as app:
        key = app.keys.host
        app.post(call(), x_functions_key=key)
        begun = time.monotonic()
        slow = app.post(call(query="UNWIND range(1, 1000000000) AS i RETURN sum(i % 7)"), x_functions_key=key)
        assert time.monotonic() - begun < 15
        assert "time was up" in slow.text
        assert app.post(call(), x_functions_key=key).json()["result"]["structuredContent"]["rows"] == [[1]]


def test_a_secret_that_is_missing_wrong_or_half_is_told_and_mended_while_the_app_runs(
    stocked: Subscription, credential: SecretStr
) -> None:
    with function_app(stocked, NEO4J_M2M_SECRET="mended", NEO4J_M2M_TIMEOUT="4", **KEY_MODE) as app:

        def told() -> str:
            return app.post(call(), x_functions_key=app.keys.host).text

        assert "not_found" in told()
        stocked.vault.write("mended", SecretStr(json.dumps({"uri": "bolt://db", "password": CANARY})))
        assert eventually(lambda: "malformed" in told())
        wrong = json.loads(credential.get_secret_value()) | {"password": CANARY}
        stocked.vault.write("mended", SecretStr(json.dumps(wrong)))
        assert eventually(lambda: "refused this server's own login" in told())
        stocked.vault.write("mended", credential)
        assert '"rows":[[1]]' in told()


def test_a_body_that_is_too_large_is_refused_and_so_is_one_that_is_no_request(by_key: App) -> None:
    key = by_key.keys.host
    assert by_key.post("x" * 1_100_000, x_functions_key=key).status_code == 413
    assert by_key.post([], x_functions_key=key).status_code == 400
    assert by_key.post("x", x_functions_key=key).status_code == 400


def test_nothing_that_is_secret_is_in_what_the_apps_say(
    stocked: Subscription, by_key: App, sample_database: EmbeddedNeo4j, issuers: str
) -> None:
    token = stocked.tokens.issuer.token(stocked.tenant.agent.id)
    with function_app(stocked, NEO4J_M2M_SECRET=SECRET, NEO4J_M2M_ISSUERS=issuers, NEO4J_M2M_LOG_LEVEL="DEBUG") as app:
        assert app.post(call(), token=token).status_code == 200
        assert app.post(call(), token=token[:-4] + "AAAA").status_code == 401
        said = app.said + by_key.said
    assert "neo4j_m2m.audit" in said
    for secret in (
        sample_database.password.get_secret_value(),
        stocked.environ["IDENTITY_HEADER"],
        *by_key.keys.functions.values(),
        by_key.keys.host,
        by_key.keys.master,
        "eyJ",
    ):
        assert secret not in said


def test_a_function_app_has_a_page_only_if_a_setting_asks_for_it(stocked: Subscription, issuers: str) -> None:
    person, tokens = {"accept": "text/html"}, {"NEO4J_M2M_SECRET": SECRET, "NEO4J_M2M_ISSUERS": issuers}
    with function_app(stocked, **tokens) as app, httpx2.Client(trust_env=False, timeout=60) as browser:
        for path in ("/", "/page/me", "/page/page.js"):
            assert browser.get(app.origin + path, headers=person).status_code == 404
    asked = {"NEO4J_M2M_PAGE": "true"}
    with function_app(stocked, **asked, **tokens) as app, httpx2.Client(trust_env=False, timeout=60) as browser:
        page = browser.get(f"{app.origin}/", headers=person)
        assert (page.status_code, "API key or bearer token" in page.text) == (401, True)
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert browser.get(f"{app.origin}/page/cytoscape.min.js").status_code == 200
        assert browser.get(f"{app.origin}/page/me", headers=person).status_code == 401
        assert browser.get(f"{app.origin}/health").status_code == 200
    with (
        function_app(stocked, **asked, **KEY_MODE) as app,
        httpx2.Client(trust_env=False, timeout=60) as browser,
    ):
        for path in ("/", "/page/me", "/page/page.js"):
            refused = browser.get(app.origin + path, headers=person)
            assert (refused.status_code, refused.content) == (401, b""), "the host's own word"
