"""The registration of the API in Entra, and the policy that lets in whom its roles let in."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from core.access.policy import read_policy
from core.identity.principal import Principal, PrincipalKind
from core.tools import ALL_TOOLS
from tests.infra.azure_templates import AGENT, AZURE, INFRA, MAIN, REGISTRATION, TENANT
from tests.infra.bicep_values import Failed, Template
from tests.support.grants import allowed


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
