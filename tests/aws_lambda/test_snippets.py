"""The page's snippets for AgentCore run as they stand, with boto3's own client, which checks every parameter.

Only the sending is replaced: what would leave for AWS is kept, and answered.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ParamValidationError

from aws_lambda.gateway_schema import tool_definitions
from aws_lambda.settings import AwsSettings

PAGE = Path(__file__).parent.parent.parent / "docs" / "aws.md"
SNIPPETS = [
    snippet
    for snippet in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    if "bedrock-agentcore-control" in snippet
]
PROVIDER = "arn:aws:acps:eu-central-1:123456789012:token-vault/default/credentialprovider/neo4j"


class Sent:
    """Keeps each request of the clients that it makes, and answers it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._client = boto3.client

    def client(self, name: str, **options: Any) -> Any:
        told = {"region_name": "eu-central-1", "aws_access_key_id": "k", "aws_secret_access_key": "s", **options}
        client = self._client(name, **told)
        client.meta.events.register("before-send.*", self._answer)
        return client

    def _answer(self, request: AWSRequest, **_: Any) -> AWSResponse:
        self.requests.append((urlsplit(request.url).path, json.loads(request.body)))
        raw = type("Raw", (), {"stream": lambda self: iter([json.dumps({"credentialProviderArn": PROVIDER}).encode()])})
        return AWSResponse(request.url, 200, {"content-type": "application/json"}, raw())


def run(snippet: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    """What ``snippet`` sends."""
    sent = Sent()
    monkeypatch.setattr(boto3, "client", sent.client)
    monkeypatch.chdir(tmp_path)
    Path("tools.json").write_text(json.dumps(tool_definitions()))
    target = {"name": "neo4j", "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": "https://h/mcp"}}}}
    snippet = snippet.replace('open("tools.json")', "__import__('io').StringIO(open_tools())")
    names = {"gateway_target": json.dumps(target), "open_tools": Path("tools.json").read_text}
    exec(compile(snippet, "docs/aws.md", "exec"), names)
    return sent.requests


def test_there_are_snippets_for_each_way_that_a_gateway_proves_itself() -> None:
    kinds = set(re.findall(r'"credentialProviderType": "(\w+)"', "".join(SNIPPETS)))
    assert kinds == {"GATEWAY_IAM_ROLE", "OAUTH", "API_KEY"}
    assert set(re.findall(r'"grantType": "(\w+)",\n +"scopes"', "".join(SNIPPETS))) == {
        "CLIENT_CREDENTIALS",
        "TOKEN_EXCHANGE",
    }


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_a_snippet_sends_what_the_api_takes(snippet: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sent = run(snippet, monkeypatch, tmp_path)
    path, body = sent[-1]
    if "create_agent_runtime" in snippet:
        assert path == "/runtimes/"
        AwsSettings.from_environ(body["environmentVariables"])
        return
    assert path.startswith("/gateways/") and path.endswith("/targets/")  # noqa: PT018
    if len(sent) == 2:
        (configured,) = body["credentialProviderConfigurations"]
        ((_, provider),) = configured["credentialProvider"].items()
        assert provider["providerArn"] == PROVIDER


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_a_snippet_with_a_wrong_name_would_be_found(
    snippet: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = snippet.replace("gatewayIdentifier=", "gatewayName=").replace("agentRuntimeName=", "runtimeName=")
    with pytest.raises(ParamValidationError):
        run(wrong, monkeypatch, tmp_path)
