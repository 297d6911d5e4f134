"""What ``connect`` prints is what the platform or client takes: held against their own schemas where an SDK has one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from databricks.sdk.service.catalog import ConnectionType

from cli.connect.clients import CLIENTS
from cli.connect.command import TARGETS, run_connect
from cli.connect.platforms import PLATFORMS_OF_AGENTS
from cli.parser import build_parser
from core.errors import LocalError

FUNCTION_URL = "https://abcdef.lambda-url.eu-central-1.on.aws/mcp"
URL = "https://graph.example.com/mcp"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_connect(build_parser().parse_args(["connect", *arguments])) == 0
    return capsys.readouterr().out


def ways(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[str]]:
    """The texts by their way of authentication."""
    found: dict[str, list[str]] = {}
    for part in f"\n{printed(capsys, *arguments)}".split("\n# ")[1:]:
        heading, _, text = part.partition("\n")
        found.setdefault(heading.partition(" — ")[0], []).append(text.strip())
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_prints_something_to_paste_with_the_url_in_it(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ways(capsys, target, "--url", URL)
    assert len(found) >= 2
    assert any("graph.example.com" in text for texts in found.values() for text in texts)


@pytest.mark.parametrize("target", ["claude", "vscode", "cursor"])
@pytest.mark.parametrize("url", [None, URL, FUNCTION_URL, "http://127.0.0.1:8000/mcp"])
def test_a_client_gets_json_with_absolute_paths(
    target: str, url: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEO4J_URI", "neo4j+s://abc.databases.neo4j.io")
    monkeypatch.setenv("NEO4J_PASSWORD", "canary-connect")
    top = "servers" if target == "vscode" else "mcpServers"
    found = ways(capsys, target, *([] if url is None else ["--url", url]))
    entries = [json.loads(text)[top]["neo4j"] for texts in found.values() for text in texts if text.startswith("{")]
    assert entries
    for entry in entries:
        if "command" in entry:
            assert entry["args"]
            assert entry["command"] in ("uvx", "npx") or Path(entry["command"]).is_absolute()
        else:
            assert entry["url"] == url
    if url is None:
        assert entries[0]["args"] == ["serve", "--stdio"]
        assert entries[0]["env"]["NEO4J_URI"] == "neo4j+s://abc.databases.neo4j.io"
    assert ("sigv4" in found) is (url == FUNCTION_URL)
    assert ("none" in found) is (url not in (None, FUNCTION_URL))


def test_a_function_url_is_signed_for_the_service_lambda(capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads(printed(capsys, "claude", "--url", FUNCTION_URL, "--auth", "sigv4"))
    arguments = value["mcpServers"]["neo4j"]["args"]
    assert arguments[0].startswith("mcp-proxy-for-aws")
    assert arguments[1:] == [FUNCTION_URL, "--service", "lambda", "--region", "eu-central-1"]


def test_vscode_asks_for_the_key_and_keeps_it_out_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads(printed(capsys, "vscode", "--url", URL, "--auth", "api-key"))
    assert value["servers"]["neo4j"]["headers"] == {"X-API-Key": "${input:neo4j-key}"}
    assert [(entry["id"], entry["password"]) for entry in value["inputs"]] == [("neo4j-key", True)]


def shell_json(command: str, option: str) -> Any:
    words = shlex.split(command)
    return json.loads(words[words.index(option) + 1])


def valid(operation: str, parameters: dict[str, Any]) -> None:
    """``parameters`` fit the request of AgentCore's own service model."""
    model = botocore.session.get_session().get_service_model("bedrock-agentcore-control")
    report = ParamValidator().validate(parameters, model.operation_model(operation).input_shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("method", ["sigv4", "client-credentials", "api-key"])
def test_agentcore_takes_the_target(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["agentcore", "--url", FUNCTION_URL, "--auth", method, "--gateway-id", "gateway-1234567890"]
    commands = printed(capsys, *arguments).strip().split("\n\n")
    assert all(
        command.startswith("aws bedrock-agentcore-control --region eu-central-1 create-") for command in commands
    )
    target = shell_json(commands[-1], "--cli-input-json")
    valid("CreateGatewayTarget", target)
    assert target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == FUNCTION_URL
    assert target["gatewayIdentifier"] == "gateway-1234567890"
    if method == "client-credentials":
        valid("CreateOauth2CredentialProvider", shell_json(commands[0], "--cli-input-json"))
    if method == "api-key":
        words = shlex.split(commands[0])
        valid("CreateApiKeyCredentialProvider", {"name": words[words.index("--name") + 1], "apiKey": "key"})


FOUNDRY = {
    "project identity": "ProjectManagedIdentity",
    "agent identity": "AgenticIdentityToken",
    "user token": "UserEntraToken",
    "user, by OAuth": "OAuth2",
    "api-key": "CustomKeys",
    "function key": "CustomKeys",
}


@pytest.mark.parametrize("method", FOUNDRY)
def test_foundry_takes_a_connection_for_every_proof(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["foundry", "--url", URL, "--audience", "api://neo4j", "--auth", method]
    body = shell_json(printed(capsys, *arguments), "--body")["properties"]
    assert (body["category"], body["target"], body["authType"]) == ("RemoteTool", URL, FOUNDRY[method])
    if method.endswith("identity"):
        assert body["audience"] == "api://neo4j"


def test_the_foundry_connections_are_those_of_the_template() -> None:
    template = (Path(__file__).parents[3] / "infra" / "foundry" / "connection.bicep").read_text()
    for kind in set(FOUNDRY.values()) - {"UserEntraToken"}:
        assert f"authType: '{kind}'" in template
    assert "connections@2025-04-01-preview" in template


def test_databricks_takes_the_connection(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["agent-bricks", "--url", URL, "--host", "https://adb-1.azuredatabricks.net", "--client-id", "abc"]
    sql, command = ways(capsys, *arguments)["client-credentials"]
    request = shell_json(command, "--json")
    assert ConnectionType(request["connection_type"]) is ConnectionType.HTTP
    options = request["options"]
    assert (options["host"], options["port"], options["base_path"]) == ("https://graph.example.com", "443", "/mcp")
    assert options["token_endpoint"] == "https://adb-1.azuredatabricks.net/oidc/v1/token"
    assert options["is_mcp_connection"] == "true"
    for name, value in options.items():
        assert f"{name} '{value}'" in sql or name == "client_secret"
    assert "client_secret secret('neo4j-agent', 'client-secret')" in sql


@pytest.mark.parametrize(
    "outputs",
    [
        [{"OutputKey": "McpUrl", "OutputValue": FUNCTION_URL}],
        {"mcpUrl": {"type": "String", "value": FUNCTION_URL}},
        {"url": FUNCTION_URL.removesuffix("/mcp")},
    ],
)
def test_the_outputs_of_a_deployment_fill_in_the_url(
    outputs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))
    text = printed(capsys, "cursor", "--outputs", str(tmp_path / "outputs.json"), "--auth", "api-key")
    assert json.loads(text)["mcpServers"]["neo4j"]["url"] == FUNCTION_URL


@pytest.mark.parametrize("url", ["https://h/mcp'; rm -rf ~ #", "ftp://h/mcp", "https://", "https://h/$(id)"])
@pytest.mark.parametrize("target", ["inspector", "agentcore"])
def test_a_url_that_a_shell_would_obey_is_refused(target: str, url: str) -> None:
    with pytest.raises(LocalError, match="is not a URL"):
        run_connect(build_parser().parse_args(["connect", target, "--url", url]))


def test_a_way_that_there_is_not_names_those_that_there_are() -> None:
    with pytest.raises(LocalError, match=r"There are: .*api-key"):
        run_connect(build_parser().parse_args(["connect", "cursor", "--url", URL, "--auth", "kerberos"]))


def test_platforms_and_clients_have_no_name_in_common() -> None:
    assert set(PLATFORMS_OF_AGENTS) & set(CLIENTS) == set()
    assert set(TARGETS) == set(PLATFORMS_OF_AGENTS) | set(CLIENTS)
