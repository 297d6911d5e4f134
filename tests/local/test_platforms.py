from __future__ import annotations

import json
import time

import httpx2
import psutil
import pytest
from botocore.credentials import Credentials

from aws_lambda.signer import SigV4Auth
from local.embedded import EmbeddedNeo4j
from tests.local.processes import environment, finished, running

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "read-cypher", "arguments": {"query": "RETURN 1 AS one"}},
}


@pytest.fixture(scope="module")
def environ(sample_database: EmbeddedNeo4j) -> dict[str, str]:
    return environment(NEO4J_M2M_DATA_DIR=str(sample_database.data_dir))


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
        begun = time.monotonic()
        assert command.stop() == 0
        assert time.monotonic() - begun < 15
        _, alive = psutil.wait_procs(children, timeout=5)
        assert alive == []
    assert line["secret_access_key"] not in "".join(command.said)
    assert line["client_secret"] not in "".join(command.said)


def test_invoke_aws_prints_the_result_and_nothing_else(environ: dict[str, str]) -> None:
    arguments = ["query=MATCH (a:Airport {faa: $faa}) RETURN a.name AS name", 'params={"faa": "JFK"}', "max_rows=1"]
    ended = finished("invoke", "aws", "read-cypher", *arguments, environ=environ)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["rows"] == [["John F Kennedy Intl"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["read-cypher", "query=CREATE (:X)"], "read-cypher"),
        (["write-cypher", "query=CREATE (:X)"], "may not use"),
        (["no-such-tool"], "refused the call"),
    ],
)
def test_invoke_aws_says_why_a_call_failed(environ: dict[str, str], arguments: list[str], said: str) -> None:
    ended = finished("invoke", "aws", *arguments, environ=environ)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert said in ended.stderr


def test_invoke_wants_arguments_with_values_and_a_platform_that_there_is(environ: dict[str, str]) -> None:
    wrong = finished("invoke", "aws", "read-cypher", "query", environ=environ)
    assert (wrong.returncode, "write key=value" in wrong.stderr) == (1, True)
    assert finished("invoke", "elsewhere", "read-cypher", environ=environ).returncode == 2
