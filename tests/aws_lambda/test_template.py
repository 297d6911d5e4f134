"""What the templates deploy on AWS: who may call, what the functions may do, how they run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from aws_lambda.settings import AwsSettings
from tests.aws_lambda.cloudformation import (
    CALLER,
    EVERYTHING,
    IAM,
    JWT,
    KEY,
    KEYS,
    ROOT,
    SECRET,
    TEMPLATE,
    WITHOUT_RESOURCES,
    Decided,
    listed,
    parsed,
)


@pytest.mark.parametrize("name", ["template.yaml", "infra/aws/gateway.yaml"])
def test_the_linter_of_cloudformation_finds_nothing(name: str) -> None:
    matches = cfnlint.lint_file(ROOT / name, cfnlint.ManualArgs(regions=["eu-central-1", "us-east-1"]))
    assert [str(match) for match in matches] == []


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    broken = tmp_path / "template.yaml"
    broken.write_text((ROOT / "template.yaml").read_text().replace("Handler: aws_lambda", "Hanlder: aws_lambda", 1))
    assert cfnlint.lint_file(broken, cfnlint.ManualArgs(regions=["us-east-1"]))


@pytest.mark.parametrize("given", [IAM, JWT, EVERYTHING])
def test_nothing_is_allowed_on_everything_but_what_knows_no_resource(given: dict[str, Any]) -> None:
    statements = Decided(**given).statements()
    assert statements
    for statement in statements:
        assert statement["Effect"] == "Allow"
        actions, resources = set(listed(statement["Action"])), listed(statement["Resource"])
        assert not any("*" in action for action in actions)
        if any("*" in json.dumps(resource) for resource in resources):
            assert actions <= WITHOUT_RESOURCES


def test_the_function_reads_its_own_secrets_and_no_other() -> None:
    def readable(**given: Any) -> list[Any]:
        allowed = Decided(**given).statements()
        return [one["Resource"] for one in allowed if "secretsmanager:GetSecretValue" in listed(one["Action"])]

    assert readable(**IAM) == [SECRET]
    assert readable(**JWT) == [SECRET, KEYS]
    assert readable(**IAM, MoreSecretArns=[KEYS]) == [SECRET, [KEYS]]


def test_a_customers_key_is_used_for_secrets_only_and_only_where_there_is_one() -> None:
    assert not any("kms" in json.dumps(one) for one in Decided(**IAM).statements())
    (statement,) = (one for one in Decided(**EVERYTHING).statements() if one["Action"] == "kms:Decrypt")
    assert statement["Resource"] == KEY
    assert "kms:ViaService" in statement["Condition"]["StringEquals"]


def test_the_named_caller_gets_both_permissions_on_the_alias_and_only_through_the_url() -> None:
    template = Decided(**IAM)
    permissions = list(template.typed("AWS::Lambda::Permission").values())
    assert {one["Action"] for one in permissions} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert {one["Principal"] for one in permissions} == {CALLER}
    assert all(one["FunctionName"] == {"Ref": "FunctionAliaslive"} for one in permissions)
    by_action = {one["Action"]: one for one in permissions}
    assert by_action["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "AWS_IAM"
    assert by_action["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True


@pytest.mark.parametrize("given", [IAM, EVERYTHING])
def test_nobody_else_may_call_where_callers_sign(given: dict[str, Any]) -> None:
    template = Decided(**given)
    (url,) = template.typed("AWS::Lambda::Url").values()
    assert url["AuthType"] == "AWS_IAM"
    for permission in template.typed("AWS::Lambda::Permission").values():
        assert permission["Principal"] == CALLER
        through_url = permission.get("InvokedViaFunctionUrl") or permission.get("FunctionUrlAuthType") == "AWS_IAM"
        assert through_url or permission["FunctionName"] == {"Ref": "GatewayFunctionAliaslive"}


def test_an_open_url_is_for_tokens_only_and_the_function_verifies_them() -> None:
    template = Decided(**JWT)
    (url,) = template.typed("AWS::Lambda::Url").values()
    (function,) = template.typed("AWS::Lambda::Function").values()
    assert url["AuthType"] == "NONE"
    assert function["Environment"]["Variables"]["NEO4J_M2M_CALLER_AUTH"] == "jwt"
    permissions = list(template.typed("AWS::Lambda::Permission").values())
    assert {one["Action"] for one in permissions} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert all(one.get("InvokedViaFunctionUrl") or one.get("FunctionUrlAuthType") == "NONE" for one in permissions)


def test_the_url_is_that_of_the_published_version_which_starts_from_a_snapshot() -> None:
    template = Decided(**IAM)
    (url,) = template.typed("AWS::Lambda::Url").values()
    assert url["TargetFunctionArn"] == {"Ref": "FunctionAliaslive"}
    assert url["InvokeMode"] == "BUFFERED"
    (function,) = template.typed("AWS::Lambda::Function").values()
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert function["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["MemorySize"] >= 1024


def test_the_log_is_json_is_kept_for_a_time_and_stays_when_the_stack_goes() -> None:
    template = Decided(**IAM)
    (function,) = template.typed("AWS::Lambda::Function").values()
    assert function["LoggingConfig"]["LogGroup"] == {"Ref": "FunctionLog"}
    assert function["LoggingConfig"]["LogFormat"] == "JSON"
    assert template.resources["FunctionLog"]["DeletionPolicy"] == "Retain"
    assert template.resources["FunctionLog"]["Properties"]["RetentionInDays"] == 90


def test_the_secret_is_no_part_of_the_stack() -> None:
    assert Decided(**EVERYTHING).typed("AWS::SecretsManager::Secret") == {}
    assert "Password" not in json.dumps(TEMPLATE["Parameters"])


def test_a_function_in_a_vpc_may_make_its_interfaces_and_another_may_not() -> None:
    inside, outside = Decided(**EVERYTHING), Decided(**IAM)
    assert inside.resources["Function"]["Properties"]["VpcConfig"]["SubnetIds"] == ["subnet-1"]
    assert "VpcConfig" not in outside.resources["Function"]["Properties"]
    assert any("ec2:CreateNetworkInterface" in listed(one["Action"]) for one in inside.statements())
    assert not any("ec2:" in json.dumps(one) for one in outside.statements())


def test_every_variable_of_the_functions_is_a_setting_and_together_they_make_sense() -> None:
    for given in (IAM, JWT, EVERYTHING):
        for function in Decided(**given).typed("AWS::Lambda::Function").values():
            variables = {name: str(value) for name, value in function["Environment"]["Variables"].items()}
            settings = AwsSettings.from_environ(variables)
            assert settings.secret == SECRET
            assert settings.pool_size == 1
            assert settings.telemetry is (given is EVERYTHING)


@pytest.mark.parametrize("key", ["", "k" * 32])
def test_both_functions_sign_cursors_with_the_key_that_is_given(key: str) -> None:
    decided = Decided(**EVERYTHING, CursorKey=key)
    assert TEMPLATE["Parameters"]["CursorKey"]["NoEcho"] is True
    for name in ("Function", "GatewayFunction"):
        variables = decided.resources[name]["Properties"]["Environment"]["Variables"]
        said = AwsSettings.from_environ({name: str(value) for name, value in variables.items()}).cursor_key
        assert ("" if said is None else said.get_secret_value()) == key


def test_a_layer_for_telemetry_is_there_only_where_it_is_asked_for() -> None:
    for function in Decided(**EVERYTHING).typed("AWS::Lambda::Function").values():
        if "NEO4J_M2M_SECRET" in function["Environment"]["Variables"] and "Layers" in function:
            assert function["Layers"] == [EVERYTHING["TelemetryLayerArn"]]
            assert function["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/otel-instrument"
    (function,) = Decided(**IAM).typed("AWS::Lambda::Function").values()
    assert "Layers" not in function
    assert "AWS_LAMBDA_EXEC_WRAPPER" not in function["Environment"]["Variables"]


def test_the_gateways_function_has_one_principal_and_no_url() -> None:
    template = Decided(**EVERYTHING)
    gateway = template.resources["GatewayFunction"]["Properties"]
    assert gateway["Environment"]["Variables"]["NEO4J_M2M_GATEWAY_PRINCIPAL"] == CALLER
    assert len(template.typed("AWS::Lambda::Url")) == 1
    assert "GatewayFunction" not in Decided(**IAM).resources


@pytest.mark.parametrize("given", [IAM, JWT, EVERYTHING])
def test_a_new_account_can_deploy_as_nothing_is_reserved_unasked(given: dict[str, Any]) -> None:
    """AWS refuses any reservation that leaves less than 10 (or 100) unreserved, and a new account has 10."""
    functions = Decided(**given).typed("AWS::Lambda::Function")
    assert len(functions) == (2 if given is EVERYTHING else 1)
    for function in functions.values():
        assert "ReservedConcurrentExecutions" not in function


def test_a_larger_account_reserves_for_each_function_what_it_is_told_and_no_more() -> None:
    def reserved(**given: int) -> dict[str, Any]:
        functions = Decided(**EVERYTHING, **given).typed("AWS::Lambda::Function")
        return {name: one.get("ReservedConcurrentExecutions") for name, one in functions.items()}

    assert reserved(MaxConcurrency=20) == {"Function": 20, "GatewayFunction": None}
    assert reserved(GatewayMaxConcurrency=5) == {"Function": None, "GatewayFunction": 5}
    assert reserved(MaxConcurrency=20, GatewayMaxConcurrency=5) == {"Function": 20, "GatewayFunction": 5}


def test_the_output_for_a_gateway_is_what_its_api_takes() -> None:
    from botocore.session import get_session
    from botocore.validate import ParamValidator

    text = Decided(**IAM).outputs["GatewayTarget"]["Value"]["Fn::Sub"]
    text = text.replace("${FunctionUrl.FunctionUrl}", "https://id.lambda-url.eu-central-1.on.aws/")
    target = json.loads(text.replace("${AWS::Region}", "eu-central-1"))
    model = get_session().get_service_model("bedrock-agentcore-control")
    shape = model.operation_model("CreateGatewayTarget").input_shape
    report = ParamValidator().validate({"gatewayIdentifier": "gateway-1234567890", **target}, shape)
    assert report.generate_report() == ""
    assert target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"].endswith("/mcp")
    assert "GatewayTarget" not in Decided(**JWT).outputs


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        (IAM, True),
        ({**IAM, "CallerRoleArn": ""}, False),
        (JWT, True),
        ({**JWT, "KeysSecretArn": ""}, False),
        ({**JWT, "KeysSecretArn": "", "Issuers": "issuers.toml"}, True),
    ],
)
def test_a_stack_that_would_let_nobody_in_is_refused_before_it_is_made(given: dict[str, Any], fits: bool) -> None:
    template = Decided(**given)
    kept = []
    for rule in TEMPLATE["Rules"].values():
        if template.holds(rule["RuleCondition"]):
            kept += [template.holds(assertion["Assert"]) for assertion in rule["Assertions"]]
    assert all(kept) is fits


def test_a_gateway_may_call_through_the_url_only_and_signs_for_lambda() -> None:
    resources = parsed("infra/aws/gateway.yaml")["Resources"]
    statements = resources["MayCall"]["Properties"]["PolicyDocument"]["Statement"]
    by_action = {one["Action"]: one for one in statements}
    assert set(by_action) == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert by_action["lambda:InvokeFunction"]["Condition"]["Bool"] == {"lambda:InvokedViaFunctionUrl": "true"}
    assert all(one["Resource"] == {"Ref": "FunctionAlias"} for one in statements)
    (provider,) = resources["Target"]["Properties"]["CredentialProviderConfigurations"]
    assert provider["CredentialProviderType"] == "GATEWAY_IAM_ROLE"
    assert provider["CredentialProvider"]["IamCredentialProvider"]["Service"] == "lambda"
    assert resources["Target"]["Properties"]["TargetConfiguration"]["Mcp"]["McpServer"]["ListingMode"] == {
        "Ref": "ListingMode"
    }


def test_the_gateway_has_a_policy_for_agents_that_allows_to_invoke_it_and_nothing_else() -> None:
    template = parsed("infra/aws/gateway.yaml")
    (statement,) = template["Resources"]["MayInvokeGateway"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "bedrock-agentcore:InvokeGateway"
    assert statement["Resource"] == {"Fn::GetAtt": ["Gateway", "GatewayArn"]}
    assert template["Outputs"]["AgentPolicyArn"]["Value"] == {"Ref": "MayInvokeGateway"}
    assert template["Outputs"]["GatewayArn"]["Value"] == {"Fn::GetAtt": ["Gateway", "GatewayArn"]}
