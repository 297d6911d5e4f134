"""The rotation on Azure: what its templates deploy, whom they let do what, and when they deploy nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from azure_function.rotation_settings import AzureRotationSettings
from tests.infra.azure_templates import (
    AGENT,
    APP_ID,
    AZURE,
    ELSEWHERE,
    FILES,
    FUNCTION,
    MAIN,
    ROTATION,
    deployed,
    described,
    modules,
)
from tests.infra.bicep_source import body_of
from tests.infra.bicep_values import Failed, Template

ROOT = Path(__file__).parents[2]
NETWORK = FILES["azure/modules/network.bicep"]
EVENTS = FILES["azure/modules/rotation-events.bicep"]
ALERTS = FILES["azure/modules/rotation-alerts.bicep"]
CODE = (ROOT / "azure_function/rotation.py").read_text()
FUNCTIONS = set(re.findall(r'@app\.function_name\("(\w+)"\)', CODE))

OWN = {"properties": {"clientId": "id-of-the-rotation", "principalId": "p"}}
"""The identity that rotation.bicep declares."""

SERVER_VAULT = "https://kv-abc.vault.azure.net/"

DEPLOYED: dict[str, Any] = {
    **ELSEWHERE,
    "vault": {"outputs": {"vaultName": "kv-abc", "vaultUrl": SERVER_VAULT, "vaultId": "id of kv-abc"}},
    "monitoring": {"outputs": {"insightsName": "appi", "connectionString": "c", "workspaceId": "id of log"}},
    "privateNetwork": {
        "outputs": {"networkId": "id of vnet", "endpointSubnetId": "endpoints", "rotationSubnetId": "its subnet"}
    },
    "alerts": {"outputs": {"actionGroupId": "id of mail"}},
}
"""What the other modules of main.bicep say once they are deployed."""


def handed_over(mode: str, **given: Any) -> dict[str, Any]:
    """The parameters that main.bicep gives to rotation.bicep, with the values that they have then."""
    parameters = {"name": "flights", "apiClientId": APP_ID, "foundryProjectId": "", "clientIdList": AGENT, **given}
    main = Template(MAIN.path, {**parameters, "rotation": mode}, DEPLOYED)
    assert main.value("suffix")
    block = MAIN.text.partition("module rotationApp ")[2].partition("  params: {\n")[2].partition("\n  }\n")[0]
    written = re.findall(r"^    (\w+): (.+)$", block, re.MULTILINE)
    assert {name for name, _ in written} == set(body_of(modules(MAIN)["rotationApp"])["params"])
    return {name: main.evaluated(text) for name, text in written}


def rotation(mode: str, **given: Any) -> Template:
    """rotation.bicep as main.bicep deploys it."""
    known = {"identity": OWN}
    if mode == "two_users":
        known["adminVault"] = {"outputs": {"vaultUrl": "https://kv-adm.vault.azure.net/"}}
    return Template(ROTATION.path, handed_over(mode, **given), known)


def settings(mode: str, **given: Any) -> dict[str, str]:
    made: dict[str, str] = rotation(mode, **given).value("rotationSettings")
    return made


# --- off


def test_nothing_of_the_rotation_is_deployed_unless_it_is_asked_for() -> None:
    assert deployed(clientIdList=AGENT).value("rotates") is False
    assert modules(MAIN)["rotationApp"]["config"]["condition"] == "rotates"
    others = [modules(source) for source in FILES.values() if source is not ROTATION]
    paths = [module["detail"]["path"] for each in others for module in each.values()]
    assert [path for path in paths if "rotation" in path] == ["modules/rotation.bicep"]
    network = {"suffix": "s", "location": "l", "tags": {}, "addressPrefix": "10.83.0.0/24", "rotates": False}
    assert Template(NETWORK.path, network).value("rotationSubnets") == []


def test_no_output_asks_for_a_rotation_that_is_not_deployed() -> None:
    uses = re.findall(r"^output .*rotationApp!.*$", MAIN.text, re.MULTILINE)
    assert len(uses) == 4
    assert all(" = rotates ? rotationApp!.outputs." in line and line.endswith(": ''") for line in uses)
    assert MAIN.text.count("rotationApp!") == 4


def test_the_words_are_those_of_the_template_for_aws() -> None:
    said = re.search(r"  Rotation:\n.*?AllowedValues: \[(.*?)\]", (ROOT / "template.yaml").read_text(), re.DOTALL)
    assert said is not None
    allowed = next(each for each in MAIN.part("parameters")["rotation"]["decorators"] if each["type"] == "allowed")
    assert [word.strip(' "') for word in said[1].split(",")] == allowed["argument"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"rotation": "on"}, "rotation"),
    ({"rotation": ""}, "rotation"),
    ({"rotation": "two_users", "rotatedSecrets": "a,"}, "without a name"),
    ({"rotation": "two_users", "rotatedSecrets": "a,,b"}, "without a name"),
    ({"rotation": "two_users", "rotatedSecrets": "a,neo4j-administrator"}, "administrator's secret"),
    ({"rotation": "two_users", "secretName": "neo4j-administrator"}, "administrator's secret"),
    ({"rotation": "two_users", "rotatedSecrets": "a,k", "keysSecretName": "k"}, "API keys"),
    ({"rotation": "two_users", "rotationDays": 0}, "rotationDays"),
    ({"rotation": "two_users", "rotationDays": 3621}, "rotationDays"),
    ({"rotation": "two_users", "adminSecretName": ""}, "adminSecretName"),
    ({"rotationEvents": "true"}, "nothing rotates"),
    ({"rotation": "two_users", "rotationEvents": "yes"}, "rotationEvents"),
    (
        {"rotation": "two_users", "rotationEvents": "true", "network": "private", "inbound": "private"},
        "Event Grid reaches no app that is private",
    ),
]


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_a_rotation_that_cannot_work_is_refused_before_anything_is_created(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Failed, match=said):
        deployed(clientIdList=AGENT, **given)


# --- what it is told


def test_two_users_rotate_by_an_administrator_in_another_vault() -> None:
    read = AzureRotationSettings.from_environ(settings("two_users"))
    assert read.rotation_mode == "two_users"
    assert read.rotated_secrets == ("neo4j-credential",)
    assert read.admin_secret == "neo4j-administrator"
    assert read.admin_vault_url == "https://kv-adm.vault.azure.net/"
    assert read.vault_url == SERVER_VAULT
    assert read.identity_client_id == "id-of-the-rotation"


def test_a_single_user_rotates_without_an_administrator_and_without_their_vault() -> None:
    read = AzureRotationSettings.from_environ(settings("single_user"))
    assert read.rotation_mode == "single_user"
    assert read.admin_secret is None
    assert read.admin_vault_url is None
    assert rotation("single_user").value("byAdministrator") is False
    assert modules(ROTATION)["adminVault"]["config"]["condition"] == "byAdministrator"


def test_several_secrets_are_rotated_where_several_are_named() -> None:
    read = AzureRotationSettings.from_environ(settings("two_users", rotatedSecrets=" neo4j-reader, neo4j-writer "))
    assert read.rotated_secrets == ("neo4j-reader", "neo4j-writer")


@pytest.mark.parametrize("days", [1, 30, 3620])
def test_a_secret_is_near_its_expiry_as_many_days_after_a_rotation_as_were_asked_for(days: int) -> None:
    read = AzureRotationSettings.from_environ(settings("two_users", rotationDays=days))
    assert read.valid_days - read.rotate_days_before == days
    # Key Vault's own number, which nobody can choose: https://learn.microsoft.com/azure/event-grid/event-schema-key-vault
    assert read.rotate_days_before == 30


def test_the_worker_is_shown_another_file_of_the_same_package() -> None:
    named = settings("two_users")["PYTHON_SCRIPT_FILE_NAME"]
    assert "/" not in named
    assert (ROOT / named).is_file()
    assert f"!/{named}" in (ROOT / ".funcignore").read_text().splitlines()


def test_no_setting_of_the_rotation_holds_a_credential() -> None:
    assert not [name for name in settings("two_users") if "PASSWORD" in name or name.startswith("NEO4J_URI")]


def test_the_rotation_is_told_where_things_are() -> None:
    """Each by its own output: a name in place of a URL would be found out only on Azure."""
    given = handed_over("two_users", secretsOfficerId=AGENT, secretsOfficerType="Group")
    assert (given["vaultName"], given["vaultUrl"]) == ("kv-abc", SERVER_VAULT)
    assert (given["insightsName"], given["insightsConnectionString"]) == ("appi", "c")
    assert given["workspaceId"] == "id of log"
    assert (given["writerPrincipalId"], given["writerPrincipalType"]) == (AGENT, "Group")
    assert (given["networkId"], given["endpointSubnetId"], given["subnetId"]) == ("", "", "")
    assert (given["isPrivate"], given["publicAccess"], given["subscribes"]) == (False, True, False)
    assert given["actionGroupId"] == ""


def test_in_a_network_without_an_entrance_the_rotation_has_none_either() -> None:
    given = handed_over("two_users", network="private", inbound="private", alertEmail="ada@example.com")
    assert (given["networkId"], given["endpointSubnetId"]) == ("id of vnet", "endpoints")
    assert given["subnetId"] == "its subnet"
    assert (given["isPrivate"], given["publicAccess"]) == (True, False)
    assert given["actionGroupId"] == "id of mail"


def test_events_come_in_a_network_too_as_long_as_the_app_answers_on_the_internet() -> None:
    given = handed_over("two_users", network="private", rotationEvents="true")
    assert (given["subscribes"], given["publicAccess"]) == (True, True)


# --- who may do what


def test_the_server_s_identity_has_no_part_in_the_rotation() -> None:
    """So it has no role on the administrator's vault, and cannot change what runs as the rotation's identity."""
    given = re.search(r"module rotationApp .*?\n}\n", MAIN.text, re.DOTALL)
    assert given is not None
    assert "identity" not in given[0]
    assert len(ROTATION.resources("Microsoft.ManagedIdentity/userAssignedIdentities")) == 1
    own = body_of(modules(ROTATION)["app"])["params"]["identityId"]
    principal = "identity.properties.principalId"
    for module, parameter in (("adminVault", "readerPrincipalId"), ("storage", "functionPrincipalId")):
        text = ROTATION.text.partition(f"\nmodule {module} ")[2].partition("\nmodule ")[0]
        assert f"{parameter}: {principal}\n" in text
    assert own["operator"]["operands"] == {"operand_1": "identity", "operand_2": "id"}


def test_the_rotation_s_vault_and_storage_are_other_ones_than_the_server_s() -> None:
    for module, of_server in (("adminVault", "vault"), ("storage", "storage")):
        inside, outside = body_of(modules(ROTATION)[module]), body_of(modules(MAIN)[of_server])
        assert modules(ROTATION)[module]["detail"]["path"] == f"{of_server}.bicep"
        assert inside["params"]["suffix"] != outside["params"]["suffix"] == "suffix"
    names = [f"kv-{'adm-'}{'a' * 13}", f"st{'rot'}{'a' * 13}"]
    assert all(
        len(name) <= 24 for name in names
    )  # https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules


def test_the_name_of_the_longest_app_is_a_name_of_azure_s() -> None:
    name = body_of(modules(ROTATION)["app"])["params"]["name"]
    assert name == "func-${hostName}-rotation-${suffix}"
    assert len(name.replace("${hostName}", "n" * 24).replace("${suffix}", "s" * 13)) <= 60


def test_app_service_does_not_stand_before_the_rotation_where_it_would_refuse_event_grid() -> None:
    given = body_of(modules(ROTATION)["app"])["params"]
    assert "easyAuth" not in given
    assert FUNCTION.part("parameters")["easyAuth"]["default"] is False
    assert "requireAuthentication: easyAuth\n" in FUNCTION.text


def test_in_a_network_the_rotation_reaches_the_database_from_the_same_address() -> None:
    given = {"suffix": "s", "location": "l", "tags": {}, "addressPrefix": "10.83.0.0/24", "rotates": True}
    template = Template(NETWORK.path, given, {"nat": {"id": "the gateway"}})
    (subnet,) = template.value("rotationSubnets")
    assert subnet["name"] == "rotation"
    properties = subnet["properties"]
    assert properties["natGateway"] == {"id": "the gateway"}
    assert properties["delegations"][0]["properties"]["serviceName"] == "Microsoft.App/environments"
    assert properties["addressPrefix"] == "10.83.0.128/26"
    assert re.findall(r"cidrSubnet\(addressPrefix, 26, (\d)\)", NETWORK.text) == ["2", "0", "1"]
    assert "subnetId: isPrivate ? privateNetwork!.outputs.rotationSubnetId : ''" in MAIN.text
    conditions = {name: each["config"].get("condition") for name, each in modules(ROTATION).items()}
    assert conditions["storageEndpoint"] == "isPrivate"
    assert "module adminVaultEndpoint 'endpoint.bicep' = if (isPrivate && byAdministrator)" in ROTATION.text
    assert "module appEndpoint 'endpoint.bicep' = if (isPrivate && !publicAccess)" in ROTATION.text


# --- the events


def test_event_grid_is_asked_for_what_the_function_takes() -> None:
    (subscription,) = EVENTS.resources("Microsoft.EventGrid/systemTopics/eventSubscriptions")
    properties = subscription["properties"]
    assert properties["eventDeliverySchema"] == "EventGridSchema"
    assert all(f'"{kind}"' in CODE for kind in properties["filter"]["includedEventTypes"])
    assert "Microsoft.KeyVault.SecretNearExpiry" in properties["filter"]["includedEventTypes"]
    (topic,) = EVENTS.resources("Microsoft.EventGrid/systemTopics")
    assert topic["properties"] == {"source": "vaultId", "topicType": "Microsoft.KeyVault.vaults"}


def test_event_grid_finds_the_function_by_its_id_so_that_no_key_is_written_down() -> None:
    (subscription,) = EVENTS.resources("Microsoft.EventGrid/systemTopics/eventSubscriptions")
    destination = subscription["properties"]["destination"]
    assert destination["endpointType"] == "AzureFunction"
    app, _, function = destination["properties"]["resourceId"].partition("/functions/")
    assert (app, function) == ("${functionAppId}", "near_expiry")
    assert re.search(rf'@app\.function_name\("{function}"\)\n@app\.event_grid_trigger', CODE)
    assert "code=" not in EVENTS.text


def test_the_events_are_subscribed_to_by_a_later_deployment() -> None:
    """Event Grid looks for the function, which there is once the package is published."""
    assert MAIN.part("parameters")["rotationEvents"]["default"] == "false"
    assert "subscribes: rotationEvents == 'true'\n" in MAIN.text
    assert modules(ROTATION)["events"]["config"]["condition"] == "subscribes"


# --- the alerts


def test_an_alert_looks_for_the_functions_that_there_are() -> None:
    assert {"near_expiry", "rotate_when_near", "rotate_on_demand"} == FUNCTIONS
    failed, asleep = (
        each["properties"]["criteria"]["allOf"][0]["query"]
        for each in ALERTS.resources("Microsoft.Insights/scheduledQueryRules")
    )
    assert set(re.findall(r'"(\w+)"', failed)) == FUNCTIONS
    assert set(re.findall(r'"(\w+)"', asleep)) == {"rotate_when_near"}
    slow = re.search(r"Name !in \((.*?)\)", FILES["azure/modules/alerts.bicep"].text)
    assert slow is not None
    assert set(re.findall(r'"(\w+)"', slow[1])) == FUNCTIONS


def test_each_alert_says_what_to_do_and_reaches_the_operator() -> None:
    rules = ALERTS.resources("Microsoft.Insights/scheduledQueryRules")
    (refusal,) = ALERTS.resources("Microsoft.Insights/metricAlerts")
    for alert, action in zip([*rules, refusal], ["then rotate again", "Publish the package", "Find out"], strict=True):
        assert action in alert["properties"]["description"]
    assert [rule["properties"]["actions"]["actionGroups"] for rule in rules] == [["actionGroupId"]] * 2
    assert refusal["properties"]["actions"] == [{"actionGroupId": "actionGroupId"}]
    assert "actionGroupId: empty(alertEmail) ? '' : alerts!.outputs.actionGroupId" in MAIN.text
    assert "was not rotated" in CODE


# --- azd


def test_azd_publishes_the_same_package_to_both_apps_and_to_the_second_only_if_it_is_there() -> None:
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text())
    server, rotates = azure["services"]["mcp"], azure["services"]["rotation"]
    assert {name: rotates[name] for name in server} == server
    assert rotates["condition"] == "${rotates}"
    assert MAIN.part("outputs")["rotates"] == {**MAIN.part("outputs")["rotates"], "type": "bool", "value": "rotates"}
    allowed = next(each for each in FUNCTION.part("parameters")["service"]["decorators"] if each["type"] == "allowed")
    assert allowed["argument"] == list(azure["services"])
    assert "'azd-service-name': service" in FUNCTION.text
    assert body_of(modules(ROTATION)["app"])["params"]["service"] == "rotation"
    assert body_of(modules(MAIN)["function"])["params"]["service"] == "mcp"
    assert (ROOT / azure["infra"]["path"]) == AZURE


def test_the_parameters_of_the_rotation_say_what_they_do() -> None:
    for name in ("rotation", "rotationDays", "rotatedSecrets", "adminSecretName", "rotationEvents"):
        assert len(described(MAIN.part("parameters")[name]["decorators"])) > 20
