"""The template, as CloudFormation gets it: transformed by SAM, with its conditions decided for given parameters."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import boto3
import cfnlint
import pytest
from cfnlint.decode import decode
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from aws_lambda.settings import AwsSettings

ROOT = Path(__file__).parent.parent.parent
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:neo4j/agent-AbCdEf"
KEYS = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:neo4j/keys-AbCdEf"
CALLER = "arn:aws:iam::123456789012:role/agents/AgentCoreGateway"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

IAM = {"Neo4jSecretArn": SECRET, "CallerRoleArn": CALLER}
JWT = {"Neo4jSecretArn": SECRET, "CallerAuth": "jwt", "KeysSecretArn": KEYS}
EVERYTHING = {
    **IAM,
    "GatewayRoleArn": CALLER,
    "SecretKmsKeyArn": KEY,
    "SubnetIds": ["subnet-1"],
    "SecurityGroupIds": ["sg-1"],
    "TelemetryLayerArn": "arn:aws:lambda:eu-central-1:615299751070:layer:AWSOpenTelemetryDistroPython:1",
    "AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms",
}
WITHOUT_RESOURCES = {
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
}
"""What AWS's own policy for functions in a VPC, and its service authorization reference, allow on all resources."""


def parsed(name: str) -> dict[str, Any]:
    template, problems = decode(str(ROOT / name))
    assert problems == []
    assert template is not None
    plain: dict[str, Any] = json.loads(json.dumps(template))
    return plain


TEMPLATE = parsed("template.yaml")


