"""What the templates of infra/azure and infra/foundry promise, as far as it can be seen without deploying them."""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark.exceptions import LarkError

from azure_function.settings import AzureSettings
from core.access.policy import read_policy
from core.identity.issuers import TrustedIssuer, read_issuers
from core.identity.principal import Principal, PrincipalKind
from core.tools import ALL_TOOLS
from tests.infra.bicep_source import Source, body_of
from tests.infra.bicep_values import Failed, Template
from tests.support.grants import allowed

INFRA = Path(__file__).parents[2] / "infra"
AZURE = INFRA / "azure"
FILES = {str(path.relative_to(INFRA)): Source.read(path) for path in sorted(INFRA.rglob("*.bicep"))}
MAIN = FILES["azure/main.bicep"]
FUNCTION = FILES["azure/modules/function.bicep"]
ENDPOINT = FILES["azure/modules/endpoint.bicep"]
VAULT = FILES["azure/modules/vault.bicep"]
STORAGE = FILES["azure/modules/storage.bicep"]
MONITORING = FILES["azure/modules/monitoring.bicep"]
CONNECTION = FILES["foundry/connection.bicep"]
REGISTRATION = FILES["entra/registration.bicep"]

TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"

KNOWN_SETTINGS = {AzureSettings.variable(name) for name in AzureSettings.model_fields}

ROLES = {
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
"""Every role that is given: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles ."""

ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"


def module_of(declared: dict[str, Any]) -> Source:
    """The file of a module of main.bicep."""
    return FILES[posixpath.normpath(f"azure/{declared['detail']['path']}")]


every_file = pytest.mark.parametrize("source", FILES.values(), ids=FILES.keys())


def described(decorators: list[dict[str, Any]]) -> str:
    return next((str(each["argument"]) for each in decorators if each["type"] == "description"), "")


def is_secure(parameter: dict[str, Any]) -> bool:
    return any(each["type"] == "secure" for each in parameter["decorators"])


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


# --- the files as such


def test_the_files_are_there() -> None:
    assert len(FILES) >= 8


@every_file
def test_every_file_parses(source: Source) -> None:
    assert source.parsed["parameters"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("var isPrivate = network == 'private'", "var isPrivate network == 'private'"),
        ("var isPrivate = network == 'private'", "var isPrivate = network == 'private"),
        ("  location: location\n  tags: tags\n}\n", "  location: location\n  tags: tags\n"),
        ("module storage 'modules/storage.bicep' = {", "module storage = {"),
        ("param tags object = {}", "param tags object = {"),
    ],
)
def test_a_broken_file_does_not_parse(right: str, wrong: str) -> None:
    assert right in MAIN.text
    with pytest.raises(LarkError):
        assert Source(MAIN.text.replace(right, wrong, 1)).parsed is None


@every_file
def test_every_name_that_is_used_is_declared(source: Source) -> None:
    assert source.undeclared == set()


@every_file
def test_everything_that_is_declared_is_used(source: Source) -> None:
    idle = {name for name, what in source.declared.items() if what in {"param", "var"}} - source.used
    assert idle == set()


@pytest.mark.parametrize(
    ("right", "wrong", "name"),
    [
        ("tags: tags", "tags: tag", "tag"),
        ("'${loginUrl}/v2.0'", "'${logonUrl}/v2.0'", "logonUrl"),
        ("empty(alertEmail)", "isEmpty(alertEmail)", "isEmpty"),
        ("isPrivate ? privateNetwork!", "isPrivate ? privateNet!", "privateNet"),
    ],
)
def test_a_misspelt_name_is_found(right: str, wrong: str, name: str) -> None:
    assert right in MAIN.text
    assert Source(MAIN.text.replace(right, wrong, 1)).undeclared == {name}


def test_an_idle_parameter_is_found() -> None:
    source = Source("param idle string\n\nparam busy string\n\noutput said string = '${busy} // ${busy}'\n")
    assert set(source.declared) - source.used == {"idle"}


