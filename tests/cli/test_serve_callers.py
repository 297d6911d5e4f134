"""Who may call `serve` and with which rights: the policy, API keys, issuers, stored credentials."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx2
import pytest
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from local.emulators.issuer import Client as OAuthClient
from local.emulators.issuer import Issuer, Resource, running_issuer
from local.neo4j import EmbeddedNeo4j
from tests.cli.questions import QUESTION, ask
from tests.core.identity.test_bearer import Memory
from tests.support.processes import finished, running

pytestmark = pytest.mark.processes

WRITERS = """
[[rule]]
name = "this machine writes"
kind = "local"
access = "write"
max_rows = 2
"""


async def test_a_policy_says_what_this_machines_own_user_may_do(environ: dict[str, str]) -> None:
    with running("serve", "--port", "0", environ={**environ, "NEO4J_M2M_POLICY": WRITERS}) as command:
        async with Client(command.ready["url"]) as client:
            listed = await client.list_tools()
            assert "write-cypher" in [tool.name for tool in listed.tools]
            result = await client.call_tool("read-cypher", {"query": "MATCH (a:Airport) RETURN a.faa AS faa"})
            assert result.structured_content["row_count"] == 2


@pytest.mark.parametrize("arguments", [["serve", "--port", "0"], ["serve", "--stdio"]])
def test_a_policy_that_is_wrong_or_lets_nobody_in_stops_it_at_start(
    environ: dict[str, str], tmp_path: Path, arguments: list[str]
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[[rule]]\nname = "a"\ntools = ["read-cyper"]\n')
    result = finished(*arguments, environ={**environ, "NEO4J_M2M_POLICY": str(file)})
    assert result.returncode == 1
    assert f"{file}, line 3" in result.stderr
    result = finished(*arguments, environ={**environ, "NEO4J_M2M_POLICY": '[[rule]]\nname = "a"\nplatform = "aws"'})
    assert result.returncode == 1
    assert 'kind = "local"' in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_another_address_is_not_bound_as_long_as_callers_prove_nothing(environ: dict[str, str], host: str) -> None:
    result = finished("serve", "--host", host, environ=environ)
    assert result.returncode == 1
    assert "NEO4J_M2M_ISSUERS" in result.stderr
    assert "NEO4J_M2M_KEYS_FILE" in result.stderr


async def test_with_api_keys_all_callers_prove_who_they_are_and_the_policy_decides(
    environ: dict[str, str], tmp_path: Path
) -> None:
    ring = tmp_path / "keys.json"
    keys = {
        name: finished("keys", "create", "--name", name, "--file", str(ring), environ=environ).stdout.strip()
        for name in ("reader", "stranger")
    }
    policy = '[[rule]]\nname = "reader"\nkind = "api_key"\nrole = "reads"'
    reader = finished("keys", "create", "--name", "r", "--role", "reads", "--file", str(ring), environ=environ)
    keys["reader"] = reader.stdout.strip()
    settings = {**environ, "NEO4J_M2M_KEYS_FILE": str(ring), "NEO4J_M2M_POLICY": policy}
    with running("serve", "--port", "0", environ=settings) as command, httpx2.Client() as client:
        url = command.ready["url"]
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read-cypher"}}
        message["params"]["arguments"] = QUESTION  # type: ignore[index]
        for headers in ({"x-api-key": keys["reader"]}, {"authorization": f"Bearer {keys['reader']}"}):
            answer = client.post(url, json=message, headers=headers)
            assert answer.json()["result"]["isError"] is False
        for method in ("GET", "POST", "DELETE"):
            assert client.request(method, url).status_code == 401
            assert client.request(method, url, headers={"x-api-key": keys["reader"][:-1]}).status_code == 401
        assert client.post(url, json=message, headers={"x-api-key": keys["stranger"]}).status_code == 403
        assert client.get(url.replace("/mcp", "/health")).status_code == 200
        command.stop()
        for line in command.said:
            assert not any(key in line for key in keys.values())


async def test_a_rule_names_the_stored_credential_that_its_callers_statements_run_with(
    environ: dict[str, str], scratch_database: EmbeddedNeo4j, tmp_path: Path
) -> None:
    stored = tmp_path / "credentials"
    stored.mkdir()
    other = stored / "other.txt"
    password = scratch_database.password.get_secret_value()
    other.write_text(f"NEO4J_URI={scratch_database.uri}\nNEO4J_USERNAME=neo4j\nNEO4J_PASSWORD={password}\n")
    other.chmod(0o600)
    settings = {**environ, "NEO4J_M2M_CREDENTIALS_DIR": str(stored)}
    policy = '[[rule]]\nname = "other"\nkind = "local"\ncredential = "{}"'
    question = {"query": "MATCH (a:Airport) RETURN count(a) AS n"}
    with running("serve", "--port", "0", environ={**settings, "NEO4J_M2M_POLICY": policy.format("other")}) as command:
        async with Client(command.ready["url"]) as client:
            result = await client.call_tool("read-cypher", question)
            assert result.structured_content["rows"] == [[0]]
    missing = finished("serve", environ={**settings, "NEO4J_M2M_POLICY": policy.format("nobody")})
    assert missing.returncode == 1
    assert "names the credential 'nobody'" in missing.stderr
    assert "There are: other." in missing.stderr
    other.chmod(0o644)
    exposed = finished("serve", environ=settings)
    assert exposed.returncode == 1
    assert "chmod 600" in exposed.stderr
    assert password not in exposed.stderr + missing.stderr


async def test_an_agent_with_client_credentials_finds_the_issuer_and_reads_the_graph(environ: dict[str, str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/mcp"
    clients = [OAuthClient(name, f"{name}-secret", scopes=frozenset({"graph:read"})) for name in ("agent", "intruder")]
    with running_issuer(Issuer("oidc", clients, [Resource(url)])) as issuer:
        issuers = f'[[issuer]]\nname = "ours"\nplatform = "oidc"\nissuer = "{issuer.issuer.issuers[0]}"\n'
        issuers += f'audience = "{url}"\nroles = ["graph:read"]\n'
        policy = '[[rule]]\nname = "the agent"\nplatform = "oidc"\nid = "agent"'
        settings = {**environ, "NEO4J_M2M_ISSUERS": issuers, "NEO4J_M2M_POLICY": policy}
        with running("serve", "--port", str(port), environ=settings) as command:
            for name, admitted in (("agent", True), ("intruder", False)):
                auth = ClientCredentialsOAuthProvider(
                    url, Memory(), name, f"{name}-secret", issuer=issuer.issuer.issuers[0]
                )
                async with httpx2.AsyncClient(auth=auth) as http:
                    if admitted:
                        async with Client(streamable_http_client(url, http_client=http)) as client:
                            assert await ask(client) == [["La Guardia"]]
                    else:
                        message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
                        assert (await http.post(url, json=message)).status_code == 403
            async with httpx2.AsyncClient() as http:
                assert (await http.get(url)).status_code == 401
                metadata = await http.get(url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp"))
                assert metadata.json()["resource"] == url
            command.stop()
            assert not any("-secret" in line for line in command.said)
