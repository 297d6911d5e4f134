"""Clients of the function app through the front of the platform, each with its own proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from azure.identity import ClientSecretCredential
from mcp.client.auth import OAuthTokenError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from local.console import Console
from local.emulators.azure.emulate import AzurePlatform, platform
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings
from tests.azure_function.apps import call

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def azure(sample_database: EmbeddedNeo4j, console: Console) -> Iterator[AzurePlatform]:
    database = sample_database
    settings = LocalSettings(neo4j_uri=database.uri, neo4j_username=database.username, neo4j_password=database.password)
    with platform(settings, console) as running:
        yield running


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
    right = api_key["x-api-key"]
    mistyped = right[:-1] + ("y" if right.endswith("x") else "x")
    with httpx2.Client(trust_env=False, timeout=60) as client:
        for where, headers in [
            (url, {}),
            (url, {"authorization": "Bearer x.y.z"}),
            (url, {"authorization": f"Basic {token['authorization'].partition(' ')[2]}"}),
            (url, intruder),
            (url, key),
            (url, {"x-api-key": mistyped}),
            (url, {**token, **api_key}),
            (key_url, {}),
            (key_url, token),
            (key_url, api_key),
            (key_url, {"x-functions-key": "wrong"}),
        ]:
            response = client.post(where, json=call(), headers=headers)
            assert response.status_code in (401, 403), (where, response.text)
