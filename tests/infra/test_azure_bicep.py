"""What the templates of infra/azure and infra/foundry promise, as far as it can be seen without deploying them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark.exceptions import LarkError

from azure_function.settings import AzureSettings
from core.access.policy import read_policy
from core.errors import IssuerError
from core.identity.issuers import TrustedIssuer, read_issuers
from core.identity.principal import Principal, PrincipalKind
from core.tools import ALL_TOOLS
from tests.infra.bicep_source import Source, body_of
from tests.support.grants import allowed

INFRA = Path(__file__).parents[2] / "infra"
AZURE = INFRA / "azure"
FILES = {str(path.relative_to(INFRA)): Source.read(path) for path in sorted(INFRA.rglob("*.bicep"))}
MAIN = FILES["azure/main.bicep"]
FUNCTION = FILES["azure/modules/function.bicep"]
VAULT = FILES["azure/modules/vault.bicep"]
STORAGE = FILES["azure/modules/storage.bicep"]
MONITORING = FILES["azure/modules/monitoring.bicep"]
CONNECTION = FILES["foundry/connection.bicep"]

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
    asked = FILES[f"azure/{module['detail']['path']}"].part("parameters")
    needed = {parameter for parameter, what in asked.items() if what["default"] is None}
    given = set(body_of(module)["params"])
    assert needed <= given <= set(asked)


def test_every_output_of_a_module_that_is_used_exists() -> None:
    modules = {name: FILES[f"azure/{each['detail']['path']}"] for name, each in MAIN.part("modules").items()}
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
    assert given["audiences"] == ["audience", "apiClientId"]
    assert given["clientIds"] == "clientIds"


def test_app_service_stands_aside_where_it_would_refuse_keys() -> None:
    assert "easyAuth: easyAuth && callerAuth == 'entra' && empty(keysSecretName)" in MAIN.text


# --- the settings of the function


def server_settings() -> dict[str, Any]:
    return dict(MAIN.part("variables")["serverSettings"]["value"])


def test_every_setting_that_is_set_exists() -> None:
    named = {name for source in FILES.values() for name in re.findall(r"\bNEO4J_[A-Z0-9_]*[A-Z]\b", source.text)}
    assert set(server_settings()) <= named
    assert named <= KNOWN_SETTINGS


def test_nobody_overrides_what_the_template_sets_and_no_database_credential_is_set() -> None:
    assert "serverSettings: union(moreSettings, serverSettings)" in MAIN.text
    assert "union(serverSettings, publicUrl, hostSettings)" in FUNCTION.text
    assert not any("PASSWORD" in name or name.startswith("NEO4J_URI") for name in server_settings())


def issuers_text(client_ids: list[str], roles: list[str]) -> str:
    """The list of issuers that the template makes, as Resource Manager would fill it in."""
    parameters = MAIN.part("variables")["issuers"]["value"]["function"]["parameters"]
    assert parameters["delimiter"] == r"\n"
    values = {
        "tokenIssuer": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "tenantId": TENANT,
        "audience": "api://6f9619ff",
        "apiClientId": "6f9619ff",
        "string(clientIds)": json.dumps(client_ids, separators=(",", ":")),
        "string(requiredRoles)": json.dumps(roles, separators=(",", ":")),
        "appOnly": "true",
    }
    return re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], "\n".join(parameters["input_array"]))


def test_the_issuers_that_the_template_writes_are_what_the_server_reads() -> None:
    roles = MAIN.part("parameters")["requiredRoles"]["default"]
    (issuer,) = read_issuers(issuers_text(["agent", "project"], roles), source="NEO4J_M2M_ISSUERS")
    assert issuer == TrustedIssuer(
        name="entra",
        platform="azure",
        issuer=(f"https://login.microsoftonline.com/{TENANT}/v2.0", f"https://sts.windows.net/{TENANT}/"),
        audience=("api://6f9619ff", "6f9619ff"),
        clients=("agent", "project"),
        roles=("Graph.Read", "Graph.Write"),
        tenant=TENANT,
        app_only=True,
        leeway=30,
    )


def test_no_text_among_the_settings_looks_like_an_expression_of_resource_manager() -> None:
    assert not issuers_text(["agent"], ["Graph.Read"]).startswith("[")
    assert not (AZURE / "policy.toml").read_text().startswith("[")


@pytest.mark.parametrize("client_ids", [[], [""], ["*"]])
def test_without_a_client_id_no_token_is_accepted(client_ids: list[str]) -> None:
    with pytest.raises(IssuerError, match="clients"):
        read_issuers(issuers_text(client_ids, ["Graph.Read"]), source="NEO4J_M2M_ISSUERS")


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
    assert rule(caller("user_on_behalf", "Graph.Write")) is None
    assert rule(caller("api_key", "graph-reader", tenant="")) == "API keys with the role graph-reader read: read"
    assert rule(caller("api_key", tenant="")) is None
    assert rule(caller("service_principal")) is None
    assert rule(caller("service_principal", "Graph.Read", tenant="another")) is None


def test_the_registration_has_the_roles_that_are_asked_for() -> None:
    registration = json.loads((AZURE / "registration.json").read_text())
    values = [role["value"] for role in registration["appRoles"]]
    assert values == MAIN.part("parameters")["requiredRoles"]["default"]
    assert all(role["allowedMemberTypes"] == ["Application"] for role in registration["appRoles"])
    scopes = registration["api"]["oauth2PermissionScopes"]
    assert [scope["value"] for scope in scopes] == ["Graph.Read"]
    assert registration["api"]["requestedAccessTokenVersion"] == 2
    ids = [each["id"] for each in [*registration["appRoles"], *scopes]]
    assert len(set(ids)) == 3
    named = tomllib.loads((AZURE / "policy.toml").read_text())["rule"]
    assert {rule["role"] for rule in named if rule.get("platform") == "azure"} == set(values)


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


@pytest.mark.parametrize(
    ("proof", "auth_type"),
    [
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
    assert properties["target"] == "mcpUrl"
    assert properties.get("audience", "audience") == "audience"


def test_every_proof_of_a_connection_has_its_resource() -> None:
    allowed = next(each for each in CONNECTION.part("parameters")["proof"]["decorators"] if each["type"] == "allowed")
    conditions = re.findall(r"= if \(proof == '(\w+)'\)", CONNECTION.text)
    assert sorted(conditions) == sorted(allowed["argument"])