class Decided:
    """The transformed template, with what its conditions leave for ``given``."""

    def __init__(self, **given: Any) -> None:
        self.values = {name: about.get("Default") for name, about in TEMPLATE["Parameters"].items()}
        self.values |= {"SubnetIds": [], "SecurityGroupIds": [], "MoreSecretArns": [], **given}
        uploaded = copy.deepcopy(TEMPLATE)
        uploaded["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"  # as `sam deploy` leaves it
        session = boto3.Session(region_name="eu-central-1")
        template = Translator({}, Parser(), boto_session=session).translate(uploaded, dict(self.values))
        self.conditions = template["Conditions"]
        self.resources = {
            name: self.of(resource)
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self.holds({"Condition": resource["Condition"]})
        }
        self.outputs = {
            name: self.of(output)
            for name, output in template["Outputs"].items()
            if "Condition" not in output or self.holds({"Condition": output["Condition"]})
        }

    def holds(self, condition: Any) -> bool:
        ((name, value),) = condition.items()
        match name:
            case "Condition":
                return self.holds(self.conditions[value])
            case "Fn::Not":
                return not self.holds(value[0])
            case "Fn::Or":
                return any(self.holds(one) for one in value)
            case "Fn::And":
                return all(self.holds(one) for one in value)
            case "Fn::Equals":
                left, right = (self.of(one) for one in value)
                return bool(left == right)
        raise AssertionError(name)

    def of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.of(one) for one in value if one != {"Ref": "AWS::NoValue"} and not self._nothing(one)]
        if not isinstance(value, dict):
            return value
        if "Fn::If" in value:
            condition, then, otherwise = value["Fn::If"]
            return self.of(then if self.holds({"Condition": condition}) else otherwise)
        if "Fn::Join" in value:
            between, parts = value["Fn::Join"]
            return between.join(self.of(parts))
        if set(value) == {"Ref"} and value["Ref"] in self.values:
            return self.values[value["Ref"]]
        return {name: self.of(one) for name, one in value.items() if not self._nothing(one)}

    def _nothing(self, value: Any) -> bool:
        return isinstance(value, dict) and "Fn::If" in value and self.of(value) == {"Ref": "AWS::NoValue"}

    def typed(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: one["Properties"] for name, one in self.resources.items() if one["Type"] == kind}

    def statements(self) -> list[dict[str, Any]]:
        (role,) = self.typed("AWS::IAM::Role").values()
        assert "ManagedPolicyArns" not in role
        return [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


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


def test_calls_at_once_that_need_more_connections_than_the_budget_raise_an_alarm() -> None:
    def alarm(**given: Any) -> tuple[str, list[Any]]:
        connections, *functions = Decided(**given).typed("AWS::CloudWatch::Alarm")["ManyConnections"]["Metrics"]
        assert {one["MetricStat"]["Metric"]["MetricName"] for one in functions} == {"ConcurrentExecutions"}
        expression = connections["Expression"]["Fn::Sub"]
        return expression, [one["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Ref"] for one in functions]

    assert alarm(**IAM) == ("FILL(url, 0) * ${PoolSize}", ["Function"])
    both = ("(FILL(url, 0) + FILL(target, 0)) * ${PoolSize}", ["Function", "GatewayFunction"])
    assert alarm(**EVERYTHING) == both
    threshold = Decided(**IAM, ConnectionBudget=40).typed("AWS::CloudWatch::Alarm")["ManyConnections"]["Threshold"]
    assert threshold == 40


def watched(template: Decided, function: str) -> dict[str, tuple[Any, ...]]:
    """What the alarms on ``function`` watch, by the metric's name."""
    found = {}
    for alarm in template.typed("AWS::CloudWatch::Alarm").values():
        values = [one["Value"] for one in alarm.get("Dimensions", ())]
        if {"Ref": function} in values:
            keys = ("Namespace", "Statistic", "Period", "EvaluationPeriods", "Threshold", "TreatMissingData")
            found[alarm["MetricName"]] = tuple(alarm[key] for key in keys)
    return found


def test_both_functions_are_watched_in_the_same_way() -> None:
    template = Decided(**EVERYTHING)
    assert set(watched(template, "Function")) == {"Errors", "Throttles", "Failures", "Refusals", "SurvivingStatements"}
    assert watched(template, "Function") == watched(template, "GatewayFunction")
    assert watched(Decided(**IAM), "GatewayFunction") == {}
    past = template.typed("AWS::CloudWatch::Alarm")["InvokedPastUrl"]
    assert "invocations" in past["Metrics"][0]["Expression"]


def test_alarms_tell_where_they_are_told_to_and_only_show_without() -> None:
    alarms = Decided(**EVERYTHING).typed("AWS::CloudWatch::Alarm")
    assert all(one["AlarmActions"] == [EVERYTHING["AlarmTopicArn"]] for one in alarms.values())
    assert all("AlarmActions" not in one for one in Decided(**IAM).typed("AWS::CloudWatch::Alarm").values())


TO_DO = ("Read ", "Raise ", "raise ", "Search ", "Ask ", "Look ", "Reserve ")


def test_every_alarm_says_what_to_do() -> None:
    for name, alarm in Decided(**EVERYTHING).typed("AWS::CloudWatch::Alarm").items():
        said = alarm["AlarmDescription"]
        text = said["Fn::Sub"] if isinstance(said, dict) else said
        assert any(word in text for word in TO_DO), name
        assert len(text) <= 1024, "CloudWatch takes no longer description"
        for word in re.findall(r"[A-Z][a-z]+[A-Z][A-Za-z]+", text):
            known = word in TEMPLATE["Parameters"] or word in ("InvokeFunction", "InvokedViaFunctionUrl", "CloudTrail")
            assert known, f"{name} names {word}, which is not a parameter"


@pytest.mark.parametrize(("name", "function"), [("Dashboard", "Function"), ("GatewayDashboard", "GatewayFunction")])
def test_each_function_has_a_dashboard_of_what_it_counts(name: str, function: str) -> None:
    text, values = Decided(**EVERYTHING).typed("AWS::CloudWatch::Dashboard")[name]["DashboardBody"]["Fn::Sub"]
    assert values == {"F": {"Ref": function}}
    widgets = json.loads(re.sub(r"\$\{[^}]+\}", "x", text))["widgets"]
    metrics = [metric for one in widgets if one["type"] == "metric" for metric in one["properties"]["metrics"]]
    own = {metric[1] for metric in metrics if metric[0] == "Neo4jM2M"}
    assert own == {"Calls", "Refusals", "Failures", "CredentialRefreshes", "SurvivingStatements"}
    assert all(metric[2:6] == ["service", "neo4j-m2m", "function_name", "x"] for metric in metrics if metric[1] in own)
    assert {metric[1] for metric in metrics} - own == {"Duration", "Errors", "Throttles", "ConcurrentExecutions"}
    assert set(Decided(**IAM).typed("AWS::CloudWatch::Dashboard")) == {"Dashboard"}


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
