"""The alarms and dashboards of the template."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.aws_lambda.cloudformation import (
    EVERYTHING,
    IAM,
    TEMPLATE,
    Decided,
)


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
