from __future__ import annotations

from pathlib import Path

import pytest

from core.access.grant import Grant, read_only
from core.access.limits import CallLimits
from core.access.policy import parse_policy, read_policy
from core.errors import PolicyError
from core.identity.principal import Principal
from core.tools import ALL_TOOLS
from tests.support.grants import READING, WRITING, allowed

AGENT = Principal(
    platform="azure",
    kind="managed_identity",
    id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
    name="billing",
    tenant="contoso-eu",
    roles=frozenset({"Graph.Read", "Graph.Write"}),
)
LAMBDA = Principal(
    platform="aws", kind="iam_role", id="arn:aws:iam::123456789012:role/AgentRole", tenant="123456789012"
)

POLICY = """
# Who may do what.
[[rule]]
name = "billing writes"
id = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
role = ["Graph.Admin", "Graph.Write"]
access = "write"
database = "billing"

[[rule]]
name = "agents on AWS read a little"
platform = "aws"
kind = ["iam_role", "api_key"]
id = "arn:aws:iam::123456789012:role/Agent*"
tools = ["get-schema", "read-cypher"]
max_rows = 100
max_bytes = 2048
timeout = 10
concurrent = 2
calls_per_minute = 60
seconds_per_minute = 7.5

[[rule]]
name = "contoso reads"
tenant = "contoso-??"
"""


def test_the_first_rule_that_fits_decides() -> None:
    policy = parse_policy(POLICY, source="policy.toml", tools=ALL_TOOLS)
    grant = policy.grant_for(AGENT)
    assert grant is not None
    assert (grant.rule, grant.database, allowed(grant)) == ("billing writes", "billing", READING | WRITING)


def test_limits_and_tools_come_from_the_rule() -> None:
    grant = parse_policy(POLICY, source="policy.toml", tools=ALL_TOOLS).grant_for(LAMBDA)
    assert grant is not None
    assert allowed(grant) == {"get-schema", "read-cypher"}
    assert (grant.max_rows, grant.max_bytes, grant.timeout) == (100, 2048, 10)
    assert grant.limits == CallLimits(concurrent=2, calls_per_minute=60, seconds_per_minute=7.5)


def test_where_no_rule_fits_nothing_is_granted() -> None:
    stranger = Principal(platform="aws", kind="iam_role", id="arn:aws:iam::123456789012:role/Other")
    assert parse_policy(POLICY, source="policy.toml", tools=ALL_TOOLS).grant_for(stranger) is None
    assert parse_policy("", source="policy.toml", tools=ALL_TOOLS).grant_for(AGENT) is None


def test_every_condition_of_a_rule_must_be_met() -> None:
    policy = parse_policy(POLICY, source="policy.toml", tools=ALL_TOOLS)
    without_role = Principal(
        "azure", "managed_identity", AGENT.id, tenant="contoso-eu", roles=frozenset({"Graph.Read"})
    )
    grant = policy.grant_for(without_role)
    assert grant is not None
    assert grant.rule == "contoso reads"
    assert allowed(grant) == READING


@pytest.mark.parametrize(
    ("pattern", "id_", "fits"),
    [
        ("agent-*", "agent-7", True),
        ("agent-*", "Agent-7", False),
        ("agent-*", "my-agent-7", False),
        ("agent-?", "agent-77", False),
        ("agent", "agent\n", False),
        ("*", "", True),
        ("a.c", "abc", False),
        ("agent-*", "agent-7\nagent", True),
    ],
)
def test_a_pattern_fits_the_whole_of_a_value_and_in_its_letter_case(pattern: str, id_: str, fits: bool) -> None:
    policy = parse_policy(f'[[rule]]\nname = "r"\nid = "{pattern}"', source="p", tools=ALL_TOOLS)
    assert (policy.grant_for(Principal("azure", "service_principal", id_)) is not None) is fits


