"""What docs/azure.md, and docs/rotation.md for Azure, tell people to type exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from core.access.policy import parse_policy
from core.errors import IssuerError
from core.identity.issuers import parse_issuers
from core.tools import ALL_TOOLS
from tests.infra.bicep_source import Source

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "azure.md").read_text()
ROTATION = (ROOT / "docs" / "rotation.md").read_text().partition("\n## Azure\n")[2].partition("\n## Databricks\n")[0]
MAIN = Source.read(ROOT / "infra" / "azure" / "main.bicep")
CONNECTION = Source.read(ROOT / "infra" / "foundry" / "connection.bicep")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_pipeline_passes_on_every_variable_that_azd_reads_and_no_secret() -> None:
    pipeline = (ROOT / ".github/workflows/azure-dev.yml").read_text()
    passed = set(re.findall(r"^      ([A-Z_]+): \$\{\{ vars\.\1 \}\}$", pipeline, re.MULTILINE))
    read = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "infra/azure/main.parameters.json").read_text()))
    # azd finds out itself who deploys.
    assert read - {"AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"} <= passed
    assert "secrets." not in pipeline
    assert "workflow_dispatch" in pipeline


def test_every_output_that_a_command_reads_exists() -> None:
    for text in (TEXT, ROTATION):
        read = set(re.findall(r"\$\(out (\w+)\)", text))
        assert len(read) >= 6
        assert read <= set(MAIN.part("outputs"))


@pytest.mark.parametrize(
    "name",
    "acceptUsers alertEmail alwaysReadyInstances apiClientId blueprintIds callerAuth clientIds concurrencyPerInstance "
    "easyAuth functionKeyPrincipal instanceMemoryMB keysSecretName logRetentionDays maximumInstanceCount moreSettings "
    "network policy poolSize secretsOfficerId vaultRetentionDays".split(),
)
def test_every_parameter_that_is_spoken_of_exists(name: str) -> None:
    assert re.search(rf"`{name}\b", TEXT)
    assert name in MAIN.part("parameters")


@pytest.mark.parametrize("name", ["maximumInstanceCount", "poolSize", "concurrencyPerInstance", "alwaysReadyInstances"])
def test_a_default_in_the_table_is_the_default(name: str) -> None:
    row = re.search(rf"^\| `{name}` \| (\d+) \|", TEXT, re.MULTILINE)
    assert row is not None
    assert int(row[1]) == MAIN.part("parameters")[name]["default"]


def test_the_commands_give_parameters_that_there_are() -> None:
    (command,) = re.findall(r"--template-file infra/foundry/connection\.bicep \\\n(.*?)```", TEXT, re.DOTALL)
    given = set(re.findall(r"(\w+)=", command))
    assert {"foundryName", "projectName", "mcpUrl"} <= given <= set(CONNECTION.part("parameters"))


def test_every_proof_of_a_connection_is_in_the_table() -> None:
    allowed = next(each for each in CONNECTION.part("parameters")["proof"]["decorators"] if each["type"] == "allowed")
    for proof in allowed["argument"]:
        assert re.search(rf"^\| [^|]*\(`{proof}`\) \|", TEXT, re.MULTILINE), proof


def test_what_the_page_on_rotation_sets_can_be_set() -> None:
    parameters = MAIN.part("parameters")
    spoken_of = {"rotation", "rotationDays", "rotatedSecrets", "adminSecretName", "rotationEvents", "secretsOfficerId"}
    assert all(f"`{name}`" in ROTATION and name in parameters for name in spoken_of)
    written = dict(re.findall(r"`param (\w+) = '(\w+)'`", ROTATION))
    assert written == {"rotation": "two_users", "rotationEvents": "true"}
    azd = (ROOT / "infra/azure/main.parameters.json").read_text()
    variables = re.findall(r"azd env set ([A-Z_]+) (\w+)", ROTATION)
    assert dict(variables) == {"ROTATION": "two_users", "ROTATION_EVENTS": "true"}
    for name in (*dict(variables), "ROTATED_SECRETS"):
        assert f"${{{name}=" in azd
    assert int(re.findall(r"`rotationDays` \((\d+)\)", ROTATION)[0]) == parameters["rotationDays"]["default"]


def test_the_page_on_rotation_publishes_before_it_subscribes() -> None:
    steps = [
        ROTATION.index(each) for each in ("az keyvault secret set", "functionapp publish", "rotationEvents = 'true'")
    ]
    assert steps == sorted(steps)
    assert ROTATION.index("azd deploy") < ROTATION.index("azd env set ROTATION_EVENTS")


def test_the_issuers_and_the_policy_are_what_the_server_reads() -> None:
    issuers, policy = blocks("toml")
    (issuer,) = parse_issuers(issuers, source="docs/azure.md")
    assert issuer.app_only
    assert issuer.clients is not None
    assert len(issuer.clients) == 2
    assert issuer.blueprints is not None
    assert parse_policy(policy, source="docs/azure.md", tools=ALL_TOOLS) is not None


def test_the_python_is_python() -> None:
    (client,) = blocks("python")
    for source in (client, (ROOT / "infra" / "foundry" / "agent.py").read_text()):
        assert ast.parse(source).body


def test_an_empty_list_of_clients_is_refused_as_is_said() -> None:
    assert "With an empty list of clients the function answers 503 to everybody." in TEXT
    (issuers, _) = blocks("toml")
    with pytest.raises(IssuerError, match="clients"):
        parse_issuers(re.sub(r"clients = \[.*?\]", "clients = []", issuers, flags=re.DOTALL), source="docs/azure.md")
