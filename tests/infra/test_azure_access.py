"""Who may do what in a deployment on Azure, and how each of its resources is closed."""

from __future__ import annotations

import re
from typing import Any

from tests.infra.azure_templates import FILES, FUNCTION, MAIN, ROTATION, STORAGE, VAULT, module_of, modules
from tests.infra.bicep_source import body_of

ENDPOINT = FILES["azure/modules/endpoint.bicep"]
MONITORING = FILES["azure/modules/monitoring.bicep"]

ROLES = {
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
"""Every role that is given: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles ."""

ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"


# --- who may do what


def assignments() -> list[tuple[str, dict[str, Any], str]]:
    """Of each role assignment its file, its body, and the name of its role."""
    found = []
    for path, source in FILES.items():
        for name, resource in source.part("resources").items():
            if resource["type"] != ROLE_ASSIGNMENT:
                continue
            text = source.text.partition(f"\nresource {name} ")[2].partition("\nresource ")[0]
            role = re.search(r"roleDefinitions', (\w+)\)", text)
            assert role is not None
            found.append((path, body_of(resource), ROLES[source.part("variables")[role[1]]["value"]]))
    return found


def test_every_role_is_a_built_in_one_that_is_known_here() -> None:
    assert {role for _, _, role in assignments()} == set(ROLES.values())


def test_no_other_role_is_named_anywhere() -> None:
    guid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
    assert {found for source in FILES.values() for found in guid.findall(source.text)} == set(ROLES)


def test_every_role_is_given_on_one_resource() -> None:
    """Each once in a file, and each file's on the resource that it is for: nobody has a role on a group."""
    assert sorted((path, role, config["scope"]) for path, config, role in assignments()) == [
        ("azure/modules/monitoring.bicep", "Monitoring Metrics Publisher", "insights"),
        ("azure/modules/rotation.bicep", "Key Vault Secrets Officer", "vault"),
        ("azure/modules/rotation.bicep", "Monitoring Metrics Publisher", "insights"),
        ("azure/modules/storage.bicep", "Storage Blob Data Owner", "account"),
        ("azure/modules/vault.bicep", "Key Vault Secrets Officer", "vault"),
        ("azure/modules/vault.bicep", "Key Vault Secrets User", "vault"),
    ]


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


# --- what is written after what, and what is not on the internet


def test_what_belongs_to_the_app_is_written_one_after_the_other() -> None:
    """Written at the same time, settings of such siblings were lost (reliable-web-app-pattern-dotnet#132)."""
    children = {
        name: each for name, each in FUNCTION.part("resources").items() if each["config"].get("parent") == "app"
    }
    assert len(children) == 4
    chain = {name: each["config"].get("dependsOn", []) for name, each in children.items()}
    assert chain == {
        "settings": [],
        "authSettings": ["settings"],
        "noScmPassword": ["authSettings"],
        "noFtpPassword": ["noScmPassword"],
    }


def test_app_service_serves_discovery_where_it_stands_in_front() -> None:
    assert MAIN.part("parameters")["easyAuth"]["default"] == "false"
    assert "var discoverySettings = easyAuth ? {" in FUNCTION.text
    assert "WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES: tokenScope" in FUNCTION.text
    assert "tokenScope: '${apiAudience}/.default'" in MAIN.text


def test_what_is_private_has_an_endpoint_and_no_other_door() -> None:
    services = {
        (path, name): body_of(each)["params"]["service"]
        for path, source in FILES.items()
        for name, each in modules(source).items()
        if module_of(source, each) is ENDPOINT
    }
    assert services == {
        ("azure/modules/private.bicep", "vaultEndpoint"): "vault",
        ("azure/modules/private.bicep", "storageEndpoint"): "blob",
        ("azure/main.bicep", "functionEndpoint"): "sites",
        ("azure/modules/rotation.bicep", "adminVaultEndpoint"): "vault",
        ("azure/modules/rotation.bicep", "storageEndpoint"): "blob",
        ("azure/modules/rotation.bicep", "appEndpoint"): "sites",
    }
    assert "module privateNetwork 'modules/private.bicep' = if (isPrivate)" in MAIN.text
    assert "module functionEndpoint 'modules/endpoint.bicep' = if (isPrivate && inbound == 'private')" in MAIN.text
    assert "publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'" in FUNCTION.text
    assert "publicAccess: inbound == 'public'" in MAIN.text
    for source in (STORAGE, VAULT):
        assert "publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'" in source.text
        assert "defaultAction: publicAccess ? 'Allow' : 'Deny'" in source.text
    assert MAIN.text.count("publicAccess: !isPrivate") == ROTATION.text.count("publicAccess: !isPrivate") == 2
    assert ENDPOINT.resources("Microsoft.Network/privateEndpoints")
