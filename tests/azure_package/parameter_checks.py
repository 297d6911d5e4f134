"""What azd makes of ``main.parameters.json`` for values that people set, up to the server's own settings.

The texts are filled in by azd's own library; what azd does with the results is written out in `by_azd`. Every value
either works or is refused before anything is deployed, with a reason. Run by ``make azure-package``.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from azure_function.settings import AzureSettings
from core.identity.issuers import TrustedIssuer, read_issuers
from tests.azure_package.packers import AZD, ROOT
from tests.infra.azure_templates import AGENT, APP_ID, AZURE, BLUEPRINT, ELSEWHERE, FOUNDRY, MAIN, PROJECT
from tests.infra.bicep_values import Failed, Template

pytestmark = pytest.mark.processes

ALWAYS = {
    "AZURE_ENV_NAME": "flights",
    "AZURE_LOCATION": "swedencentral",
    "AZURE_PRINCIPAL_ID": "0ba1b2c3-1111-4222-8333-444455556666",
    "API_CLIENT_ID": APP_ID,
    "FOUNDRY_PROJECT_ID": "",
}
"""What azd sets itself, the registration's id, and the answer to the one question that azd asks."""


def filled_in(texts: list[str], environ: dict[str, str]) -> list[str]:
    asked = json.dumps({"texts": texts, "environ": environ})
    said = subprocess.run([AZD, "substitute"], input=asked, capture_output=True, text=True, check=True).stdout
    filled: list[str] = json.loads(said)
    return filled


def by_azd(environ: dict[str, str]) -> dict[str, Any]:
    """The parameters that azd hands to Resource Manager.

    It fills in each parameter's JSON as a text, reads that, and leaves out an empty text whose variable is not set.
    Source: https://github.com/Azure/azure-dev , loadParameters in bicep_provider.go.

    Raises:
        Failed: azd stops.
    """
    written = json.loads((AZURE / "main.parameters.json").read_text())["parameters"]
    texts = {name: json.dumps(parameter) for name, parameter in written.items()}
    given: dict[str, Any] = {}
    for name, filled in zip(texts, filled_in(list(texts.values()), environ), strict=True):
        try:
            value = json.loads(filled)["value"]
        except ValueError:
            raise Failed(f"azd cannot read the parameter {name}") from None
        unset = any(variable not in environ for variable in re.findall(r"\$\{(\w+)", texts[name]))
        if value != "" or not unset:
            given[name] = value
    missing = {name for name, each in MAIN.part("parameters").items() if each["default"] is None} - set(given)
    if missing:
        raise Failed(f"azd asks for {sorted(missing)}")
    return given


def settings_of(environ: dict[str, str]) -> AzureSettings:
    template = Template(MAIN.path, by_azd(environ), ELSEWHERE)
    template.value("suffix")
    return AzureSettings.from_environ(template.value("serverSettings"))


def issuer_of(environ: dict[str, str]) -> TrustedIssuer:
    (issuer,) = read_issuers(settings_of(environ).issuers or "", source="NEO4J_M2M_ISSUERS")
    return issuer


WORKS: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"CALLER_CLIENT_IDS": AGENT}, {"clients": (AGENT,), "blueprints": None, "app_only": True}),
    ({"CALLER_CLIENT_IDS": f"{AGENT},{PROJECT}"}, {"clients": (AGENT, PROJECT)}),
    ({"CALLER_CLIENT_IDS": f"{AGENT.upper()}, {PROJECT}"}, {"clients": (AGENT, PROJECT)}),
    ({"CALLER_BLUEPRINT_IDS": BLUEPRINT}, {"clients": None, "blueprints": (BLUEPRINT,)}),
    (
        {"CALLER_CLIENT_IDS": AGENT, "CALLER_BLUEPRINT_IDS": BLUEPRINT},
        {"clients": (AGENT,), "blueprints": (BLUEPRINT,)},
    ),
    ({"CALLER_CLIENT_IDS": AGENT, "ACCEPT_USERS": "true"}, {"app_only": False}),
    ({"CALLER_CLIENT_IDS": AGENT, "ACCEPT_USERS": ""}, {"app_only": True}),
    ({"CALLER_CLIENT_IDS": AGENT, "AUDIENCE": "api://t/flights"}, {"asked_scopes": ("api://t/flights/.default",)}),
    ({"CALLER_CLIENT_IDS": AGENT, "AUDIENCE": ""}, {"audience": (f"api://{APP_ID}", APP_ID)}),
    (
        {"CALLER_CLIENT_IDS": AGENT, "PUBLIC_URL": "https://graph.contoso.com/mcp"},
        {"asked_scopes": ("https://graph.contoso.com/mcp/.default",)},
    ),
    ({"CALLER_CLIENT_IDS": AGENT, "FOUNDRY_PROJECT_ID": FOUNDRY, "NETWORK": "private", "INBOUND": "private"}, {}),
    ({"CALLER_CLIENT_IDS": AGENT, "AZURE_PRINCIPAL_TYPE": "ServicePrincipal", "EASY_AUTH": "true"}, {}),
]


