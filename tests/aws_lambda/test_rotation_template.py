"""The template's part for rotation: off until asked for, with rights of its own and no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.credentials.rotation_settings import RotationSettings
from tests.aws_lambda.cloudformation import EVERYTHING, IAM, KEYS, SECRET, TEMPLATE, WITHOUT_RESOURCES, Decided, listed

ADMIN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:neo4j/administrator-AbCdEf"
ROTATED = {**IAM, "Rotation": "two_users", "AdminSecretArn": ADMIN}
EVERYTHING_ROTATED = {**EVERYTHING, **ROTATED, "MoreSecretArns": [KEYS]}


def statements(template: Decided, role: str) -> list[dict[str, Any]]:
    policies = template.resources[role]["Properties"]["Policies"]
    return [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]


def test_nothing_of_it_is_there_until_it_is_asked_for() -> None:
    asked, not_asked = Decided(**ROTATED).resources, Decided(**{**ROTATED, "Rotation": "off"}).resources
    more = set(asked) - set(not_asked)
    assert {
        "RotationFunction",
        "RotationRole",
        "RotationSchedules",
        "RotationFailed",
        "SecretsManagerMayRotate",
    } <= more
    assert all("otation" in name or name == "SecretsManagerMayRotate" for name in more)


@pytest.mark.parametrize("given", [ROTATED, EVERYTHING_ROTATED])
def test_only_the_rotations_role_reads_the_administrators_secret_and_writes_any(given: dict[str, Any]) -> None:
    template = Decided(**given)
    assert ADMIN not in json.dumps(statements(template, "FunctionRole"))
    assert "Put" not in json.dumps(
        [one["Action"] for one in statements(template, "FunctionRole") if "secret" in str(one)]
    )
    allowed = statements(template, "RotationRole")
    (admin,) = (one for one in allowed if ADMIN in json.dumps(one["Resource"]))
    assert (admin["Action"], admin["Resource"]) == ("secretsmanager:GetSecretValue", ADMIN)
    written = [one["Resource"] for one in allowed if "secretsmanager:PutSecretValue" in listed(one["Action"])]
    assert written == ([SECRET, [KEYS]] if given is EVERYTHING_ROTATED else [SECRET])
    for one in allowed:
        actions = set(listed(one["Action"]))
        assert not any("*" in action for action in actions)
        assert "*" not in json.dumps(one["Resource"]) or actions <= WITHOUT_RESOURCES


def test_secrets_manager_of_this_account_alone_may_call_and_there_is_no_url() -> None:
    template = Decided(**ROTATED)
    permission = template.resources["SecretsManagerMayRotate"]["Properties"]
    assert permission["Principal"] == "secretsmanager.amazonaws.com"
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert len(template.typed("AWS::Lambda::Url")) == 1
    schedule = template.resources["RotationSchedules"]
    assert schedule["DependsOn"] == "SecretsManagerMayRotate"
    assert schedule["Properties"]["SecretId"] == SECRET
    assert schedule["Properties"]["RotationLambdaARN"] == permission["FunctionName"]


@pytest.mark.parametrize("given", [ROTATED, EVERYTHING_ROTATED, {**IAM, "Rotation": "single_user"}])
def test_what_the_function_finds_in_its_environment_is_what_it_takes(given: dict[str, Any]) -> None:
    function = Decided(**given).resources["RotationFunction"]["Properties"]
    assert function["Handler"] == "aws_lambda.rotation.handler"
    assert function["Timeout"] > 100
    settings = RotationSettings.from_environ(
        {name: str(value) for name, value in function["Environment"]["Variables"].items()}
    )
    assert settings.admin_secret == given.get("AdminSecretArn")
    assert settings.rotation_mode == given["Rotation"]


def test_a_failed_step_sets_an_alarm_off() -> None:
    alarm = Decided(**{**ROTATED, "AlarmTopicArn": EVERYTHING["AlarmTopicArn"]}).resources["RotationFailed"][
        "Properties"
    ]
    assert alarm["MetricName"] == "Errors"
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "RotationFunction"}}]
    assert alarm["AlarmActions"] == [EVERYTHING["AlarmTopicArn"]]


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        (ROTATED, True),
        ({**ROTATED, "AdminSecretArn": ""}, False),
        ({**ROTATED, "AdminSecretArn": SECRET}, False),
        ({**ROTATED, "MoreSecretArns": [KEYS, ADMIN]}, False),
        ({**IAM, "Rotation": "single_user"}, True),
    ],
)
def test_a_stack_whose_server_could_read_the_administrators_secret_is_refused(
    given: dict[str, Any], fits: bool
) -> None:
    template = Decided(**given)
    kept = [
        given["AdminSecretArn"] not in given.get("MoreSecretArns", [])
        if "Fn::Contains" in json.dumps(assertion["Assert"])
        else template.holds(assertion["Assert"])
        for name in ("SomebodyMayRotate", "AdministratorApart")
        if template.holds(TEMPLATE["Rules"][name]["RuleCondition"])
        for assertion in TEMPLATE["Rules"][name]["Assertions"]
    ]
    assert all(kept) is fits
    assert "Fn::Contains" in json.dumps(TEMPLATE["Rules"]["AdministratorApart"])