def test_the_explanation_says_why_each_rule_before_the_deciding_one_does_not_fit() -> None:
    decision = parse_policy(POLICY, source="policy.toml", tools=ALL_TOOLS).explain(LAMBDA)
    assert decision.grant is not None
    assert decision.reasons == [
        "rule 1 (billing writes) does not fit: it asks for id '7c9e6679-7425-40de-944b-e07fc1f90ae7'",
        "rule 2 (agents on AWS read a little) fits and decides",
    ]
    nobody = parse_policy(POLICY, source="policy.toml", tools=ALL_TOOLS).explain(Principal("local", "local", "local"))
    assert nobody.grant is None
    assert nobody.reasons[-1] == "no rule fits, so nothing is granted"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[[rule]]\nname = ", 2, "Invalid value"),
        ('[[rule]]\nname = "a"\ntools = ["read-cyper"]', 3, "no tool 'read-cyper'"),
        ('[[rule]]\nname = "a"\ntools = ["write-cypher"]', 3, 'access = "write"'),
        ('[[rule]]\nname = "a"\ntools = []', 3, "tools"),
        ('[[rule]]\nname = "a"\n\naccess = "admin"', 4, "access"),
        ('[[rule]]\nname = "a"\nkind = "managed-identity"', 3, "no kind 'managed-identity'"),
        ('[[rule]]\nname = "a"\nmax_rows = "many"', 3, "max_rows"),
        ('[[rule]]\nname = "a"\nmax_rows = 0', 3, "max_rows"),
        ('[[rule]]\nname = "a"\ntimeout = -1', 3, "timeout"),
        ('[[rule]]\nname = "a"\nconcurrent = 0', 3, "concurrent"),
        ('[[rule]]\nname = "a"\ncalls_per_minute = 0.5', 3, "calls_per_minute"),
        ('[[rule]]\nname = "a"\nseconds_per_minute = inf', 3, "seconds_per_minute"),
        ('[[rule]]\nname = "a"\nid = ""', 3, "id"),
        ('[[rule]]\nname = "a"\nid = []', 3, "id"),
        ('[[rule]]\nname = "a"\nfoo = 1', 3, "no such key"),
        ('[[rule]]\nid = "a"', 1, "has no name"),
        ('[[rule]]\nname = "a"\n[[rule]]\nid = "x"\nname = "a"', 5, "already"),
        ('[[rules]]\nname = "a"', 1, "'rules' means nothing"),
        ('default = "allow"', 1, "'default' means nothing"),
        ('[rule]\nname = "a"', 1, "[[rule]]"),
        ("rule = 3", 1, "[[rule]]"),
        ('rule = [{name = "a"}]', 1, "[[rule]]"),
        ('[[rule]]\nname = "a"\n[[rule]]\nname = "b"\nmax_rows = 1.5', 5, "max_rows"),
    ],
)
def test_a_policy_that_does_not_parse_names_file_line_and_reason(text: str, line: int, reason: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, source="policy.toml", tools=ALL_TOOLS)
    assert f"policy.toml, line {line}" in str(caught.value)
    assert reason in str(caught.value)


def test_a_thousand_rules_are_walked_once_for_each_principal() -> None:
    rules = "".join(f'[[rule]]\nname = "r{number}"\nid = "agent-{number}-*"\n' for number in range(1000))
    policy = parse_policy(rules, source="policy.toml", tools=ALL_TOOLS)
    principal = Principal("azure", "service_principal", "agent-999-x")
    first = policy.grant_for(principal)
    assert first is not None
    assert first.rule == "r999"
    assert policy.grant_for(principal) is first
    assert policy._remembered.cache_info().hits == 1  # type: ignore[attr-defined]


def test_a_setting_holds_a_policy_or_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY, encoding="utf-8")
    for setting in (str(file), POLICY, '[[rule]] # one line\nname = "all"'):
        assert read_policy(setting, source="NEO4J_M2M_POLICY", tools=ALL_TOOLS).grant_for(AGENT) is not None


def test_a_policy_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"NEO4J_M2M_POLICY names the policy file .*nowhere\.toml: No such file"):
        read_policy(str(tmp_path / "nowhere.toml"), source="NEO4J_M2M_POLICY", tools=ALL_TOOLS)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="UTF-8"):
        read_policy(str(tmp_path / "binary"), source="NEO4J_M2M_POLICY", tools=ALL_TOOLS)


def test_the_read_only_hint_of_a_tool_decides_who_may_use_it() -> None:
    everything = Grant("test", writes=True)
    assert allowed(read_only(AGENT)) == READING
    assert allowed(everything) == READING | WRITING == {tool.name for tool in ALL_TOOLS} - {"doctor"}


@pytest.mark.parametrize("writes", [False, True])
def test_the_tool_doctor_is_allowed_to_those_alone_whose_rule_names_it(writes: bool) -> None:
    assert "doctor" not in allowed(Grant("test", writes=writes))
    assert allowed(Grant("test", writes=writes, tools=frozenset({"doctor"}))) == {"doctor"}
