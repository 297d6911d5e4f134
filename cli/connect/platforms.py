"""Agent platforms: what makes this server known to each, for every way of authentication that it has.

Sources: the parameters of ``create_gateway_target`` and of the credential providers in botocore's service model
``bedrock-agentcore-control``; the connections of https://github.com/microsoft-foundry/foundry-samples ;
https://docs.databricks.com/aws/en/generative-ai/mcp/external-mcp (connections to MCP servers).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from cli.connect.deployment import Deployment, Snippet, as_json

__all__ = ["PLATFORMS_OF_AGENTS"]

_READING = ["get-schema", "read-cypher", "explain-cypher", "search-index", "list-procedures"]

_PROJECT = (
    "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.CognitiveServices/accounts/FOUNDRY"
    "/projects/PROJECT"
)


def _foundry(deployment: Deployment) -> list[Snippet]:
    project = deployment.get("project", _PROJECT)
    audience = deployment.get("audience", "api://APPLICATION-ID")
    address = f"https://management.azure.com{project}/connections/{deployment.name}?api-version=2025-04-01-preview"

    def connection(method: str, **properties: Any) -> Snippet:
        body = {
            "properties": {
                "category": "RemoteTool",
                "target": deployment.address,
                "isSharedToAll": True,
                **properties,
                "metadata": {"ApiType": "Azure"},
            }
        }
        command = f"az rest --method PUT --url {shlex.quote(address)} --body {shlex.quote(json.dumps(body, indent=2))}"
        return Snippet(method, "in a shell, logged in with az: the project's connection", command, body)

    keys: dict[str, Any] = {"authType": "CustomKeys"}
    tool = {
        "type": "mcp",
        "server_label": deployment.name,
        "server_url": deployment.address,
        "project_connection_id": deployment.name,
        "allowed_tools": _READING,
        "require_approval": "never",
    }
    return [
        connection("project identity", authType="ProjectManagedIdentity", audience=audience, credentials={}),
        connection("agent identity", authType="AgenticIdentityToken", audience=audience, credentials={}),
        connection("user token", authType="UserEntraToken", audience=audience, credentials={}),
        connection(
            "user, by OAuth",
            authType="OAuth2",
            authorizationUrl=deployment.get(
                "authorization_url", "https://login.microsoftonline.com/TENANT/oauth2/v2.0/authorize"
            ),
            tokenUrl=deployment.get("token_url", "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"),
            refreshUrl=deployment.get("token_url", "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"),
            scopes=[f"{audience}/Graph.Read", "offline_access"],
            credentials={"clientId": deployment.get("client_id", "CLIENT-ID"), "clientSecret": "CLIENT-SECRET"},
        ),
        connection("api-key", **keys, credentials={"keys": {"X-API-Key": "KEY"}}),
        connection("function key", **keys, credentials={"keys": {"x-functions-key": "KEY"}}),
        Snippet("the agent", "the agent's definition (tools), by any of these connections", as_json([tool]), tool),
    ]


def _agentcore(deployment: Deployment) -> list[Snippet]:
    gateway = deployment.get("gateway_id", "GATEWAY-ID")
    region = deployment.region
    control = f"aws bedrock-agentcore-control --region {region}"

    def target(method: str, provider: dict[str, Any], first: str = "") -> Snippet:
        request = {
            "gatewayIdentifier": gateway,
            "name": deployment.name,
            "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": deployment.address}}},
            "credentialProviderConfigurations": [provider],
        }
        command = f"{control} create-gateway-target --cli-input-json {shlex.quote(json.dumps(request, indent=2))}"
        return Snippet(method, "in a shell, as an administrator of the gateway", f"{first}{command}", request)

    arn = f"arn:aws:bedrock-agentcore:{region}:ACCOUNT:token-vault/default"
    discovery = deployment.get("discovery_url", "https://ISSUER/.well-known/openid-configuration")
    oauth = {
        "name": deployment.name,
        "credentialProviderVendor": "CustomOauth2",
        "oauth2ProviderConfigInput": {
            "customOauth2ProviderConfig": {
                "oauthDiscovery": {"discoveryUrl": discovery},
                "clientId": deployment.get("client_id", "CLIENT-ID"),
                "clientSecret": "CLIENT-SECRET",
            }
        },
    }
    create_oauth = (
        f"{control} create-oauth2-credential-provider --cli-input-json {shlex.quote(json.dumps(oauth, indent=2))}\n\n"
    )
    create_key = f'{control} create-api-key-credential-provider --name {deployment.name} --api-key "$GRAPH_KEY"\n\n'
    return [
        target(
            "sigv4",
            {
                "credentialProviderType": "GATEWAY_IAM_ROLE",
                "credentialProvider": {"iamCredentialProvider": {"service": "lambda", "region": region}},
            },
        ),
        target(
            "client-credentials",
            {
                "credentialProviderType": "OAUTH",
                "credentialProvider": {
                    "oauthCredentialProvider": {
                        "providerArn": f"{arn}/oauth2credentialprovider/{deployment.name}",
                        "scopes": [deployment.get("audience", "SCOPE")],
                        "grantType": "CLIENT_CREDENTIALS",
                    }
                },
            },
            create_oauth,
        ),
        target(
            "api-key",
            {
                "credentialProviderType": "API_KEY",
                "credentialProvider": {
                    "apiKeyCredentialProvider": {
                        "providerArn": f"{arn}/apikeycredentialprovider/{deployment.name}",
                        "credentialParameterName": "X-API-Key",
                        "credentialLocation": "HEADER",
                    }
                },
            },
            create_key,
        ),
    ]


def _agent_bricks(deployment: Deployment) -> list[Snippet]:
    parts = urlsplit(deployment.address)
    workspace = deployment.get("host", "https://WORKSPACE").rstrip("/")
    name = deployment.name.replace("-", "_")
    options = {
        "host": f"{parts.scheme}://{parts.hostname}",
        "port": str(parts.port or 443),
        "base_path": parts.path,
        "client_id": deployment.get("client_id", "APPLICATION-ID"),
        "client_secret": "CLIENT-SECRET",
        "oauth_scope": "all-apis",
        "token_endpoint": f"{workspace}/oidc/v1/token",
        "is_mcp_connection": "true",
    }
    written = [
        f"  {option} " + ("secret('neo4j-agent', 'client-secret')" if option == "client_secret" else f"'{value}'")
        for option, value in options.items()
    ]
    separator = ",\n"
    sql = (
        f"CREATE CONNECTION {name} TYPE HTTP\nOPTIONS (\n{separator.join(written)}\n)\n"
        "COMMENT 'A Neo4j graph: the schema first, then Cypher that reads';\n\n"
        f"GRANT USE CONNECTION ON CONNECTION {name} TO `GROUP`;"
    )
    request = {"name": name, "connection_type": "HTTP", "options": options}
    command = f"databricks connections create --json {shlex.quote(json.dumps(request, indent=2))}"
    return [
        Snippet(
            "client-credentials",
            "in the SQL editor; first: databricks secrets create-scope neo4j-agent; "
            "databricks secrets put-secret neo4j-agent client-secret",
            sql,
            request,
        ),
        Snippet("client-credentials", "or in a shell", command, request),
        Snippet(
            "the app itself",
            "in the supervisor: Add, MCP server, Databricks App",
            f"choose the app at {parts.hostname}: it is offered if its name begins with mcp-",
        ),
    ]


PLATFORMS_OF_AGENTS: dict[str, Callable[[Deployment], list[Snippet]]] = {
    "foundry": _foundry,
    "agentcore": _agentcore,
    "agent-bricks": _agent_bricks,
}
"""What to paste for each platform, for every way of authentication."""
