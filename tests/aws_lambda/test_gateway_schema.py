"""What is told to an AgentCore Gateway, held against AWS's own models of its API and of CloudFormation."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import jsonschema
import pytest
from botocore.exceptions import ParamValidationError
from botocore.model import ListShape, MapShape, StringShape, StructureShape
from botocore.stub import ANY, Stubber
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from aws_lambda.gateway_schema import cloudformation, reduced, tool_definitions
from core.tools import ALL_TOOLS
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda.deployed import Lambda

REGION = "eu-central-1"
GATEWAY = "neo4j-gateway-0123456789"
ROLE = "arn:aws:iam::123456789012:role/AgentCoreGateway"
FUNCTION = f"arn:aws:lambda:{REGION}:123456789012:function:neo4j-m2m:live"
URL = f"https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.{REGION}.on.aws/mcp"

GATEWAY_REQUEST: dict[str, Any] = {
    "name": "neo4j-gateway",
    "roleArn": ROLE,
    "protocolType": "MCP",
    "authorizerType": "AWS_IAM",
}
MCP_SERVER_REQUEST: dict[str, Any] = {
    "gatewayIdentifier": GATEWAY,
    "name": "neo4j",
    "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": URL}}},
    "credentialProviderConfigurations": [
        {
            "credentialProviderType": "GATEWAY_IAM_ROLE",
            "credentialProvider": {"iamCredentialProvider": {"service": "lambda", "region": REGION}},
        }
    ],
}


def lambda_request(definitions: list[dict[str, Any]]) -> dict[str, Any]:
    target = {"lambdaArn": FUNCTION, "toolSchema": {"inlinePayload": definitions}}
    return {
        "gatewayIdentifier": GATEWAY,
        "name": "neo4j",
        "targetConfiguration": {"mcp": {"lambda": target}},
        "credentialProviderConfigurations": [{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
    }


def client() -> Any:
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
    return boto3.Session().client("bedrock-agentcore-control", region_name=REGION, **keys)


def problems(shape: Any, value: Any, where: str = "") -> Iterator[str]:
    """What of ``value`` AWS would refuse, besides what the client itself does: values of enumerations, and forms."""
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if name in value:
                yield from problems(member, value[name], f"{where}.{name}")
    elif isinstance(shape, ListShape):
        for number, one in enumerate(value):
            yield from problems(shape.member, one, f"{where}[{number}]")
    elif isinstance(shape, MapShape):
        for name, one in value.items():
            yield from problems(shape.value, one, f"{where}.{name}")
    elif isinstance(shape, StringShape):
        pattern = shape.metadata.get("pattern")
        form = {"pattern": f"^(?:{pattern})$"} if pattern else {}
        schema = {**form, **({"enum": shape.enum} if shape.enum else {})}
        yield from (f"{where}: {error.message}" for error in jsonschema.Draft202012Validator(schema).iter_errors(value))


def accepted(operation: str, request: dict[str, Any]) -> list[str]:
    """Send ``request`` with AWS's own client as far as it goes without AWS; what AWS would refuse.

    Raises:
        ParamValidationError: The client itself refuses it.
    """
    control = client()
    model = control.meta.service_model.operation_model(operation)
    with Stubber(control) as stub:
        method = "create_gateway_target" if operation == "CreateGatewayTarget" else "create_gateway"
        stub.add_client_error(method, "Stopped", expected_params=dict.fromkeys(request, ANY))
        with pytest.raises(control.exceptions.ClientError, match="Stopped"):
            getattr(control, method)(**request)
    return list(problems(model.input_shape, request))


def test_every_tool_is_told_in_a_form_that_the_gateway_accepts() -> None:
    definitions = tool_definitions()
    assert [one["name"] for one in definitions] == [tool.name for tool in ALL_TOOLS]
    assert all(one["description"] and one["outputSchema"]["properties"] for one in definitions)
    assert accepted("CreateGatewayTarget", lambda_request(definitions)) == []


def test_the_schemas_as_the_server_has_them_would_be_refused() -> None:
    tool = ALL_TOOLS[0]
    definition = {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
    with pytest.raises(ParamValidationError, match="additionalProperties"):
        accepted("CreateGatewayTarget", lambda_request([definition]))
    unknown = {"name": "t", "description": "d", "inputSchema": {"type": "null"}}
    assert "null" in accepted("CreateGatewayTarget", lambda_request([unknown]))[0]


def test_a_gateway_and_its_target_for_the_function_url_are_accepted() -> None:
    assert accepted("CreateGateway", GATEWAY_REQUEST) == []
    assert accepted("CreateGatewayTarget", MCP_SERVER_REQUEST) == []
    plain = {**MCP_SERVER_REQUEST, "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": "http://h/mcp"}}}}
    assert "endpoint" in accepted("CreateGatewayTarget", plain)[0]
    unsaid = [{"credentialProviderType": "GATEWAY_IAM_ROLE", "credentialProvider": {"iamCredentialProvider": {}}}]
    with pytest.raises(ParamValidationError, match="service"):
        accepted("CreateGatewayTarget", {**MCP_SERVER_REQUEST, "credentialProviderConfigurations": unsaid})


def template(*targets: dict[str, Any]) -> dict[str, Any]:
    gateway = {"Type": "AWS::BedrockAgentCore::Gateway", "Properties": cloudformation(GATEWAY_REQUEST)}
    resources: dict[str, Any] = {"Gateway": gateway}
    for number, request in enumerate(targets):
        properties = cloudformation({**request, "gatewayIdentifier": {}})
        properties["GatewayIdentifier"] = {"Fn::GetAtt": ["Gateway", "GatewayIdentifier"]}
        resources[f"Target{number}"] = {"Type": "AWS::BedrockAgentCore::GatewayTarget", "Properties": properties}
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def linted(document: dict[str, Any]) -> list[str]:
    matches = lint(json.dumps(document), config=ManualArgs(regions=[REGION]))
    return [f"{match.rule.id} {match.message}" for match in matches]


def test_cloudformation_accepts_the_same_in_its_own_spelling() -> None:
    document = template(MCP_SERVER_REQUEST, lambda_request(tool_definitions()))
    told = document["Resources"]["Target1"]["Properties"]["TargetConfiguration"]["Mcp"]["Lambda"]["ToolSchema"]
    schema = next(one for one in told["InlinePayload"] if one["Name"] == "get-schema")["OutputSchema"]
    assert "properties" in schema["Properties"]["nodes"]["Items"]["Properties"], "a property of that name stays"
    assert linted(document) == []


def test_cloudformation_would_refuse_what_is_wrong() -> None:
    wrong = json.loads(json.dumps(template(MCP_SERVER_REQUEST, lambda_request(tool_definitions()[:1]))))
    properties = wrong["Resources"]["Target1"]["Properties"]
    properties["TargetConfiguration"]["Mcp"]["Lambda"]["ToolSchema"]["InlinePayload"][0]["InputSchema"]["Type"] = "null"
    provider = wrong["Resources"]["Target0"]["Properties"]["CredentialProviderConfigurations"][0]
    del provider["CredentialProvider"]["IamCredentialProvider"]["Service"]
    assert len(linted(wrong)) >= 2


@pytest.mark.parametrize("tool", ALL_TOOLS, ids=lambda tool: tool.name)
def test_what_is_told_is_never_narrower_than_what_holds(tool: Any) -> None:
    told = reduced(tool.input_schema)
    assert set(told["properties"]) == set(tool.input_schema["properties"])
    assert told.get("required", []) == tool.input_schema.get("required", [])
    for name, one in tool.input_schema["properties"].items():
        for value in one.get("enum", ()):
            assert value in told["properties"][name]["description"]


def test_what_may_be_null_is_not_told_as_if_it_were_not() -> None:
    nullable = {"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"const": True}}}
    told = reduced({**nullable, "required": ["a", "b"]})
    assert told == {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]}
    assert reduced({"type": "array", "items": {"enum": ["x", None]}}) == {"type": "array"}


@pytest.mark.parametrize(
    "schema",
    [{}, {"$ref": "#/x"}, {"type": ["string", "integer"]}, {"enum": ["a", 1]}, {"enum": [[]]}],
)
def test_what_cannot_be_told_is_an_error_not_a_guess(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="gateway"):
        reduced({"type": "object", "properties": {"nested": {"type": "array", "items": schema}}})


@pytest.mark.parametrize("spelling", [[], ["--cloudformation"]])
@pytest.mark.processes
def test_the_command_prints_the_array(spelling: list[str]) -> None:
    command = [sys.executable, "-m", "aws_lambda.gateway_schema", *spelling]
    whole = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    told = tool_definitions(tool for tool in ALL_TOOLS if not tool.by_name_only)
    assert whole == (cloudformation(told) if spelling else told)
    chosen = [*command, "--tool", "read-cypher", "--tool", "get-schema"]
    printed = json.loads(subprocess.run(chosen, capture_output=True, text=True, check=True).stdout)
    assert [one.get("name") or one["Name"] for one in printed] == ["get-schema", "read-cypher"]


ANSWERED = {
    "get-schema": {},
    "read-cypher": {"query": "MATCH (a:Airport) RETURN a, a.faa AS faa, null AS nothing LIMIT 2"},
    "write-cypher": {"query": "MATCH (a:NoSuchLabel) SET a.x = 1 RETURN a"},
    "explain-cypher": {"query": "MATCH (a:Airport) RETURN a"},
    "search-index": {"label": "Airport", "text": "kennedy"},
    "list-procedures": {},
    "doctor": {},
}


def test_what_the_gateway_is_answered_obeys_what_it_was_told(sample_database: EmbeddedNeo4j) -> None:
    told = {one["name"]: one["outputSchema"] for one in tool_definitions()}
    assert told.keys() == ANSWERED.keys()
    policy = f'[[rule]]\nname = "gateway"\nid = "my-gateway"\naccess = "write"\ntools = {json.dumps(list(ANSWERED))}\n'
    environ = {
        "NEO4J_URI": str(sample_database.uri),
        "NEO4J_PASSWORD": sample_database.password.get_secret_value(),
        "NEO4J_M2M_POLICY": policy,
        "NEO4J_M2M_GATEWAY_PRINCIPAL": "my-gateway",
    }
    failures = 0
    with Lambda(environ, handler="aws_lambda.gateway.handler") as target:
        for name, arguments in ANSWERED.items():
            custom = {"bedrockAgentCoreToolName": f"neo4j___{name}"}
            for asked in (arguments, {"no_such_argument": 1}):
                answer = target.function.invoke(asked, custom)
                jsonschema.Draft202012Validator(told[name]).validate(answer)
                assert answer.keys() <= told[name]["properties"].keys()
                failures += bool(answer.get("isError"))
    assert failures == len(ANSWERED), "each tool has answered once, and refused once"
