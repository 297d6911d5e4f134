"""The function app as a platform runs it: a worker behind the front, with its secret in Key Vault."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from azure.identity import ClientSecretCredential
from mcp.client.auth import OAuthTokenError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic import SecretStr

from core.identity.api_keys import NewKey, new_key
from core.identity.key_ring import ApiKey, KeyRing, render_key_ring
from local.console import Console
from local.emulators.azure.emulate import AzurePlatform, Subscription, platform
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings
from tests.azure_function.apps import App, call, function_app
from tests.azure_function.conftest import SECRET
from tests.support.waiting import eventually

pytestmark = pytest.mark.processes

CANARY = "canary-azure-password-5b7e"
KEY_MODE = {"NEO4J_M2M_CALLER_AUTH": "function_key", "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": "foundry"}


@pytest.fixture(scope="module")
def azure(sample_database: EmbeddedNeo4j, console: Console) -> Iterator[AzurePlatform]:
    database = sample_database
    settings = LocalSettings(neo4j_uri=database.uri, neo4j_username=database.username, neo4j_password=database.password)
    with platform(settings, console) as running:
        yield running


@pytest.fixture(scope="module")
def by_key(stocked: Subscription) -> Iterator[App]:
    with function_app(stocked, NEO4J_M2M_SECRET=SECRET, **KEY_MODE) as app:
        yield app


def proofs(line: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    form = {
        "grant_type": "client_credentials",
        "client_id": line["client_id"],
        "client_secret": line["client_secret"],
        "scope": f"{line['audience']}/.default",
    }
    with httpx2.Client(trust_env=False) as client:
        token = client.post(line["token_url"], data=form).json()["access_token"]
    return [
        (line["url"], {"authorization": f"Bearer {token}"}),
        (line["url"], {"x-api-key": line["api_key"]}),
        (line["url_function_key"], {"x-functions-key": line["function_key"]}),
    ]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("proof", [0, 1, 2], ids=["token", "api key", "function key"])
async def test_an_sdk_client_reads_the_graph_in_either_era_by_any_proof(
    azure: AzurePlatform, mode: str, proof: int
) -> None:
    url, headers = proofs(azure.line)[proof]
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,  # type: ignore[arg-type]
    ):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert "read-cypher" in tools
        assert "write-cypher" not in tools
        result = await client.call_tool("read-cypher", {"query": "MATCH (a:Airport) RETURN count(a) AS n"})
    assert result.structured_content is not None
    assert result.structured_content["rows"][0][0] > 1000


class Memory:
    """Where the SDK's provider keeps its tokens."""

    def __init__(self) -> None:
        self._tokens: Any = None
        self._client: Any = None

    async def get_tokens(self) -> Any:
        return self._tokens

    async def set_tokens(self, tokens: Any) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> Any:
        return self._client

    async def set_client_info(self, client_info: Any) -> None:
        self._client = client_info


@pytest.mark.filterwarnings("ignore:Omitting `issuer`")
@pytest.mark.parametrize("pinned", [False, True], ids=["any issuer", "the tenant's issuer"])
async def test_an_unmodified_client_logs_in_by_itself_with_nothing_but_its_id_and_secret(
    azure: AzurePlatform, pinned: bool
) -> None:
    """The SDK finds the tenant and the scope by discovery, and sends the endpoint as the resource; in Entra that has to
    be the scope's resource (AADSTS9010010), so the endpoint is an Application ID URI of the API.
    """
    line = azure.line
    auth = ClientCredentialsOAuthProvider(
        line["url"],
        Memory(),
        line["client_id"],
        line["client_secret"],
        issuer=azure.subscription.tokens.issuer.issuers[0] if pinned else None,
    )
    async with (
        httpx2.AsyncClient(auth=auth, trust_env=False, timeout=60) as http,
        Client(streamable_http_client(line["url"], http_client=http)) as client,
    ):
        result = await client.call_tool("read-cypher", {"query": "RETURN 1 AS one"})
    assert result.structured_content is not None
    assert result.structured_content["rows"] == [[1]]


@pytest.mark.filterwarnings("ignore:Omitting `issuer`")
async def test_a_client_that_logs_in_by_itself_is_refused_if_no_rule_admits_it_or_its_secret_is_wrong(
    azure: AzurePlatform,
) -> None:
    line, intruder = azure.line, azure.line["intruder"]
    auth = ClientCredentialsOAuthProvider(line["url"], Memory(), intruder["client_id"], intruder["client_secret"])
    async with httpx2.AsyncClient(auth=auth, trust_env=False, timeout=60) as http:
        assert (await http.post(line["url"], json=call())).status_code == 403
    auth = ClientCredentialsOAuthProvider(line["url"], Memory(), line["client_id"], "canary-wrong-secret-51b0")
    async with httpx2.AsyncClient(auth=auth, trust_env=False, timeout=60) as http:
        with pytest.raises(OAuthTokenError):
            await http.post(line["url"], json=call())


def test_azure_identity_gets_its_token_of_the_tenant_over_tls(azure: AzurePlatform) -> None:
    line = azure.line

    with ClientSecretCredential(
        line["tenant"],
        line["client_id"],
        line["client_secret"],
        authority=line["authority_url"],
        disable_instance_discovery=True,
        retry_total=0,
        connection_verify=line["authority_ca"],
    ) as credential:
        token = credential.get_token(f"{line['audience']}/.default").token
    with httpx2.Client(trust_env=False, timeout=60) as client:
        answer = client.post(line["url"], json=call(), headers={"authorization": f"Bearer {token}"})
    assert answer.json()["result"]["structuredContent"]["rows"] == [[1]]


def test_the_identities_that_are_printed_read_and_do_not_write(azure: AzurePlatform) -> None:
    with httpx2.Client(trust_env=False, timeout=60) as client:
        for url, headers in proofs(azure.line):
            answer = client.post(url, json=call("write-cypher", query="CREATE (:Never)"), headers=headers)
            assert answer.json()["result"]["isError"] is True


def test_wrong_or_missing_proof_is_refused_and_never_led_elsewhere(azure: AzurePlatform) -> None:
    (url, token), (_, api_key), (key_url, key) = proofs(azure.line)
    intruder = proofs({**azure.line, **azure.line["intruder"]})[0][1]
    with httpx2.Client(trust_env=False, timeout=60) as client:
        for where, headers in [
            (url, {}),
            (url, {"authorization": "Bearer x.y.z"}),
            (url, {"authorization": f"Basic {token['authorization'].partition(' ')[2]}"}),
            (url, intruder),
            (url, key),
            (url, {"x-api-key": api_key["x-api-key"][:-1] + "x"}),
            (url, {**token, **api_key}),
            (key_url, {}),
            (key_url, token),
            (key_url, api_key),
            (key_url, {"x-functions-key": "wrong"}),
        ]:
            response = client.post(where, json=call(), headers=headers)
            assert response.status_code in (401, 403), (where, response.text)


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
