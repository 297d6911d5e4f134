from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from cli.main import build_parser
from core.access.policy import Policy, parse_policy
from core.identity.key_ring import NAME_PATTERN
from core.identity.principal import Principal
from core.tools import ALL_TOOLS
from tests.support.grants import READING, WRITING, allowed
from tests.support.processes import called, environment

DOCS = Path(__file__).parents[2] / "docs"

POLICY = """
[[rule]]
name = "billing writes"
platform = "azure"
role = "Graph.Write"
access = "write"
database = "billing"
impersonate = "billing_agent"

[[rule]]
name = "agents read a little"
kind = ["iam_role", "api_key"]
id = "agent-*"
tools = ["get-schema", "read-cypher"]
max_rows = 100
max_bytes = 2048
timeout = 2.5
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


def explain(
    *arguments: str, status: int = 0, platform: str = "azure", kind: str = "api_key", **variables: str
) -> subprocess.CompletedProcess[str]:
    command = ("policy", "explain", "--platform", platform, "--kind", kind, *arguments)
    done = called(*command, environ=environment(**variables))
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_deciding_rule_is_named_with_the_reasons_and_the_grant(file: Path) -> None:
    done = explain("--policy", str(file), "--id", "agent-7")
    assert done.stdout.splitlines() == [
        "rule 1 (billing writes) does not fit: it asks for role 'Graph.Write'",
        "rule 2 (agents read a little) fits and decides",
        "granted by  agents read a little",
        "access      read",
        "tools       get-schema, read-cypher",
        "database    as the settings say",
        "user        as the settings say",
        "limits      at most 100 rows, 2048 bytes, 2.5 seconds",
    ]
    assert done.stderr == f"The policy of {file} has 2 rule(s).\n"


def test_roles_and_tenant_count(file: Path) -> None:
    done = explain("--policy", str(file), "--id", "x", "--role", "a", "--role", "Graph.Write", "--tenant", "contoso")
    assert "rule 1 (billing writes) fits and decides" in done.stdout
    assert "access      read and write" in done.stdout
    assert "database    billing" in done.stdout
    assert "user        as the settings say, impersonating billing_agent" in done.stdout


def test_where_nothing_is_granted_the_status_is_three(file: Path) -> None:
    done = explain("--policy", str(file), "--platform", "aws", "--id", "x", status=3)
    assert done.stdout.splitlines()[-1] == "no rule fits, so nothing is granted"
    assert "granted by" not in done.stdout


def test_the_setting_is_a_path_or_the_policy_itself(file: Path) -> None:
    assert "agents read a little" in explain("--id", "agent-7", NEO4J_M2M_POLICY=str(file)).stdout
    inline = explain("--id", "agent-7", NEO4J_M2M_POLICY=POLICY)
    assert "agents read a little" in inline.stdout
    assert inline.stderr == "The policy of NEO4J_M2M_POLICY has 2 rule(s).\n"
    other = explain("--policy", str(file), "--id", "agent-7", NEO4J_M2M_POLICY='[[rule]]\nname = "another"')
    assert "another" not in other.stdout


def test_without_a_policy_the_default_is_explained() -> None:
    done = explain("--id", "x")
    assert "NEO4J_M2M_POLICY" in done.stderr
    assert "every proven caller reads, nobody writes" in done.stdout
    assert "write-cypher" not in done.stdout


def test_an_empty_policy_grants_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").touch()
    explain("--policy", str(tmp_path / "empty.toml"), "--id", "x", status=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'[[rule]]\nname = "a"\ntools = ["read-cyper"]', "line 3: tools: there is no tool 'read-cyper'"),
        (b"[[rule]]\nname =", "line 2: Invalid value"),
        (b"\xff\xfe", ""),
    ],
)
def test_a_policy_that_does_not_parse_is_an_error_with_file_line_and_reason(
    tmp_path: Path, text: bytes, said: str
) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(text)
    done = explain("--policy", str(path), "--id", "x", status=1)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert str(path) in done.stderr
    assert said in done.stderr


def test_a_policy_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert str(tmp_path / "none") in explain("--policy", str(tmp_path / "none"), "--id", "x", status=1).stderr
    assert str(tmp_path) in explain("--id", "x", status=1, NEO4J_M2M_POLICY=str(tmp_path)).stderr


@pytest.mark.parametrize(
    ("platform", "kind"), [("azuer", "api_key"), ("azure", "managed-identity"), ("", "api_key"), ("azure", "")]
)
def test_an_unknown_platform_or_kind_is_a_wrong_command_line(platform: str, kind: str) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["policy", "explain", "--platform", platform, "--kind", kind, "--id", "x"])
    assert caught.value.code == 2


def test_no_control_character_reaches_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[[rule]]\nname = "a\\u001b[2Jb"\n')
    done = explain("--policy", str(path), "--id", "x")
    assert "\x1b" not in done.stdout + done.stderr


# Every policy that the documentation shows


def blocks(name: str, language: str = "toml") -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", (DOCS / name).read_text(), re.MULTILINE | re.DOTALL)
    return [text for written_in, text in fenced if written_in == language]


def policies() -> list[tuple[str, int]]:
    return [(name, index) for name in ("policy.md", "api-keys.md") for index in range(len(blocks(name)))]


@pytest.mark.parametrize(("name", "index"), policies())
def test_every_policy_in_the_documentation_parses(name: str, index: int) -> None:
    assert len(parse_policy(blocks(name)[index], source=f"{name}, policy {index + 1}", tools=ALL_TOOLS)) >= 1


def documented(name: str, part: str) -> Policy:
    (text,) = [block for block in blocks(name) if part in block]
    return parse_policy(text, source=name, tools=ALL_TOOLS)


def api_key(name: str, *roles: str, tenant: str = "") -> Principal:
    assert re.fullmatch(NAME_PATTERN, name)
    return Principal("azure", "api_key", name, tenant=tenant, roles=frozenset(roles))


def test_the_two_keys_of_supabase() -> None:
    policy = documented("api-keys.md", "service_role")
    anon, service = policy.grant_for(api_key("web", "anon")), policy.grant_for(api_key("backend", "service_role"))
    assert anon is not None
    assert service is not None
    assert allowed(anon) == {"get-schema", "read-cypher"}
    assert anon.max_rows == 100
    assert allowed(service) == READING | WRITING
    assert policy.grant_for(api_key("other")) is None


def test_the_scoped_tokens_of_cloudflare() -> None:
    policy = documented("api-keys.md", "billing-writer")
    writer, reader = policy.grant_for(api_key("billing-writer")), policy.grant_for(api_key("flights-reader"))
    assert writer is not None
    assert reader is not None
    assert (writer.database, "write-cypher" in allowed(writer)) == ("billing", True)
    assert (reader.database, "write-cypher" in allowed(reader)) == ("flights", False)
    assert policy.grant_for(api_key("billing-reader")) is None


def test_the_read_scaling_tokens_of_motherduck() -> None:
    policy = documented("api-keys.md", "read-scaling")
    many = policy.grant_for(api_key("dashboard-17", "read-scaling"))
    assert many is not None
    assert "write-cypher" not in allowed(many)
    assert policy.grant_for(api_key("dashboard-17")) is None


def test_the_documented_explanation_is_what_the_command_prints(tmp_path: Path) -> None:
    (text,) = [block for block in blocks("policy.md") if "arn:aws" in block]
    (tmp_path / "policy.toml").write_text(text)
    (command,), (printed,) = blocks("policy.md", "sh"), blocks("policy.md", "")
    words = shlex.split(command.replace("\\\n", "").replace("policy.toml", str(tmp_path / "policy.toml")))
    done = called(*words[1:], environ=environment())
    assert (words[0], done.returncode, done.stdout) == ("neo4j-m2m", 3, printed)


def test_the_examples_of_the_three_platforms() -> None:
    policy = documented("policy.md", "arn:aws")
    cases = {
        Principal("aws", "iam_role", "arn:aws:iam::123456789012:role/flights-agent", tenant="123456789012"): True,
        Principal("aws", "iam_role", "arn:aws:iam::123456789012:role/other", tenant="123456789012"): False,
        Principal(
            "azure",
            "managed_identity",
            "7c9e6679-7425-40de-944b-e07fc1f90ae7",
            tenant="0f8fad5b-d9cb-469f-a165-70867728950e",
        ): True,
        Principal("azure", "managed_identity", "7c9e6679-7425-40de-944b-e07fc1f90ae7", tenant="another"): False,
        Principal("databricks", "service_principal", "9b2f4c1e-5d3a-4e8b-8f6d-2a7c0e1b3d5f"): True,
        Principal("databricks", "user_on_behalf", "someone@example.com"): False,
    }
    for principal, granted in cases.items():
        assert (policy.grant_for(principal) is not None) is granted, principal


def test_check_lists_the_rules_with_what_each_grants(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        '[[rule]]\nname = "billing"\nid = "agent-7"\naccess = "write"\n\n[[rule]]\nname = "all"\nmax_rows = 5'
    )
    done = called("policy", "check", "--policy", str(path), environ=environment())
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "rule 1 (billing): id 'agent-7'"
    assert "  access    read and write" in lines
    assert "rule 2 (all): everybody" in lines
    assert "at most 5 rows" in done.stdout
    assert "2 rule(s)" in done.stderr


def test_check_fails_on_a_policy_that_does_not_parse_and_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[[rule]]\nname = "x"\nacces = "read"')
    done = called("policy", "check", "--policy", str(path), environ=environment())
    assert (done.returncode, f"{path}" in done.stderr) == (1, True)
    none = called("policy", "check", environ=environment())
    assert (none.returncode, "--policy" in none.stderr) == (1, True)
