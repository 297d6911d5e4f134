"""Events of a function URL as AWS documents them (tests/events/aws), given to the function as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.aws_lambda.deployed import Lambda
from tests.support.canaries import WATCH

pytestmark = pytest.mark.processes

EVENTS = Path(__file__).parents[1] / "events" / "aws"
ROLE = "arn:aws:iam::123456789012:role"


def called(name: str, log: Path, **environ: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer to an event, and the audit's line of it."""
    with log.open("w") as output, Lambda(environ, log=output) as function:
        answer = function.function.invoke(json.loads((EVENTS / f"{name}.json").read_text()))
    text = log.read_text()
    WATCH.look(text, f"the log of {name}")
    (line,) = (line for line in map(json.loads, text.splitlines()) if line.get("audit") == "call")
    return answer, line


@pytest.mark.parametrize(
    ("name", "kind", "principal"),
    [
        ("url-role", "iam_role", f"{ROLE}/AgentCoreGateway"),
        ("url-role-cloudfront", "iam_role", f"{ROLE}/Distribution"),
        ("url-user", "iam_user", "arn:aws:iam::123456789012:user/agents/reader"),
    ],
)
def test_whoever_the_url_has_verified_is_the_principal(name: str, kind: str, principal: str, tmp_path: Path) -> None:
    answer, line = called(name, tmp_path / "log")
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["result"]["tools"]
    assert (line["principal"]["kind"], line["principal"]["id"]) == (kind, principal)
    assert line["request_id"] == "6a2f8f0d-5b7e-4a63-9d15-0c4f7f0f1c11"


def test_whom_the_url_has_not_verified_is_nobody(tmp_path: Path) -> None:
    answer, line = called("url-anonymous", tmp_path / "log")
    assert (answer["statusCode"], line["outcome"]) == (401, "unauthenticated")
    assert "principal" not in line


def test_a_signature_is_no_proof_where_tokens_are_asked_for(tmp_path: Path) -> None:
    issuers = '[[issuer]]\nname = "x"\nplatform = "oidc"\nissuer = "https://issuer.example"\naudience = "a"\n'
    environ = {"NEO4J_M2M_CALLER_AUTH": "jwt", "NEO4J_M2M_ISSUERS": issuers}
    answer, line = called("url-role", tmp_path / "log", **environ)
    assert (answer["statusCode"], line["outcome"]) == (401, "unauthenticated")
    answer, line = called("url-anonymous", tmp_path / "log", **environ)
    assert (answer["statusCode"], line["outcome"]) == (401, "unauthenticated")
