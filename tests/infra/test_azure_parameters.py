"""What the parameters of main.bicep become: the settings of the server, or a refusal with a reason."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from azure_function.rotation_settings import AzureRotationSettings
from azure_function.settings import AzureSettings
from core.identity.issuers import TrustedIssuer, read_issuers
from tests.infra.azure_templates import (
    AGENT,
    APP_ID,
    AZURE,
    BLUEPRINT,
    FILES,
    FOUNDRY,
    FUNCTION,
    MAIN,
    PROJECT,
    TENANT,
    deployed,
    issuer_of,
)
from tests.infra.bicep_values import Failed

KNOWN_SETTINGS = {kind.variable(name) for kind in (AzureSettings, AzureRotationSettings) for name in kind.model_fields}


def server_settings() -> dict[str, Any]:
    return dict(MAIN.part("variables")["serverSettings"]["value"])


def test_every_setting_that_is_set_exists() -> None:
    named = {name for source in FILES.values() for name in re.findall(r"\bNEO4J_[A-Z0-9_]*[A-Z]\b", source.text)}
    assert set(server_settings()) <= named
    assert named <= KNOWN_SETTINGS


def test_nobody_overrides_what_the_template_sets_and_no_database_credential_is_set() -> None:
    assert "appSettings: union(moreSettings, serverSettings)" in MAIN.text
    assert "union(appSettings, publicSettings, discoverySettings, hostSettings)" in FUNCTION.text
    assert not any("PASSWORD" in name or name.startswith("NEO4J_URI") for name in server_settings())


def test_the_issuers_that_the_template_writes_are_what_the_server_reads() -> None:
    issuer = issuer_of(deployed(clientIds=[AGENT.upper(), PROJECT], blueprintIds=[BLUEPRINT], tenantId=TENANT.upper()))
    assert issuer == TrustedIssuer(
        name="entra",
        platform="azure",
        issuer=(f"https://login.microsoftonline.com/{TENANT}/v2.0", f"https://sts.windows.net/{TENANT}/"),
        audience=(f"api://{APP_ID}", APP_ID),
        clients=(AGENT, PROJECT),
        blueprints=(BLUEPRINT,),
        roles=("Graph.Read", "Graph.Write"),
        tenant=TENANT,
        app_only=True,
        leeway=30,
    )


@pytest.mark.parametrize(
    ("given", "clients", "blueprints"),
    [
        ({"clientIds": [AGENT]}, (AGENT,), None),
        ({"clientIdList": AGENT}, (AGENT,), None),
        ({"clientIdList": f"{AGENT},{PROJECT}"}, (AGENT, PROJECT), None),
        ({"clientIdList": f" {AGENT} , {PROJECT.upper()}, "}, (AGENT, PROJECT), None),
        ({"clientIds": [AGENT], "clientIdList": f"{AGENT},{PROJECT}"}, (AGENT, PROJECT), None),
        ({"blueprintIdList": BLUEPRINT}, None, (BLUEPRINT,)),
        ({"clientIdList": AGENT, "blueprintIds": [BLUEPRINT]}, (AGENT,), (BLUEPRINT,)),
    ],
)
def test_callers_can_be_given_as_a_list_or_as_a_text_with_commas(
    given: dict[str, Any], clients: tuple[str, ...] | None, blueprints: tuple[str, ...] | None
) -> None:
    issuer = issuer_of(deployed(**given))
    assert (issuer.clients, issuer.blueprints) == (clients, blueprints)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"clientIds": []}, "Nobody may call"),
    ({"clientIdList": " , "}, "Nobody may call"),
    ({"clientIds": [""]}, "not ids"),
    ({"clientIds": ["*"]}, "not ids"),
    ({"clientIds": [f"{AGENT},{PROJECT}"]}, "not ids"),
    ({"clientIds": ["the agent"]}, "not ids"),
    ({"clientIdList": f'["{AGENT}"]'}, "not ids"),
    ({"clientIdList": f"{AGENT};{PROJECT}"}, "not ids"),
    ({"clientIdList": AGENT[:-1]}, "not ids"),
    ({"clientIdList": AGENT.replace("-", "")}, "not ids"),
    ({"clientIdList": AGENT, "blueprintIdList": "b"}, "not ids"),
    ({"clientIdList": AGENT, "apiClientId": ""}, "apiClientId"),
    ({"clientIdList": AGENT, "apiClientId": f"api://{APP_ID}"}, "not ids"),
    ({"clientIdList": AGENT, "tenantId": "contoso.com"}, "not ids"),
    ({"clientIdList": AGENT, "secretsOfficerId": "ada@contoso.com"}, "not ids"),
    ({"clientIdList": AGENT, "secretsOfficerType": "Robot"}, "secretsOfficerType"),
    ({"clientIdList": AGENT, "acceptUsers": "yes"}, "acceptUsers"),
    ({"clientIdList": AGENT, "easyAuth": True}, "easyAuth"),
    ({"clientIdList": AGENT, "pythonVersion": "3.10"}, "pythonVersion"),
    ({"clientIdList": AGENT, "network": "vnet"}, "network"),
    ({"clientIdList": AGENT, "inbound": "private"}, "inbound"),
    ({"clientIdList": AGENT, "publicUrl": "http://graph.contoso.com/mcp"}, "publicUrl"),
    ({"clientIdList": AGENT, "alertEmail": "ada"}, "alertEmail"),
    ({"clientIdList": AGENT, "name": "f"}, "name"),
    ({"clientIdList": AGENT, "name": "f" * 25}, "name"),
    ({"clientIdList": AGENT, "secretName": ""}, "secretName"),
    ({"clientIdList": AGENT, "foundryProjectId": "my-project"}, "foundryProjectId"),
    ({"callerAuth": "api_key"}, "keysSecretName"),
    ({"callerAuth": "function_key"}, "functionKeyPrincipal"),
    ({"callerAuth": "function_key", "functionKeyPrincipal": "f", "keysSecretName": "k"}, "API keys"),
    ({"callerAuth": "nobody"}, "callerAuth"),
    ({"clientIdLists": AGENT}, "clientIdLists"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_what_cannot_work_is_refused_before_anything_is_created(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Failed, match=said):
        deployed(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"callerAuth": "api_key", "keysSecretName": "neo4j-keys", "apiClientId": ""},
        {"callerAuth": "function_key", "functionKeyPrincipal": "foundry", "apiClientId": ""},
        {"clientIdList": AGENT, "keysSecretName": "neo4j-keys", "pythonVersion": "3.12"},
        {"clientIdList": AGENT, "network": "private", "inbound": "private", "acceptUsers": "true"},
        {"clientIdList": AGENT, "secretsOfficerId": PROJECT, "secretsOfficerType": "ServicePrincipal"},
        {"clientIdList": AGENT, "foundryProjectId": FOUNDRY, "foundryProof": "user_token"},
    ],
)
def test_what_the_documents_ask_for_can_be_deployed_and_is_what_the_server_reads(given: dict[str, Any]) -> None:
    settings = AzureSettings.from_environ(deployed(**given).value("serverSettings"))
    assert settings.caller_auth == given.get("callerAuth", "entra")
    if settings.issuers is not None:
        (issuer,) = read_issuers(settings.issuers, source="NEO4J_M2M_ISSUERS")
        assert issuer.app_only is (given.get("acceptUsers") != "true")


def test_with_a_domain_of_ones_own_clients_are_told_of_a_scope_whose_resource_is_the_endpoint() -> None:
    url = "https://graph.contoso.com/mcp"
    issuer = issuer_of(deployed(clientIdList=AGENT, publicUrl=url))
    assert issuer.asked_scopes == (f"{url}/.default",)
    assert issuer.audience == (url, f"api://{APP_ID}", APP_ID)
    assert "NEO4J_M2M_PUBLIC_URL: mcpUrl" in FUNCTION.text
    assert "var mcpUrl = empty(publicUrl) ?" in FUNCTION.text


def test_the_name_of_an_azd_environment_makes_a_host_name() -> None:
    assert deployed(clientIdList=AGENT, name="My_Flights.dev").value("hostName") == "my-flights-dev"


def test_no_text_among_the_settings_looks_like_an_expression_of_resource_manager() -> None:
    settings = deployed(clientIdList=AGENT).value("serverSettings")
    assert not [name for name, value in settings.items() if value.startswith("[")]


def test_the_parameters_for_azd_are_parameters_and_enough() -> None:
    given = json.loads((AZURE / "main.parameters.json").read_text())["parameters"]
    parameters = MAIN.part("parameters")
    needed = {name for name, parameter in parameters.items() if parameter["default"] is None}
    assert needed <= set(given) <= set(parameters)


def test_the_example_s_parameters_are_parameters_and_enough() -> None:
    example = (AZURE / "example.bicepparam").read_text()
    assert "using 'main.bicep'" in example
    given = set(re.findall(r"^param (\w+) =", example, re.MULTILINE))
    parameters = MAIN.part("parameters")
    needed = {name for name, parameter in parameters.items() if parameter["default"] is None}
    assert needed <= given <= set(parameters)


def test_the_connections_budget_is_what_neo4j_bears_without_being_tuned() -> None:
    parameters = MAIN.part("parameters")
    # server.bolt.thread_pool_max_size is 400.
    assert parameters["maximumInstanceCount"]["default"] * parameters["poolSize"]["default"] <= 400
    assert "output connectionBudget int = maximumInstanceCount * poolSize" in MAIN.text
