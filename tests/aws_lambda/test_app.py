"""The function as a platform runs it: in processes of its own, behind its two URLs, with its secret in its store."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.credentials import Credentials
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic import SecretStr

from aws_lambda.signer import SigV4Auth
from local.console import Console
from local.emulators.aws.emulate import AwsPlatform, platform
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings
from tests.aws_lambda.deployed import Lambda, environ_of, event, message, secret_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.processes

CANARY = "canary-lambda-20ce"


@pytest.fixture(scope="module")
def settings(sample_database: EmbeddedNeo4j) -> LocalSettings:
    database = sample_database
    return LocalSettings(neo4j_uri=database.uri, neo4j_username=database.username, neo4j_password=database.password)


@pytest.fixture(scope="module")
def aws(settings: LocalSettings, console: Console) -> Iterator[AwsPlatform]:
    with platform(settings, console) as running:
        yield running


def signer(line: dict[str, Any], region: str) -> SigV4Auth:
    keys = (line["access_key_id"], line["secret_access_key"], line["session_token"])
    return SigV4Auth(region, Credentials(*keys))


def post(url: str, body: Any, **options: Any) -> httpx2.Response:
    with httpx2.Client(trust_env=False, timeout=40) as client:
        return client.post(url, json=body, **options)


def token(aws: AwsPlatform, of: dict[str, Any]) -> str:
    form = {"grant_type": "client_credentials", "client_id": of["client_id"], "client_secret": of["client_secret"]}
    with httpx2.Client(trust_env=False) as client:
        answer: dict[str, Any] = client.post(aws.line["token_url"], data=form).json()
    return str(answer["access_token"])


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_an_sdk_client_with_the_signer_reads_the_graph_in_either_era(aws: AwsPlatform, mode: str) -> None:
    line = aws.line
    async with (
        httpx2.AsyncClient(auth=signer(line, line["region"]), trust_env=False) as http,
        Client(streamable_http_client(line["url"], http_client=http), mode=mode) as client,  # type: ignore[arg-type]
    ):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert "read-cypher" in tools
        assert "write-cypher" not in tools
        result = await client.call_tool("read-cypher", {"query": "MATCH (a:Airport) RETURN count(a) AS n"})
    assert result.structured_content is not None
    assert result.structured_content["rows"][0][0] > 1000


async def test_a_bearer_token_opens_the_other_url(aws: AwsPlatform) -> None:
    response = post(aws.line["url_jwt"], message(), headers={"authorization": f"Bearer {token(aws, aws.line)}"})
    assert response.json()["result"]["structuredContent"]["rows"] == [[1]]


def test_wrong_or_missing_proof_is_refused_and_never_led_elsewhere(aws: AwsPlatform) -> None:
    line = aws.line
    intruder = line["intruder"]
    for response in (
        post(line["url"], message()),
        post(line["url"], message(), headers={"authorization": f"Bearer {token(aws, line)}"}),
        post(line["url"], message(), auth=signer(line, "us-east-1")),
        post(line["url"], message(), auth=signer(intruder, line["region"])),
        post(line["url_jwt"], message()),
        post(line["url_jwt"], message(), headers={"authorization": "Bearer x.y.z"}),
        post(line["url_jwt"], message(), headers={"authorization": f"Bearer {token(aws, intruder)}"}),
        post(line["url_jwt"], message(), auth=signer(line, line["region"])),
    ):
        assert response.status_code in (401, 403), response.text


def test_the_identities_that_are_printed_read_and_do_not_write(aws: AwsPlatform) -> None:
    body = message("write-cypher", query="CREATE (:Never)")
    for response in (
        post(aws.line["url"], body, auth=signer(aws.line, aws.line["region"])),
        post(aws.line["url_jwt"], body, headers={"authorization": f"Bearer {token(aws, aws.line)}"}),
    ):
        assert response.json()["result"]["isError"] is True


def test_one_environment_serves_hundreds_of_calls_though_it_is_frozen_between_them(aws: AwsPlatform) -> None:
    function = aws.functions[0]
    auth = signer(aws.line, aws.line["region"])
    before = function.started
    with httpx2.Client(trust_env=False, timeout=40) as client:
        for _ in range(300):
            response = client.post(aws.line["url"], json=message(), auth=auth)
            assert response.json()["result"]["structuredContent"]["rows"] == [[1]]
    assert function.started - before <= 1


def test_a_secret_that_is_missing_wrong_or_half_is_told_and_mended_while_the_function_lives(
    aws: AwsPlatform, sample_database: EmbeddedNeo4j
) -> None:
    with Lambda(environ_of(aws.secrets, "neo4j/mended"), timeout=8) as function:
        missing = function.call(message())
        assert "not_found" in missing["content"][0]["text"]
        aws.secrets.create("neo4j/mended", SecretStr(json.dumps({"uri": "bolt://db", "password": CANARY})))
        assert eventually(lambda: "malformed" in function.call(message())["content"][0]["text"])
        aws.secrets.write("neo4j/mended", secret_of(sample_database, password=CANARY))
        assert eventually(lambda: "refused this server's own login" in function.call(message())["content"][0]["text"])
        aws.secrets.write("neo4j/mended", secret_of(sample_database))
        assert function.call(message())["structuredContent"]["rows"] == [[1]]
        assert function.function.started == 1


def test_an_answer_leaves_before_lambda_ends_the_call(aws: AwsPlatform) -> None:
    with Lambda(environ_of(aws.secrets, "neo4j/agent"), timeout=8) as function:
        function.call(message())
        begun = time.monotonic()
        result = function.call(message(query="UNWIND range(1, 1000000000) AS i RETURN sum(i % 7)"))
        assert time.monotonic() - begun < 8
        assert "time was up" in result["content"][0]["text"]
        assert function.call(message())["structuredContent"]["rows"] == [[1]]
        assert function.function.started == 1


def test_a_database_that_is_away_is_an_answer(aws: AwsPlatform, sample_database: EmbeddedNeo4j) -> None:
    aws.secrets.create("neo4j/away", secret_of(sample_database, uri="bolt://127.0.0.1:9"))
    with Lambda(environ_of(aws.secrets, "neo4j/away")) as function:
        assert "cannot be reached" in function.call(message())["content"][0]["text"]


@pytest.mark.parametrize(
    "wrong",
    [{}, [], "text", None, {"version": "2.0"}, {"requestContext": {}}, {"requestContext": {"http": {}}, "query": "x"}],
)
def test_an_event_that_is_no_request_is_refused(aws: AwsPlatform, wrong: Any) -> None:
    with Lambda(environ_of(aws.secrets, "neo4j/agent")) as function:
        assert function.function.invoke(wrong)["statusCode"] == 403


def test_a_request_whose_caller_nobody_verified_is_refused(aws: AwsPlatform) -> None:
    with Lambda(environ_of(aws.secrets, "neo4j/agent")) as function:
        unproved = event(message(), iam=None)
        unproved["headers"]["authorizer"] = json.dumps({"iam": {}})
        assert function.function.invoke(unproved)["statusCode"] == 401


def test_a_gateways_lambda_target_is_one_principal_and_reads_no_authorizer(aws: AwsPlatform) -> None:
    policy = '[[rule]]\nname = "gateway"\nid = "my-gateway"\ntools = ["read-cypher"]\n'
    told = {"NEO4J_M2M_POLICY": policy, "NEO4J_M2M_GATEWAY_PRINCIPAL": "my-gateway"}
    environ = environ_of(aws.secrets, "neo4j/agent") | told
    with Lambda(environ, handler="aws_lambda.gateway.handler") as target:
        custom = {"bedrockAgentCoreToolName": "neo4j___read-cypher"}
        assert target.function.invoke({"query": "RETURN 1 AS one"}, custom)["rows"] == [[1]]
        forged = {"query": "RETURN 1", "requestContext": {"authorizer": {"iam": {}}}}
        assert target.function.invoke(forged, custom)["isError"] is True
        write = {"bedrockAgentCoreToolName": "neo4j___write-cypher"}
        assert "may not use" in target.function.invoke({"query": "CREATE (:X)"}, write)["message"]
        assert target.function.invoke({"query": "RETURN 1"}, None)["isError"] is True


def test_a_gateways_calls_are_limited_as_the_policy_says(aws: AwsPlatform) -> None:
    policy = '[[rule]]\nname = "gateway"\nid = "my-gateway"\ncalls_per_minute = 1\n'
    told = {"NEO4J_M2M_POLICY": policy, "NEO4J_M2M_GATEWAY_PRINCIPAL": "my-gateway"}
    environ = environ_of(aws.secrets, "neo4j/agent") | told
    with Lambda(environ, handler="aws_lambda.gateway.handler") as target:
        custom = {"bedrockAgentCoreToolName": "neo4j___read-cypher"}
        assert target.function.invoke({"query": "RETURN 1 AS one"}, custom)["rows"] == [[1]]
        refused = target.function.invoke({"query": "RETURN 1 AS one"}, custom)
        assert refused["isError"] is True
        assert "1 calls a minute" in refused["message"]


def test_a_surviving_statement_is_counted_as_a_metric_and_not_as_a_call(aws: AwsPlatform, tmp_path: Path) -> None:
    path = tmp_path / "log"
    program = (
        "from aws_lambda.app import metrics, write_down\n"
        "write_down({'audit': 'statement_survived', 'time': 'now', 'request_id': 'r', 'id': 'agent'})\n"
        "metrics.flush_metrics()\n"
    )
    with path.open("w") as log:
        subprocess.run(
            [sys.executable, "-c", program], stdout=log, check=True, timeout=60, env=environ_of(aws.secrets, "none")
        )
    written, counted = (json.loads(line) for line in path.read_text().splitlines())
    assert (written["audit"], written["id"]) == ("statement_survived", "agent")
    assert counted["SurvivingStatements"] == [1.0]
    assert "Calls" not in counted


def test_the_audit_and_the_metrics_are_written_down_whatever_the_level_of_the_log(
    aws: AwsPlatform, sample_database: EmbeddedNeo4j, tmp_path: Path
) -> None:
    aws.secrets.create("neo4j/logged", secret_of(sample_database, password=CANARY))
    path = tmp_path / "log"
    with (
        path.open("w") as log,
        Lambda(
            environ_of(aws.secrets, "neo4j/logged") | {"NEO4J_M2M_LOG_LEVEL": "ERROR"}, log=log, timeout=8
        ) as function,
    ):
        assert function.call(message())["isError"] is True
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert CANARY not in path.read_text()
    audit = next(line for line in lines if line.get("audit") == "call")
    assert (audit["outcome"], audit["cold_start"], audit["function_name"]) == ("unavailable", True, "neo4j-m2m")
    assert audit["function_request_id"]
    (counted,) = (line for line in lines if "_aws" in line)
    (dimensions,) = counted["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert set(dimensions) == {"service", "function_name"}
    assert (counted["Calls"], counted["Failures"], counted["function_name"]) == ([1.0], [1.0], "neo4j-m2m")
    assert {line["level"] for line in lines if line not in (audit, counted)} == {"ERROR"}


def test_what_the_core_logs_is_json_with_the_id_of_the_request(
    aws: AwsPlatform, sample_database: EmbeddedNeo4j, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    with path.open("w") as log, Lambda(environ_of(aws.secrets, "neo4j/none"), log=log, timeout=8) as function:
        assert function.call(message())["isError"] is True
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    audit = next(line for line in lines if line.get("audit") == "call")
    warning = next(line for line in lines if line.get("level") == "WARNING")
    assert "neo4j/none" in warning["message"]
    assert warning["function_request_id"] == audit["function_request_id"]
