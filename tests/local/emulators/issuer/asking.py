"""What the issuer's tests share: clients, a user, requests to a token endpoint, a verifier of what it issues."""

from __future__ import annotations

from typing import Any

import httpx2
import jwt

from core.identity.issuers import parse_issuers
from core.identity.tokens import TokenVerifier
from local.emulators.issuer import Client, Issuer, Resource, User

SERVER = Resource("api://mcp", "guid-mcp")
DATABASE = Resource("api://neo4j", "guid-neo4j")
OLDER = Resource("api://older", "guid-older", token_version=1)
OTHER = Resource("api://other", "guid-other")
PASSWORD = "canary-alices-password +%&="
ALICE = User("alice@contoso.example", PASSWORD, "oid-alice", frozenset({"read", "write"}))
BOB = User("bob@contoso.example", "canary-bobs-password", "oid-bob", frozenset({"read"}), frozenset({"Graph.Admin"}))
AGENT = Client("agent", "canary-agents-secret", object_id="oid-agent", scopes=frozenset({"Graph.Read"}))
MIDDLE = Client(
    "guid-mcp",
    "canary-middle-tiers-secret",
    serves=frozenset({"api://mcp"}),
    may_ask_for=frozenset({"api://neo4j", "api://older"}),
)

Response = tuple[int, dict[str, Any]]


def an_issuer(shape: Any, *more: Client, **options: Any) -> Issuer:
    resources = [SERVER, DATABASE, OLDER, OTHER]
    return Issuer(shape, [AGENT, MIDDLE, *more], resources, **{"users": [ALICE, BOB], "tenant": "contoso", **options})


def ask(issuer: Issuer, client: Client, *, at: str | None = None, **form: str) -> Response:
    fields = {"client_id": client.id, "client_secret": client.secret or "", **form}
    with httpx2.Client(trust_env=False) as http:
        response = http.post(at or issuer.token_url, data={name: value for name, value in fields.items() if value})
    assert "canary" not in response.text
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, response.json()


def older_endpoint(issuer: Issuer) -> str:
    """Entra's token endpoint of version 1."""
    return f"{issuer.url}/contoso/oauth2/token"


def unverified(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def verifier(issuer: Issuer, audience: str) -> TokenVerifier:
    platform = {"entra": "azure", "cognito": "aws"}.get(issuer.shape, issuer.shape)
    names = ", ".join(f'"{name}"' for name in issuer.issuers)
    text = f'[[issuer]]\nname = "t"\nplatform = "{platform}"\nissuer = [{names}]\naudience = ["{audience}"]\n'
    return TokenVerifier(parse_issuers(f"{text}app_only = false\n", source="test"))