@pytest.mark.parametrize(("more", "expected"), WORKS)
def test_a_value_that_is_taken_is_what_the_server_reads(more: dict[str, str], expected: dict[str, Any]) -> None:
    issuer = issuer_of({**ALWAYS, **more})
    assert {name: getattr(issuer, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("more", "mode"),
    [
        ({"CALLER_AUTH": "api_key", "KEYS_SECRET_NAME": "neo4j-keys", "API_CLIENT_ID": ""}, "api_key"),
        ({"CALLER_AUTH": "function_key", "FUNCTION_KEY_PRINCIPAL": "foundry"}, "function_key"),
    ],
)
def test_the_other_proofs_can_be_chosen(more: dict[str, str], mode: str) -> None:
    settings = settings_of({**ALWAYS, **more})
    assert settings.caller_auth == mode
    assert settings.issuers is None


REFUSED: list[tuple[dict[str, str], str]] = [
    ({}, "Nobody may call"),
    ({"CALLER_CLIENT_IDS": ""}, "Nobody may call"),
    ({"CALLER_CLIENT_IDS": ","}, "Nobody may call"),
    ({"CALLER_CLIENT_IDS": f'["{AGENT}"]'}, "azd cannot read"),
    ({"CALLER_CLIENT_IDS": f"[{AGENT}]"}, "not ids"),
    ({"CALLER_CLIENT_IDS": f"{AGENT} {PROJECT}"}, "not ids"),
    ({"CALLER_CLIENT_IDS": f"{AGENT};{PROJECT}"}, "not ids"),
    ({"CALLER_CLIENT_IDS": "agent"}, "not ids"),
    ({"CALLER_BLUEPRINT_IDS": "blueprint"}, "not ids"),
    ({"CALLER_CLIENT_IDS": AGENT, "API_CLIENT_ID": ""}, "apiClientId"),
    ({"CALLER_CLIENT_IDS": AGENT, "API_CLIENT_ID": "neo4j"}, "not ids"),
    ({"CALLER_CLIENT_IDS": AGENT, "ACCEPT_USERS": "yes"}, "acceptUsers"),
    ({"CALLER_CLIENT_IDS": AGENT, "NETWORK": "vnet"}, "network"),
    ({"CALLER_CLIENT_IDS": AGENT, "INBOUND": "private"}, "inbound"),
    ({"CALLER_CLIENT_IDS": AGENT, "ALERT_EMAIL": "ada"}, "alertEmail"),
    ({"CALLER_CLIENT_IDS": AGENT, "FOUNDRY_PROJECT_ID": "p"}, "foundryProjectId"),
    ({"CALLER_CLIENT_IDS": AGENT, "AZURE_ENV_NAME": "e" * 25}, "name"),
    ({"CALLER_CLIENT_IDS": AGENT, "ROTATION": "true"}, "rotation"),
    ({"CALLER_CLIENT_IDS": AGENT, "ROTATION_EVENTS": "true"}, "nothing rotates"),
    ({"CALLER_CLIENT_IDS": AGENT, "ROTATION": "two_users", "ROTATED_SECRETS": "a,,b"}, "without a name"),
    ({"CALLER_AUTH": "api_key"}, "keysSecretName"),
    ({"CALLER_AUTH": "function_key"}, "functionKeyPrincipal"),
    ({"CALLER_AUTH": "none"}, "callerAuth"),
]


@pytest.mark.parametrize(("more", "said"), REFUSED)
def test_a_value_that_cannot_work_is_refused_before_anything_is_deployed(more: dict[str, str], said: str) -> None:
    with pytest.raises(Failed, match=said):
        settings_of({**ALWAYS, **more})


def test_azd_asks_for_the_foundry_project_and_for_nothing_else() -> None:
    asked = {name: value for name, value in ALWAYS.items() if name != "FOUNDRY_PROJECT_ID"}
    with pytest.raises(Failed, match=r"\['foundryProjectId'\]"):
        settings_of({**asked, "CALLER_CLIENT_IDS": AGENT})


@pytest.mark.parametrize(
    ("environ", "rotates", "rotated"),
    [
        ({}, False, ["neo4j-credential"]),
        ({"ROTATION": ""}, False, ["neo4j-credential"]),
        ({"ROTATION": "off"}, False, ["neo4j-credential"]),
        ({"ROTATION": "two_users", "ROTATION_EVENTS": "true"}, True, ["neo4j-credential"]),
        ({"ROTATION": "single_user", "ROTATED_SECRETS": "reader, writer"}, True, ["reader", "writer"]),
    ],
)
def test_the_rotation_is_off_unless_a_variable_asks_for_it(
    environ: dict[str, str], rotates: bool, rotated: list[str]
) -> None:
    given = by_azd({**ALWAYS, "CALLER_CLIENT_IDS": AGENT, **environ})
    template = Template(MAIN.path, given, ELSEWHERE)
    assert template.value("suffix")
    assert (template.value("rotates"), template.value("rotated")) == (rotates, rotated)


@pytest.mark.parametrize(
    ("outputs", "published"), [({}, False), ({"rotates": "false"}, False), ({"rotates": "true"}, True)]
)
def test_azd_publishes_the_rotation_once_the_template_has_said_that_it_is_there(
    outputs: dict[str, str], published: bool
) -> None:
    """azd keeps each output of the template as a variable, and takes few words for yes.

    Source: https://github.com/Azure/azure-dev , isConditionTrue in service_config.go.
    """
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text())
    (filled,) = filled_in([azure["services"]["rotation"]["condition"]], outputs)
    assert (filled in {"1", "true", "TRUE", "True", "yes", "YES", "Yes"}) is published
