"""A template, as CloudFormation gets it: transformed by SAM, with its conditions decided for given parameters."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import boto3
from cfnlint.decode import decode
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

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