@pytest.mark.parametrize("name", list(MAIN.part("modules")))
def test_a_module_gets_what_it_asks_for_and_nothing_else(name: str) -> None:
    module = MAIN.part("modules")[name]
    asked = module_of(module).part("parameters")
    needed = {parameter for parameter, what in asked.items() if what["default"] is None}
    given = set(body_of(module)["params"])
    assert needed <= given <= set(asked)


def test_every_output_of_a_module_that_is_used_exists() -> None:
    modules = {name: module_of(each) for name, each in MAIN.part("modules").items()}
    uses = re.findall(r"(\w+)!?\.outputs\.(\w+)", MAIN.code)
    assert len(uses) >= 10
    for module, output in uses:
        assert output in modules[module].part("outputs"), f"{module} has no output {output}"


@every_file
def test_every_parameter_and_every_output_is_described(source: Source) -> None:
    for part in ("parameters", "outputs"):
        for name, what in source.part(part).items():
            decorators = what.get("decorators") or []
            assert described(decorators).endswith("."), f"{part}: {name}"


def test_a_type_of_resource_has_one_version_everywhere() -> None:
    versions: dict[str, set[str]] = {}
    for source in FILES.values():
        for resource in source.part("resources").values():
            versions.setdefault(resource["type"], set()).add(resource["api_version"])
    assert {kind: found for kind, found in versions.items() if len(found) > 1} == {}


# --- nothing secret


@every_file
def test_no_key_is_looked_up(source: Source) -> None:
    assert re.findall(r"\blist\w*\s*\(|\bgetSecret\b|\breference\s*\(", source.code) == []
    assert re.findall(r"AccountKey|SharedAccessSignature|InstrumentationKey", source.text) == []


@every_file
def test_no_output_holds_a_secret(source: Source) -> None:
    secure = {name for name, parameter in source.part("parameters").items() if is_secure(parameter)}
    for name, output in source.part("outputs").items():
        words = {word for leaf in leaves(output["value"]) for word in re.findall(r"\w+", str(leaf))}
        assert words & secure == set(), name


def test_the_function_s_deployment_is_given_no_secret_at_all() -> None:
    azure = [source for name, source in FILES.items() if name.startswith("azure/")]
    assert not any(is_secure(each) for source in azure for each in source.part("parameters").values())
    assert not any(source.resources("Microsoft.KeyVault/vaults/secrets") for source in azure)


def test_what_a_connection_keeps_secret_is_declared_so() -> None:
    parameters = CONNECTION.part("parameters")
    assert {name for name, parameter in parameters.items() if is_secure(parameter)} == {"key", "clientSecret"}


# --- who may do what


def assignments() -> list[tuple[str, dict[str, Any], str]]:
    found = []
    for name, source in FILES.items():
        for config in source.resources(ROLE_ASSIGNMENT):
            role = re.search(r"roleDefinitions', (\w+)\)", _body(source, config["properties"]["principalId"]))
            assert role is not None
            found.append((name, config, source.part("variables")[role[1]]["value"]))
    return found


def _body(source: Source, principal: str) -> str:
    """The text of the one role assignment for ``principal``."""
    bodies = [body for body in source.text.split("\nresource ") if f"principalId: {principal}\n" in body]
    assert len(bodies) == 1
    return bodies[0]


def test_every_role_is_a_built_in_one_that_is_known_here() -> None:
    given = [ROLES[role] for _, _, role in assignments()]
    assert sorted(given) == sorted(ROLES.values())


def test_no_other_role_is_named_anywhere() -> None:
    guid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
    assert {found for source in FILES.values() for found in guid.findall(source.text)} == set(ROLES)


def test_every_role_is_given_on_one_resource() -> None:
    scopes = {ROLES[role]: config["scope"] for _, config, role in assignments()}
    assert scopes == {
        "Key Vault Secrets User": "vault",
        "Key Vault Secrets Officer": "vault",
        "Storage Blob Data Owner": "account",
        "Monitoring Metrics Publisher": "insights",
    }


