"""Sizes: an answer that fits arrives whole, one that does not arrives as a sentence, and none as a 502."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from awslambdaric.lambda_runtime_marshaller import to_json
from hypothesis import given
from hypothesis import strategies as st

from aws_lambda.payload import LARGEST_ANSWER, LARGEST_PAYLOAD, can_send, payload_size
from core.http import Response
from local.emulators.aws.function_url import FunctionUrl
from local.emulators.aws.secrets_manager import RunningSecretsManager
from local.emulators.loopback_server import served
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda.deployed import ARN, IAM, Lambda, environ_of, message, secret_of

pytestmark = pytest.mark.processes

QUOTES = "UNWIND range(1, $rows) AS i RETURN $quotes AS text"


@given(st.text())
def test_the_size_is_that_of_lambdas_own_runtime_client(body: str) -> None:
    answer = {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
        encoded = to_json(answer).encode("utf-8", "surrogatepass")
    assert payload_size(answer) == len(encoded)


@pytest.mark.parametrize("fill", [b"x", b'"', b"\\", "é".encode(), "😀".encode()])
def test_what_can_be_sent_is_decided_by_the_payload_and_not_by_the_body(fill: bytes) -> None:
    one = payload_size(fill.decode()) - 2
    fits = (LARGEST_PAYLOAD - 4_000) // one
    assert can_send(Response(200, {}, fill * fits))
    assert not can_send(Response(200, {}, fill * (fits + 4_001)))


@pytest.fixture(scope="module")
def environ(store: RunningSecretsManager, sample_database: EmbeddedNeo4j) -> dict[str, str]:
    store.create("neo4j/sizes", secret_of(sample_database))
    largest = {"NEO4J_M2M_MAX_BYTES": str(LARGEST_ANSWER), "NEO4J_M2M_STATEMENT_LIMIT": "300000"}
    return {**environ_of(store, "neo4j/sizes"), **largest}


class Signed:
    """A function behind a front that has verified who calls."""

    def __init__(self, function: Lambda) -> None:
        self._function = function.function
        self.concurrency = self._function.concurrency

    def invoke(self, event: dict[str, Any]) -> Any:
        event["requestContext"]["authorizer"] = {"iam": IAM}
        return self._function.invoke(event)


@pytest.fixture(scope="module")
def url(environ: dict[str, str]) -> Iterator[str]:
    """A function URL, by real HTTP, with the limits as high as they may be."""
    with (
        Lambda(environ) as function,
        served(FunctionUrl(Signed(function), ARN), name="the function URL") as url,  # type: ignore[arg-type]
    ):
        yield url


def post(url: str, body: dict[str, Any]) -> httpx2.Response:
    version = "2026-07-28" if "_meta" in body["params"] else "2025-11-25"
    headers = {"mcp-protocol-version": version, "mcp-method": body["method"], "mcp-name": body["params"]["name"]}
    with httpx2.Client(trust_env=False, timeout=40) as client:
        return client.post(f"{url}/mcp", json=body, headers=headers)


def too_much() -> dict[str, Any]:
    """Names of columns stand in an answer besides its rows: the limit of rows does not count them."""
    query = f"UNWIND range(1, 900) AS i RETURN $quotes AS `{chr(34) * 60_000}`"
    return message(query=query, params={"quotes": chr(34) * 10_000})


@pytest.mark.parametrize("fill", ['"', "\\", "\n", "x", "é", "\x01", ""])
def test_as_many_rows_as_the_limit_allows_fit_whatever_they_hold(url: str, fill: str) -> None:
    wide = message(query=QUOTES, params={"rows": 900, "quotes": fill * 10_000})
    if not fill:
        wide = message(query="UNWIND range(1, 900) AS i RETURN [x IN range(1, 400) | ''] AS text")
    answer = post(url, wide)
    assert answer.status_code == 200, answer.text[:300]
    told = answer.json()["result"]["structuredContent"]
    assert told["truncated"] is True
    rows = json.dumps(told["rows"], ensure_ascii=False, separators=(",", ":")).encode()
    assert 0.95 * LARGEST_ANSWER < len(rows) <= LARGEST_ANSWER + 2


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_an_answer_that_lambda_would_not_send_becomes_a_sentence(url: str, version: str) -> None:
    body = too_much()
    if version == "2026-07-28":
        name = "io.modelcontextprotocol"
        body["params"]["_meta"] = {
            f"{name}/protocolVersion": version,
            f"{name}/clientInfo": {"name": "test", "version": "1"},
            f"{name}/clientCapabilities": {},
        }
    answer = post(url, body)
    assert answer.status_code == 200, answer.text[:300]
    told = answer.json()
    assert told["id"] == 1
    assert told["result"]["isError"] is True
    assert "larger than this platform can send" in told["result"]["content"][0]["text"]
    assert "structuredContent" not in told["result"]


def test_an_id_that_is_too_long_to_be_repeated_is_left_out(url: str) -> None:
    answer = post(url, {**too_much(), "id": chr(34) * 200_000})
    assert answer.status_code == 200, answer.text[:300]
    told = answer.json()
    assert told["id"] is None
    assert "larger than this platform can send" in told["error"]["message"]


def test_the_audit_says_that_an_answer_was_too_large(environ: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log, Lambda(environ, log=log) as function:
        assert function.call(too_much())["isError"] is True
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (call,) = (line for line in lines if line.get("audit") == "call")
    assert call["outcome"] == "too_large"
    assert call["bytes"] < 1_000


def test_a_lambda_target_answers_a_sentence_too(environ: dict[str, str]) -> None:
    custom = {"bedrockAgentCoreToolName": "neo4j___read-cypher"}
    told = {**environ, "NEO4J_M2M_GATEWAY_PRINCIPAL": "gateway"}
    with Lambda(told, handler="tests.aws_lambda.small_payload.handler") as target:
        assert target.function.invoke({"query": "RETURN 1 AS one"}, custom)["rows"] == [[1]]
        answer = target.function.invoke({"query": "UNWIND range(1, 900) AS i RETURN i"}, custom)
        assert answer["isError"] is True
        assert "larger than this platform can send" in answer["message"]
