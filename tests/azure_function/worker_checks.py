"""The function app as published, in Azure's own Python worker: run by ``make azure-worker``, which installs that.

What is indexed is what azd packs, once what Core Tools pack, by a Python that has installed the function's own
requirements and nothing else of this project.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from local.emulators.azure.emulate import Subscription
from tests.azure_function.apps import PING, call
from tests.azure_function.azure_worker import invocation, worked
from tests.azure_function.conftest import SECRET
from tests.azure_package.packers import LYING_AROUND, checkout, packed_by_azd, packed_by_core_tools, tracked_files

pytestmark = pytest.mark.processes

FUNCTION_KEY = {"NEO4J_M2M_CALLER_AUTH": "function_key", "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": "foundry"}
API_KEY = {"NEO4J_M2M_CALLER_AUTH": "api_key", "NEO4J_M2M_KEYS_SECRET": "keys"}


def wwwroot(clone: Path, packed: set[str], folder: Path) -> Path:
    """The folder that a function app finds itself in."""
    for name in packed:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clone / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def published(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What azd packs, unpacked."""
    return wwwroot(clone, packed_by_azd(clone), tmp_path_factory.mktemp("azd"))


@pytest.fixture(scope="session")
def published_by_core_tools(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    packed = packed_by_core_tools([*tracked_files(), *LYING_AROUND])
    return wwwroot(clone, packed, tmp_path_factory.mktemp("core-tools"))


def levels(said: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Of each function the route and the level, as the worker tells them to the host."""
    triggers = {name: bindings[0] for name, bindings in said["functions"].items()}
    assert all(trigger["type"] == "httpTrigger" and "methods" not in trigger for trigger in triggers.values())
    return {name: (trigger["route"], trigger["authLevel"].upper()) for name, trigger in triggers.items()}


OPEN_TO_ALL = {"health": ("health", "ANONYMOUS")}
METADATA = {
    "metadata": (".well-known/oauth-protected-resource", "ANONYMOUS"),
    "metadata_of_mcp": (".well-known/oauth-protected-resource/mcp", "ANONYMOUS"),
}


def test_what_core_tools_pack_has_its_functions_too(published_by_core_tools: Path, running: Subscription) -> None:
    said, _ = worked(published_by_core_tools, {**running.environ, **FUNCTION_KEY}, [invocation("mcp", body=PING)])
    assert levels(said) == {"mcp": ("mcp", "FUNCTION"), **OPEN_TO_ALL}
    assert said["answers"][0][0]["status"] == 200


def test_the_worker_is_the_one_that_azure_runs(published: Path) -> None:
    said, _ = worked(published, FUNCTION_KEY)
    assert (said["python"], said["worker"]) == ([3, 13], "1.3.0")


@pytest.mark.parametrize("placeholder", [False, True], ids=["a fresh worker", "a worker that was waiting"])
@pytest.mark.parametrize(
    ("mode", "functions"),
    [
        ("entra", {"mcp": ("mcp", "ANONYMOUS"), **OPEN_TO_ALL, **METADATA}),
        ("function_key", {"mcp": ("mcp", "FUNCTION"), **OPEN_TO_ALL}),
        ("api_key", {"mcp": ("mcp", "ANONYMOUS"), **OPEN_TO_ALL}),
    ],
)
def test_each_mode_yields_its_routes_and_their_levels(
    published: Path,
    running: Subscription,
    issuers: str,
    mode: str,
    functions: dict[str, tuple[str, str]],
    placeholder: bool,
) -> None:
    more = {"entra": {"NEO4J_M2M_ISSUERS": issuers}, "function_key": FUNCTION_KEY, "api_key": API_KEY}[mode]
    said, _ = worked(published, {**running.environ, **more}, placeholder=placeholder)
    assert said["loaded"], said["exception"]
    assert levels(said) == functions


@pytest.mark.parametrize("placeholder", [False, True], ids=["a fresh worker", "a worker that was waiting"])
@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "NEO4J_M2M_ISSUERS"),
        ({"NEO4J_M2M_CALLER_AUTH": "api_key"}, "NEO4J_M2M_KEYS_SECRET"),
        ({"NEO4J_M2M_CALLER_AUTH": "function_key"}, "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL"),
        ({"NEO4J_M2M_CALLER_AUTH": "anonymous"}, "NEO4J_M2M_CALLER_AUTH"),
    ],
)
def test_a_mode_that_would_be_open_answers_503_on_every_route_and_the_log_says_why(
    published: Path, environ: dict[str, str], named: str, placeholder: bool
) -> None:
    asked = [invocation(name, "GET") for name in ("mcp", "health", "metadata", "metadata_of_mcp")]
    said, log = worked(published, environ, asked, placeholder=placeholder)
    assert said["loaded"], said["exception"]
    assert levels(said) == {"mcp": ("mcp", "ANONYMOUS"), **OPEN_TO_ALL, **METADATA}
    for answer in said["answers"][0]:
        assert answer["status"] == 503
        assert named not in answer["body"]
    assert log.count(named) == 1 + len(asked)


def test_fifty_first_calls_at_once_read_the_graph_with_a_secret_from_the_vault(
    published: Path, stocked: Subscription, issuers: str
) -> None:
    token = stocked.tokens.issuer.token(stocked.tenant.agent.id)
    first = [invocation("mcp", body=call(), authorization=f"Bearer {token}") for _ in range(50)]
    environ = {**stocked.environ, "NEO4J_M2M_ISSUERS": issuers, "NEO4J_M2M_SECRET": SECRET}
    before = stocked.vault.requests, stocked.identities.requests
    said, log = worked(published, environ, first)
    rows = [json.loads(answer["body"])["result"]["structuredContent"]["rows"] for answer in said["answers"][0]]
    assert rows == [[[1]]] * 50
    assert (stocked.vault.requests - before[0], stocked.identities.requests - before[1]) == (1, 1)
    lines = [json.loads(line.partition(": ")[2]) for line in log.splitlines() if line.startswith("neo4j_m2m.audit")]
    assert {line["request_id"] for line in lines} == {one["invocation_id"] for one in first}
    traces = {one["invocation_id"]: one["trace_parent"].split("-")[1] for one in first}
    assert all(line["operation_id"] == traces[line["request_id"]] for line in lines)
    assert {line["principal"]["id"] for line in lines} == {stocked.tenant.agent.object_id}
    assert "eyJ" not in log


def test_who_calls_is_proved_by_the_app_where_the_host_lets_everybody_by(
    published: Path, running: Subscription, issuers: str
) -> None:
    stranger = running.tokens.issuer.token(running.tenant.agent.id, aud="api://another")
    token = running.tokens.issuer.token(running.tenant.agent.id)
    said, _ = worked(
        published,
        {**running.environ, "NEO4J_M2M_ISSUERS": issuers},
        [invocation("mcp", body=PING)],
        [invocation("mcp", body=PING, authorization=f"Bearer {stranger}", x_ms_client_principal_id="agent")],
        [invocation("mcp", "GET")],
        [invocation("mcp", "GET", authorization=f"Bearer {token}")],
        [invocation("mcp", body=PING, authorization=f"Bearer {token}")],
        [invocation("metadata", "GET")],
        [invocation("metadata_of_mcp", "GET")],
    )
    answers = [together[0] for together in said["answers"]]
    assert [answer["status"] for answer in answers] == [401, 401, 401, 405, 200, 200, 200]
    assert "resource_metadata" in answers[0]["headers"]["www-authenticate"]
    assert answers[4]["headers"]["content-type"] == "application/json"
    assert json.loads(answers[5]["body"])["resource"] == "https://app.example/mcp"


def test_behind_a_function_key_the_caller_is_the_principal_of_the_settings_and_health_is_told(
    published: Path, stocked: Subscription
) -> None:
    said, log = worked(
        published,
        {**stocked.environ, **FUNCTION_KEY, "NEO4J_M2M_SECRET": SECRET},
        [invocation("mcp", body=call(), x_functions_key="canary-key-of-the-host-30c1")],
        [invocation("health", "GET")],
    )
    assert [together[0]["status"] for together in said["answers"]] == [200, 200]
    assert '"id":"foundry","kind":"api_key"' in log


ROTATES = {
    "near_expiry": ("eventGridTrigger", "event"),
    "rotate_when_near": ("timerTrigger", "timer"),
    "rotate_on_demand": ("httpTrigger", "req"),
}
"""Of each function of the rotation the trigger, and the name by which it gets what triggered it."""

SECOND_APP = {"PYTHON_SCRIPT_FILE_NAME": "rotation_app.py"}


@pytest.mark.parametrize("placeholder", [False, True], ids=["a fresh worker", "a worker that was waiting"])
@pytest.mark.parametrize("administrator", ["neo4j-administrator", ""], ids=["configured", "misconfigured"])
def test_the_same_package_is_the_rotation_where_a_setting_names_its_file(
    published: Path, running: Subscription, administrator: str, placeholder: bool
) -> None:
    more = {"NEO4J_M2M_ROTATED_SECRETS": SECRET, "NEO4J_M2M_ADMIN_SECRET": administrator}
    said, _ = worked(published, {**running.rotation_environ, **SECOND_APP, **more}, placeholder=placeholder)
    assert said["loaded"], said["exception"]
    triggers = {name: bindings[0] for name, bindings in said["functions"].items()}
    assert {name: (trigger["type"], trigger["name"]) for name, trigger in triggers.items()} == ROTATES
    on_demand = triggers["rotate_on_demand"]
    assert (on_demand["route"], on_demand["authLevel"].upper()) == ("rotate", "FUNCTION")
    assert [method.upper() for method in on_demand["methods"]] == ["POST"]


def test_a_misconfigured_rotation_answers_503_and_its_log_says_why(published: Path) -> None:
    asked = {**invocation("rotate_on_demand"), "path": "/rotate"}
    said, log = worked(published, SECOND_APP, [asked])
    answer = said["answers"][0][0]
    assert answer["status"] == 503
    assert "NEO4J_M2M" not in answer["body"]
    assert log.count("NEO4J_M2M_VAULT_URL") == 2