def test_the_function_runs_as_one_identity_and_reads_with_it() -> None:
    (app,) = FUNCTION.resources("Microsoft.Web/sites")
    assert app["identity"]["type"] == "UserAssigned"
    principal = "identity.properties.principalId"
    for module, parameter in (
        ("vault", "readerPrincipalId"),
        ("storage", "functionPrincipalId"),
        ("monitoring", "publisherPrincipalId"),
    ):
        assert parameter in MAIN.part("modules")[module]["config"]["params"]
        assert f"{parameter}: {principal}\n" in MAIN.text


# --- how each resource is closed


def test_the_vault_knows_roles_and_forgets_nothing() -> None:
    (vault,) = VAULT.resources("Microsoft.KeyVault/vaults")
    properties = vault["properties"]
    assert properties["enableRbacAuthorization"] is True
    assert properties["enableSoftDelete"] is True
    assert properties["enablePurgeProtection"] is True
    assert "accessPolicies" not in properties
    (audit,) = VAULT.resources("Microsoft.Insights/diagnosticSettings")
    assert audit["properties"]["logs"] == [{"category": "AuditEvent", "enabled": True}]


def test_a_private_vault_does_not_answer_on_the_internet() -> None:
    assert "publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'" in VAULT.text
    assert "defaultAction: publicAccess ? 'Allow' : 'Deny'" in VAULT.text
    assert "publicAccess: !isPrivate" in MAIN.text


def test_the_storage_has_no_keys_and_shows_nothing() -> None:
    (account,) = STORAGE.resources("Microsoft.Storage/storageAccounts")
    properties = account["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"
    assert properties["supportsHttpsTrafficOnly"] is True
    (container,) = STORAGE.resources("Microsoft.Storage/storageAccounts/blobServices/containers")
    assert container["properties"]["publicAccess"] == "None"


def test_telemetry_takes_identities_only() -> None:
    (insights,) = MONITORING.resources("Microsoft.Insights/components")
    assert insights["properties"]["DisableLocalAuth"] is True
    (workspace,) = MONITORING.resources("Microsoft.OperationalInsights/workspaces")
    assert workspace["properties"]["features"]["disableLocalAuth"] is True
    settings = FUNCTION.part("variables")["hostSettings"]["value"]
    assert settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] == "ClientId=${identityClientId};Authorization=AAD"


def test_the_app_is_a_flex_consumption_app_with_https_and_no_passwords() -> None:
    (plan,) = FUNCTION.resources("Microsoft.Web/serverfarms")
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    (app,) = FUNCTION.resources("Microsoft.Web/sites")
    assert app["properties"]["httpsOnly"] is True
    site = app["properties"]["siteConfig"]
    assert site["minTlsVersion"] == site["scmMinTlsVersion"] == "1.2"
    assert site["ftpsState"] == "Disabled"
    policies = FUNCTION.resources("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {policy["name"]: policy["properties"] for policy in policies} == {
        "scm": {"allow": False},
        "ftp": {"allow": False},
    }
    config = app["properties"]["functionAppConfig"]
    assert config["runtime"]["name"] == "python"
    assert config["deployment"]["storage"]["authentication"]["type"] == "UserAssignedIdentity"


def test_the_host_s_storage_is_reached_by_identity() -> None:
    settings = FUNCTION.part("variables")["hostSettings"]["value"]
    assert settings["AzureWebJobsStorage__credential"] == "managedidentity"
    assert settings["AzureWebJobsStorage__clientId"] == "identityClientId"
    assert "AzureWebJobsStorage" not in settings


def auth_settings() -> dict[str, Any]:
    (settings,) = (
        each for each in FUNCTION.resources("Microsoft.Web/sites/config") if each["name"] == "authsettingsV2"
    )
    return dict(settings["properties"])


