from __future__ import annotations

import json
import re
import ssl
import time

import httpx2
import psutil
import pytest
from botocore.credentials import Credentials

from aws_lambda.signer import SigV4Auth
from local.emulators.platforms import PLATFORMS
from local.neo4j import EmbeddedNeo4j
from tests.support.processes import Command, environment, finished, running

pytestmark = pytest.mark.processes

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "read-cypher", "arguments": {"query": "RETURN 1 AS one"}},
}


@pytest.fixture(scope="module")
def environ(sample_database: EmbeddedNeo4j) -> dict[str, str]:
    return environment(NEO4J_M2M_DATA_DIR=str(sample_database.data_dir))


def ends_with(command: Command, children: list[psutil.Process]) -> None:
    """See that ``command`` ends in time when it is told to, and leaves none of ``children`` behind."""
    begun = time.monotonic()
    assert command.stop() == 0
    assert time.monotonic() - begun < 15
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def test_emulate_aws_prints_one_line_that_is_all_a_client_needs_and_takes_its_children_along(
    environ: dict[str, str],
) -> None:
    with running("emulate", "aws", "--port", "0", environ=environ) as command:
        line = command.ready
        assert line["platform"] == "aws"
        assert set(line) == {
            *("platform", "url", "url_jwt", "token_url", "client_id", "client_secret", "intruder", "audience"),
            *("region", "access_key_id", "secret_access_key", "session_token", "secrets_endpoint", "secret_id"),
        }
        keys = Credentials(line["access_key_id"], line["secret_access_key"], line["session_token"])
        with httpx2.Client(trust_env=False, timeout=30) as client:
            answer = client.post(line["url"], json=CALL, auth=SigV4Auth(line["region"], keys))
            assert answer.json()["result"]["structuredContent"]["rows"] == [[1]]
            assert client.post(line["url"], json=CALL).status_code == 403
        children = psutil.Process(command.process.pid).children(recursive=True)
        assert children
        ends_with(command, children)
    assert line["secret_access_key"] not in "".join(command.said)
    assert line["client_secret"] not in "".join(command.said)


def test_emulate_azure_prints_one_line_that_is_all_a_client_needs_and_takes_its_children_along(
    environ: dict[str, str],
) -> None:
    with running("emulate", "azure", "--port", "0", environ=environ) as command:
        line = command.ready
        assert line["platform"] == "azure"
        assert set(line) == {
            "authority_url",
            "authority_ca",
            "tenant",
            *("platform", "url", "url_function_key", "function_key", "token_url", "client_id", "client_secret"),
            *("intruder", "audience", "api_key", "vault_url", "secret_name"),
        }
        assert set(line["intruder"]) == {"client_id", "client_secret"}
        with httpx2.Client(trust_env=False, timeout=30) as client:

            def token(of: dict[str, str], resource: str) -> str:
                form = {
                    "grant_type": "client_credentials",
                    "client_id": of["client_id"],
                    "scope": f"{resource}/.default",
                }
                answer = client.post(line["token_url"], data={**form, "client_secret": of["client_secret"]})
                return str(answer.json()["access_token"])

            proofs = [
                (line["url"], {"authorization": f"Bearer {token(line, line['audience'])}"}),
                (line["url"], {"x-api-key": line["api_key"]}),
                (line["url_function_key"], {"x-functions-key": line["function_key"]}),
            ]
            for url, headers in proofs:
                answer = client.post(url, json=CALL, headers=headers)
                assert answer.json()["result"]["structuredContent"]["rows"] == [[1]]
                assert client.post(url, json=CALL).status_code == 401
            stranger = {"authorization": f"Bearer {token(line['intruder'], line['audience'])}"}
            assert client.post(line["url"], json=CALL, headers=stranger).status_code == 403
            for_the_vault = {"authorization": f"Bearer {token(line, 'https://vault.azure.net')}"}
            assert client.post(line["url"], json=CALL, headers=for_the_vault).status_code == 401
        authority = re.search(r"authority in (/\S+authority\.pem)", "".join(command.said))
        assert authority is not None
        trusting = httpx2.Client(trust_env=False, timeout=30, verify=ssl.create_default_context(cafile=authority[1]))
        with trusting as client:
            secret = f"{line['vault_url']}/secrets/{line['secret_name']}?api-version=7.6"
            assert client.get(secret).status_code == 401
            assert client.get(secret, headers=for_the_vault).status_code == 403
        children = psutil.Process(command.process.pid).children(recursive=True)
        assert len(children) >= 2
        ends_with(command, children)
    said = "".join(command.said)
    for name in ("client_secret", "api_key", "function_key"):
        assert line[name] not in said


def test_emulate_databricks_prints_one_line_that_is_all_a_client_needs_and_takes_its_children_along(
    environ: dict[str, str],
) -> None:
    with running("emulate", "databricks", "--port", "0", environ=environ) as command:
        line = command.ready
        assert line["platform"] == "databricks"
        assert set(line) == {
            *("platform", "url", "token_url", "client_id", "client_secret", "intruder", "host", "scope", "pat")
        }
        with httpx2.Client(trust_env=False, timeout=30) as client:
            for of, status in ((line, 200), (line["intruder"], 403)):
                form = {"grant_type": "client_credentials", "scope": line["scope"]}
                form |= {name: of[name] for name in ("client_id", "client_secret")}
                token = client.post(line["token_url"], data=form).json()["access_token"]
                answer = client.post(line["url"], json=CALL, headers={"authorization": f"Bearer {token}"})
                assert answer.status_code == status
            answer = client.post(line["url"], json=CALL, headers={"authorization": f"Bearer {line['pat']}"})
            assert answer.json()["result"]["structuredContent"]["rows"] == [[1]]
            assert client.post(line["url"], json=CALL).status_code == 401
        children = psutil.Process(command.process.pid).children(recursive=True)
        assert any("databricks_app.app" in child.cmdline() for child in children)
        ends_with(command, children)
    said = "".join(command.said)
    assert [value for value in (line["client_secret"], line["pat"], token) if value in said] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_invoke_prints_the_result_and_nothing_else(environ: dict[str, str], platform: str) -> None:
    arguments = ["query=MATCH (a:Airport {faa: $faa}) RETURN a.name AS name", 'params={"faa": "JFK"}', "max_rows=1"]
    ended = finished("invoke", platform, "read-cypher", *arguments, environ=environ)
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stderr.splitlines() if "Neo4j that runs on port" not in line] == []
    assert json.loads(ended.stdout)["rows"] == [["John F Kennedy Intl"]]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["read-cypher", "query=CREATE (:X)"], "this tool only reads"),
        (["write-cypher", "query=CREATE (:X)"], "may not use"),
        (["no-such-tool"], "Unknown tool: no-such-tool; there are get-schema, read-cypher"),
    ],
)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_invoke_says_why_a_call_failed(environ: dict[str, str], platform: str, arguments: list[str], said: str) -> None:
    ended = finished("invoke", platform, *arguments, environ=environ)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert said in ended.stderr


def test_invoke_wants_arguments_with_values_and_a_platform_that_there_is(environ: dict[str, str]) -> None:
    wrong = finished("invoke", "aws", "read-cypher", "query", environ=environ)
    assert (wrong.returncode, "write key=value" in wrong.stderr) == (1, True)
    assert finished("invoke", "elsewhere", "read-cypher", environ=environ).returncode == 2
