"""The connection of a Foundry project to the function: each way of it."""

from __future__ import annotations

import re

import pytest

from tests.infra.azure_templates import APP_ID, CONNECTION
from tests.infra.bicep_source import body_of
from tests.infra.bicep_values import Failed, Template


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