def test_app_service_answers_401_and_never_redirects() -> None:
    validation = auth_settings()["globalValidation"]
    assert "unauthenticatedClientAction: easyAuth ? 'Return401' : 'AllowAnonymous'" in FUNCTION.text
    assert "redirectToProvider" not in FUNCTION.text
    assert "RedirectToLoginPage" not in FUNCTION.text
    assert validation["excludedPaths"] == [
        "/health",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ]
    assert auth_settings()["login"]["tokenStore"]["enabled"] is False
    assert auth_settings()["httpSettings"]["requireHttps"] is True


def test_app_service_lets_in_the_audiences_and_clients_that_the_function_lets_in() -> None:
    directory = auth_settings()["identityProviders"]["azureActiveDirectory"]
    assert directory["validation"] == {
        "allowedAudiences": "audiences",
        "defaultAuthorizationPolicy": {"allowedApplications": "clientIds"},
    }
    given = MAIN.part("modules")["function"]["config"]["params"]
    assert given["audiences"] == "audiences"
    assert given["clientIds"] == "clients"


def test_app_service_stands_aside_where_it_would_refuse_keys() -> None:
    assert "easyAuth: easyAuth == 'true' && byToken && empty(keysSecretName) && empty(blueprints)" in MAIN.text


# --- the settings of the function


def server_settings() -> dict[str, Any]:
    return dict(MAIN.part("variables")["serverSettings"]["value"])


def test_every_setting_that_is_set_exists() -> None:
    named = {name for source in FILES.values() for name in re.findall(r"\bNEO4J_[A-Z0-9_]*[A-Z]\b", source.text)}
    assert set(server_settings()) <= named
    assert named <= KNOWN_SETTINGS


def test_nobody_overrides_what_the_template_sets_and_no_database_credential_is_set() -> None:
    assert "serverSettings: union(moreSettings, serverSettings)" in MAIN.text
    assert "union(serverSettings, publicSettings, discoverySettings, hostSettings)" in FUNCTION.text
    assert not any("PASSWORD" in name or name.startswith("NEO4J_URI") for name in server_settings())


APP_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
AGENT = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
PROJECT = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
BLUEPRINT = "9b2f4c1e-5d3a-4e8b-8f6d-2a7c0e1b3d5f"
FOUNDRY = "/subscriptions/s/resourceGroups/f/providers/Microsoft.CognitiveServices/accounts/a/projects/p"

ELSEWHERE = {
    "identity": {"properties": {"clientId": "id-of-the-function", "principalId": "p"}},
    "vault": {"outputs": {"vaultUrl": "https://kv-abc.vault.azure.net/"}},
}
"""What only a deployment knows."""


def deployed(**given: Any) -> Template:
    """main.bicep with parameters, as Resource Manager checks and fills it in before anything is created."""
    template = Template(
        MAIN.path, {"name": "flights", "apiClientId": APP_ID, "foundryProjectId": "", **given}, ELSEWHERE
    )
    template.value("suffix")
    return template


def issuer_of(template: Template) -> TrustedIssuer:
    settings = AzureSettings.from_environ(template.value("serverSettings"))
    (issuer,) = read_issuers(settings.issuers or "", source="NEO4J_M2M_ISSUERS")
    return issuer


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


# --- what is written after what, and what is not on the internet


def test_what_belongs_to_the_app_is_written_one_after_the_other() -> None:
    """Written at the same time, settings of such siblings were lost (reliable-web-app-pattern-dotnet#132)."""
    children = {
        name: each for name, each in FUNCTION.part("resources").items() if each["config"].get("parent") == "app"
    }
    assert len(children) == 4
    chain = {name: each["config"].get("dependsOn", []) for name, each in children.items()}
    assert chain == {
        "appSettings": [],
        "authSettings": ["appSettings"],
        "noScmPassword": ["authSettings"],
        "noFtpPassword": ["noScmPassword"],
    }


