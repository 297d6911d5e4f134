"""Faults of the inside half, each provoked: settings, policy, secret, and the database with its user."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.application import Application
from core.deadline import Deadline
from core.examination import INSIDE_LINKS
from core.graph.results import ReadResult
from core.http import Request
from core.identity.principal import LOCAL_PRINCIPAL
from core.settings import Settings
from local.neo4j import EmbeddedNeo4j
from tests.core.mcp_requests import JSON, legacy
from tests.support.processes import called, environment
from tests.support.sockets import closed_port

pytestmark = pytest.mark.processes

PASSWORD = "canary-doctor-password"


def doctor(*arguments: str, status: int, **environ: str) -> tuple[dict[str, dict[str, str]], str]:
    """The findings of the inside half by their link, and all that was printed."""
    ended = called("doctor", *arguments, "--json", environ=environment(**environ))
    assert ended.returncode == status, ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr
    findings = json.loads(ended.stdout)["inside"]
    assert [finding["link"] for finding in findings] == list(INSIDE_LINKS)
    return {finding["link"]: finding for finding in findings}, ended.stdout


@pytest.fixture
def unreachable() -> Iterator[dict[str, str]]:
    with closed_port() as port:
        yield {"NEO4J_URI": f"bolt://127.0.0.1:{port}", "NEO4J_PASSWORD": PASSWORD}


def of_sample(database: EmbeddedNeo4j, **changed: str) -> dict[str, str]:
    return {
        "NEO4J_URI": database.uri,
        "NEO4J_USERNAME": database.username,
        "NEO4J_PASSWORD": database.password.get_secret_value(),
        **changed,
    }


def failed(found: dict[str, dict[str, str]]) -> tuple[str, str]:
    """The first link that failed, and its whole sentence."""
    finding = next(finding for finding in found.values() if finding["state"] == "failed")
    return finding["link"], f"{finding['says']} {finding['remedy']}"


@pytest.mark.parametrize(
    ("environ", "link", "said"),
    [
        ({"NEO4J_M2M_MAX_ROWS": "many"}, "settings", "NEO4J_M2M_MAX_ROWS"),
        ({"NEO4J_M2M_TIMEOT": "5"}, "settings", "did you mean NEO4J_M2M_TIMEOUT"),
        ({"NEO4J_URI": ""}, "settings", "No database is named"),
        ({"NEO4J_M2M_POLICY": '[[rule]]\nname = "x"\nakcess = "read"'}, "policy", "policy check"),
    ],
)
def test_settings_and_policy(unreachable: dict[str, str], environ: dict[str, str], link: str, said: str) -> None:
    found, _ = doctor(status=4, **{**unreachable, **environ})
    where, sentence = failed(found)
    assert (where, said in sentence) == (link, True)


def put(directory: Path, text: str, mode: int = 0o600) -> None:
    (directory / "graph.json").write_text(text)
    (directory / "graph.json").chmod(mode)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda directory: None, "holds no file graph"),
        (lambda directory: put(directory, "{"), "looks like JSON"),
        (lambda directory: put(directory, '{"uri": "bolt://h"}'), "username"),
        (lambda directory: put(directory, "{}", 0o644), "chmod 600"),
    ],
)
def test_a_secret_that_is_missing_malformed_or_open_to_others(
    tmp_path: Path, prepare: Callable[[Path], None], said: str
) -> None:
    prepare(tmp_path)
    found, _ = doctor(status=4, NEO4J_M2M_SECRET="graph", NEO4J_M2M_CREDENTIALS_DIR=str(tmp_path))
    link, sentence = failed(found)
    assert (link, said in sentence) == ("secret", True)
    assert found["TCP"]["state"] == "not reached"


def test_a_port_that_refuses(unreachable: dict[str, str]) -> None:
    found, _ = doctor(status=4, **unreachable)
    assert failed(found)[0] == "TCP"
    assert found["login"]["state"] == "not reached"


def test_the_tree_has_a_mark_for_each_link_and_what_mends_the_broken_one(unreachable: dict[str, str]) -> None:
    ended = called("doctor", environ=environment(**unreachable))
    assert ended.returncode == 4
    lines = ended.stdout.splitlines()
    assert sum(line.startswith("  ✓") for line in lines) == 7
    broken = next(number for number, line in enumerate(lines) if line.startswith("  ✗ TCP"))
    assert "→ Start the database" in lines[broken + 1]
    assert "not reached" in lines[-1]


def test_a_database_that_can_be_used_by_a_user_who_could_write(sample_database: EmbeddedNeo4j) -> None:
    found, text = doctor(status=0, **of_sample(sample_database))
    assert {link for link, finding in found.items() if finding["state"] != "ok"} == {"rights"}
    assert (found["rights"]["state"], "no roles" in found["rights"]["says"]) == ("warning", True)
    assert "Neo4j Kernel 2026" in found["versions"]["says"]
    assert sample_database.password.get_secret_value() not in text


def test_a_policy_that_lets_callers_write_wants_a_user_who_can(sample_database: EmbeddedNeo4j) -> None:
    policy = '[[rule]]\nname = "all"\naccess = "write"'
    found, _ = doctor(status=0, **of_sample(sample_database, NEO4J_M2M_POLICY=policy))
    assert found["rights"]["state"] == "ok"


@pytest.mark.parametrize(
    ("changed", "link", "said"),
    [
        ({"NEO4J_PASSWORD": PASSWORD}, "login", "refuses the user neo4j with this password"),
        ({"NEO4J_DATABASE": "graf"}, "database", "There is no database graf"),
    ],
)
def test_a_login_or_a_database_that_is_wrong(
    sample_database: EmbeddedNeo4j, changed: dict[str, str], link: str, said: str
) -> None:
    found, _ = doctor(status=4, **of_sample(sample_database, **changed))
    where, sentence = failed(found)
    assert (where, said in sentence) == (link, True)


@pytest.mark.parametrize(
    ("platform", "environ", "link", "said"),
    [
        ("aws", {"NEO4J_M2M_CALLER_AUTH": "jwt"}, "settings", "NEO4J_M2M_ISSUERS or NEO4J_M2M_KEYS_SECRET"),
        ("azure", {"NEO4J_M2M_VAULT_UR": "https://v.vault.azure.net"}, "settings", "did you mean NEO4J_M2M_VAULT_URL"),
        ("azure", {"NEO4J_M2M_ISSUERS": "x"}, "identity", "no managed identity"),
        ("databricks", {}, "settings", "DATABRICKS_HOST"),
    ],
)
def test_the_settings_and_the_identity_of_a_platform(
    unreachable: dict[str, str], platform: str, environ: dict[str, str], link: str, said: str
) -> None:
    found, _ = doctor(platform, status=4, **{**unreachable, **environ})
    where, sentence = failed(found)
    assert (where, said in sentence) == (link, True)


# Through the tool, in a server that was told of a fault by its database.


@contextmanager
def changed_answers(application: Application, answers: dict[str, Any]) -> Iterator[None]:
    """The database answers statements that hold a key of ``answers`` with that value, and others as it does."""
    database = application._scopes.default.database
    read = database.read

    async def instead(statement: str, *arguments: Any, **options: Any) -> ReadResult:
        for part, rows in answers.items():
            if part in statement:
                return ReadResult([], rows, None)
        return await read(statement, *arguments, **options)

    database.read = instead  # type: ignore[method-assign]
    yield


async def tool(settings: Settings, answers: dict[str, Any], policy: str) -> Any:
    from core.access.policy import parse_policy
    from core.tools import ALL_TOOLS

    grants = parse_policy(policy, source="policy", tools=ALL_TOOLS)

    async def local(request: Request) -> Any:
        return LOCAL_PRINCIPAL

    application = Application(settings, local, grant_for=grants.grant_for)
    body = json.dumps(legacy("tools/call", {"name": "doctor", "arguments": {}})).encode()
    headers = (*JSON, ("mcp-protocol-version", "2025-11-25"))
    try:
        with changed_answers(application, answers):
            return json.loads((await application.handle(Request("POST", "/mcp", headers, body, "r"))).body)["result"]
    finally:
        await application.close()


NAMED = '[[rule]]\nname = "operators"\ntools = ["doctor", "read-cypher"]'


async def test_the_tool_answers_whom_the_policy_names_it_for(settings: Settings) -> None:
    content = (await tool(settings, {}, NAMED))["structuredContent"]
    assert content["rule"] == "operators"
    assert [finding["link"] for finding in content["findings"]] == list(INSIDE_LINKS)
    assert all(finding["state"] in ("ok", "warning") for finding in content["findings"])


@pytest.mark.parametrize("access", ["read", "write"])
async def test_a_rule_that_grants_all_tools_does_not_grant_this_one(settings: Settings, access: str) -> None:
    result = await tool(settings, {}, f'[[rule]]\nname = "all"\naccess = "{access}"')
    assert result["isError"]
    assert "may not use doctor" in result["content"][0]["text"]


@pytest.mark.parametrize(
    ("answers", "link", "state", "said"),
    [
        ({"SHOW USER PRIVILEGES": [["GRANTED", "read"], ["GRANTED", "access"]]}, "rights", "ok", "can only read"),
        ({"SHOW USER PRIVILEGES": [["GRANTED", "write"]]}, "rights", "warning", "GRANT ROLE reader"),
        ({"epochMillis": [[0]]}, "clock", "warning", "NTP"),
        ({"thread_pool_max_size": [["4"]]}, "connections", "warning", "NEO4J_M2M_POOL_SIZE"),
    ],
)
async def test_what_only_another_edition_or_a_sick_machine_answers(
    settings: Settings, answers: dict[str, Any], link: str, state: str, said: str
) -> None:
    findings = (await tool(settings, answers, NAMED))["structuredContent"]["findings"]
    found = next(finding for finding in findings if finding["link"] == link)
    assert (found["state"], said in f"{found['says']} {found['remedy']}") == (state, True)


async def test_a_guard_that_lets_a_write_through_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def careless(self: Any, statement: str, parameters: Any, *, deadline: Deadline, **_: Any) -> None:
        return None

    monkeypatch.setattr("core.guard.guard.Guard.require_read", careless)
    findings = (await tool(settings, {}, NAMED))["structuredContent"]["findings"]
    guard = next(finding for finding in findings if finding["link"] == "guard")
    assert (guard["state"], "CREATE (n)" in guard["says"]) == ("failed", True)
