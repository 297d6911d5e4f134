"""A wrong setting: every call is refused with 503, the caller learns nothing, the operator which one it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.aws_lambda.deployed import Lambda, event, message

pytestmark = pytest.mark.processes

CANARY = "canary-setting-7d21"
WRONG = {
    "a value that does not parse": ({"NEO4J_M2M_MAX_ROWS": CANARY}, "NEO4J_M2M_MAX_ROWS"),
    "a value above Lambda's limit": ({"NEO4J_M2M_MAX_BYTES": "2000000"}, "NEO4J_M2M_MAX_BYTES"),
    "an unknown setting": ({"NEO4J_M2M_POLICI": "p.toml"}, "did you mean NEO4J_M2M_POLICY?"),
    "a policy that does not parse": ({"NEO4J_M2M_POLICY": "[[rule]]\nname = 3\n"}, "NEO4J_M2M_POLICY"),
    "a policy file that was not shipped": ({"NEO4J_M2M_POLICY": "policy-that-is-not-there.toml"}, "policy-that-is-not"),
    "tokens without an issuer": ({"NEO4J_M2M_CALLER_AUTH": "jwt"}, "NEO4J_M2M_ISSUERS"),
    "issuers that do not parse": (
        {"NEO4J_M2M_CALLER_AUTH": "jwt", "NEO4J_M2M_ISSUERS": "[[issuer]]\n"},
        "NEO4J_M2M_ISSUERS",
    ),
}


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize(("wrong", "named"), list(WRONG.values()), ids=list(WRONG))
def test_a_wrong_setting_is_503_on_every_call_and_named_in_the_log_alone(
    wrong: dict[str, str], named: str, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as log, Lambda({"NEO4J_M2M_SECRET": "s", **wrong}, log=log) as function:
        asked = [event(message()), event(message(), iam=None), event(message())]
        asked[2]["requestContext"]["http"]["method"], asked[2]["rawPath"] = "GET", "/health"
        answers = [function.function.invoke(one) for one in asked]
        assert function.function.started == 1
    for answer in answers:
        assert answer["statusCode"] == 503
        assert int(answer["headers"]["retry-after"]) > 0
        assert named not in answer["body"]
        assert "NEO4J" not in answer["body"]
    assert "not configured" in json.loads(answers[0]["body"])["error"]["message"], "an agent can read it"
    assert json.loads(answers[2]["body"]) == {"status": "misconfigured"}
    assert CANARY not in (tmp_path / "log").read_text()
    written = lines(tmp_path / "log")
    for request in asked:
        ids = request["requestContext"]["requestId"]
        assert any(named in line.get("message", "") and ids in line["message"] for line in written)
    assert [line["Failures"] for line in written if "_aws" in line] == [[1.0]] * 3


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({}, "NEO4J_M2M_GATEWAY_PRINCIPAL"), ({"NEO4J_M2M_MAX_ROWS": "many"}, "NEO4J_M2M_MAX_ROWS")],
)
def test_a_lambda_target_says_so_as_a_failed_call(wrong: dict[str, str], named: str, tmp_path: Path) -> None:
    environ = {"NEO4J_M2M_SECRET": "s", **wrong}
    with (tmp_path / "log").open("w") as log, Lambda(environ, handler="aws_lambda.gateway.handler", log=log) as target:
        custom = {"bedrockAgentCoreToolName": "neo4j___read-cypher"}
        answer = target.function.invoke({"query": "RETURN 1"}, custom)
    assert answer["isError"] is True
    assert "not configured" in answer["message"]
    assert any(named in line.get("message", "") for line in lines(tmp_path / "log"))


def test_an_event_that_is_no_request_is_refused_all_the_same() -> None:
    with Lambda({"NEO4J_M2M_SECRET": "s", "NEO4J_M2M_MAX_ROWS": "many"}) as function:
        assert function.function.invoke({})["statusCode"] == 403