def test_app_service_serves_discovery_where_it_stands_in_front() -> None:
    assert MAIN.part("parameters")["easyAuth"]["default"] == "false"
    assert "var discoverySettings = easyAuth ? {" in FUNCTION.text
    assert "WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES: tokenScope" in FUNCTION.text
    assert "tokenScope: '${apiAudience}/.default'" in MAIN.text


def test_what_is_private_has_an_endpoint_and_no_other_door() -> None:
    modules = MAIN.part("modules")
    services = {
        name: body_of(each)["params"]["service"]
        for name, each in modules.items()
        if each["detail"]["path"] == "modules/endpoint.bicep"
    }
    assert services == {"vaultEndpoint": "vault", "storageEndpoint": "blob", "functionEndpoint": "sites"}
    assert "module functionEndpoint 'modules/endpoint.bicep' = if (isPrivate && inbound == 'private')" in MAIN.text
    assert "publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'" in FUNCTION.text
    assert "publicAccess: inbound == 'public'" in MAIN.text
    for source in (STORAGE, VAULT):
        assert "publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'" in source.text
        assert "defaultAction: publicAccess ? 'Allow' : 'Deny'" in source.text
    assert MAIN.text.count("publicAccess: !isPrivate") == 2
    assert ENDPOINT.resources("Microsoft.Network/privateEndpoints")


# --- the files beside the templates


def caller(kind: PrincipalKind, *roles: str, tenant: str = TENANT) -> Principal:
    return Principal(
        platform="azure",
        kind=kind,
        id="7c9e6679",
        name="agent",
        tenant=tenant,
        roles=frozenset(roles),
        proved_by="test",
    )


def test_the_policy_lets_in_whom_the_app_roles_let_in() -> None:
    policy = read_policy(
        (AZURE / "policy.toml").read_text().replace("TENANT", TENANT), source="NEO4J_M2M_POLICY", tools=ALL_TOOLS
    )

    def rule(principal: Principal) -> str | None:
        grant = policy.grant_for(principal)
        if grant is None:
            return None
        return f"{grant.rule}: {'write' if 'write-cypher' in allowed(grant) else 'read'}"

    assert rule(caller("service_principal", "Graph.Read")) == "applications with Graph.Read read: read"
    assert rule(caller("managed_identity", "Graph.Read", "Graph.Write")) == (
        "applications with Graph.Write read and write: write"
    )
    assert rule(caller("user_on_behalf", "Graph.Read")) == "users who consented to Graph.Read read a little: read"
    assert rule(caller("agent_identity", "Graph.Write")) == "applications with Graph.Write read and write: write"
    assert rule(caller("agent_identity", "Graph.Read")) == "applications with Graph.Read read: read"
    assert rule(caller("agent_identity")) == "agents of a listed blueprint read: read"
    assert rule(caller("agent_identity", tenant="another")) is None
    assert rule(caller("user_on_behalf", "Graph.Write")) is None
    assert rule(caller("api_key", "graph-reader", tenant="")) == "API keys with the role graph-reader read: read"
    assert rule(caller("api_key", tenant="")) is None
    assert rule(caller("service_principal")) is None
    assert rule(caller("service_principal", "Graph.Read", tenant="another")) is None


def test_the_registration_has_the_roles_that_are_asked_for() -> None:
    registration = json.loads((INFRA / "entra/registration.json").read_text())
    values = [role["value"] for role in registration["appRoles"]]
    assert values == MAIN.part("parameters")["requiredRoles"]["default"]
    assert all(role["allowedMemberTypes"] == ["Application"] for role in registration["appRoles"])
    scopes = registration["api"]["oauth2PermissionScopes"]
    assert [scope["value"] for scope in scopes] == ["Graph.Read"]
    assert registration["api"]["requestedAccessTokenVersion"] == 2
    ids = [each["id"] for each in [*registration["appRoles"], *scopes]]
    assert len(set(ids)) == 3
    named = tomllib.loads((AZURE / "policy.toml").read_text())["rule"]
    assert {rule["role"] for rule in named if rule.get("platform") == "azure" and "role" in rule} == set(values)


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


def test_the_registration_is_that_of_the_file_and_names_the_endpoint_first() -> None:
    (api,) = REGISTRATION.resources("Microsoft.Graph/applications")
    for name in ("appRoles", "optionalClaims"):
        assert list(api[name]["operator"]["operands"].values()) == ["registration", name]
    path = INFRA / "entra/registration.bicep"
    own = f"api://{TENANT}/flights"
    assert Template(path, {"name": "Flights"}).value("identifierUris") == [own]
    url = "https://graph.contoso.com/mcp"
    assert Template(path, {"name": "flights", "publicUrl": url}).value("identifierUris") == [url, own]
    with pytest.raises(Failed, match="https"):
        Template(path, {"name": "flights", "publicUrl": "http://x/mcp"}).value("identifierUris")
    preauthorized = re.search(r"preAuthorizedApplications: (map\(.*?\}\))\n", REGISTRATION.text, re.DOTALL)
    assert preauthorized is not None
    template = Template(path, {"name": "flights", "preAuthorizedClientIds": [AGENT]})
    scope = template.value("registration")["api"]["oauth2PermissionScopes"][0]["id"]
    assert template.evaluated(preauthorized[1]) == [{"appId": AGENT, "delegatedPermissionIds": [scope]}]


@pytest.mark.parametrize(("resource", "role"), [("reads", "Graph.Read"), ("writes", "Graph.Write")])
def test_an_identity_that_is_listed_gets_the_role_of_its_list(resource: str, role: str) -> None:
    body = REGISTRATION.text.partition(f"resource {resource} ")[2]
    expression = re.search(r"appRoleId: (.*)", body)
    assert expression is not None
    template = Template(INFRA / "entra/registration.bicep", {"name": "flights"})
    ids = {each["value"]: each["id"] for each in template.value("registration")["appRoles"]}
    assert template.evaluated(expression[1]) == ids[role]


@pytest.mark.parametrize("proof", ["project_identity", "agent_identity", "user", "user_token"])
def test_a_connection_without_an_audience_is_refused_before_it_is_made(proof: str) -> None:
    given = {"foundryName": "f", "projectName": "p", "mcpUrl": "https://graph.contoso.com/mcp", "proof": proof}
    with pytest.raises(Failed, match="audience"):
        Template(CONNECTION.path, given).value("target")
    template = Template(CONNECTION.path, {**given, "audience": f"api://{APP_ID}"})
    assert template.value("target") == given["mcpUrl"]
    assert template.value("scopes") == [f"api://{APP_ID}/Graph.Read", "offline_access"]


@pytest.mark.parametrize(
    ("proof", "auth_type"),
    [
        ("byUserToken", "UserEntraToken"),
        ("byProjectIdentity", "ProjectManagedIdentity"),
        ("byAgentIdentity", "AgenticIdentityToken"),
        ("byUser", "OAuth2"),
        ("byKey", "CustomKeys"),
    ],
)
def test_a_connection_of_foundry_is_a_remote_tool_with_one_proof(proof: str, auth_type: str) -> None:
    properties = body_of(CONNECTION.part("resources")[proof])["properties"]
    assert properties["authType"] == auth_type
    assert properties["category"] == "RemoteTool"
    assert properties["target"] == "target"
    assert properties.get("audience", "audience") == "audience"


def test_every_proof_of_a_connection_has_its_resource() -> None:
    allowed = next(each for each in CONNECTION.part("parameters")["proof"]["decorators"] if each["type"] == "allowed")
    conditions = re.findall(r"= if \(proof == '(\w+)'\)", CONNECTION.text)
    assert sorted(conditions) == sorted(allowed["argument"])
