"""A tenant of Microsoft Entra: its identities, and the API and the vault that tokens are for."""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import dataclass, field

from local.emulators.issuer import Client, Issuer, Resource, User

__all__ = ["AUDIENCE", "READER_ROLE", "VAULT_RESOURCE", "Tenant"]

AUDIENCE = "api://neo4j-m2m"
"""The Application ID URI of the function's app registration."""

READER_ROLE = "Graph.Read"
"""The application role that callers have."""

VAULT_RESOURCE = "https://vault.azure.net"

_IDENTITIES = "/subscriptions/local/resourceGroups/local/providers/Microsoft.ManagedIdentity/userAssignedIdentities"


def _identifier() -> str:
    return str(uuid.uuid4())


def _managed_identity(name: str, *roles: str) -> Client:
    return Client(
        _identifier(),
        scopes=frozenset(roles),
        object_id=_identifier(),
        name=name,
        managed_identity=f"{_IDENTITIES}/{name}",
    )


def _agent_identity(name: str, blueprint: str, *roles: str) -> Client:
    """It has no credential: its blueprint's platform gets tokens for it, and nobody else does."""
    return Client(_identifier(), scopes=frozenset(roles), object_id=_identifier(), name=name, blueprint=blueprint)


def _service_principal(name: str, *roles: str) -> Client:
    secret = secrets.token_urlsafe(24)
    return Client(_identifier(), secret, scopes=frozenset(roles), object_id=_identifier(), name=name)


@dataclass(frozen=True)
class Tenant:
    """The tenant. ``function`` is the function's own managed identity, ``rotation`` that of the
    app that rotates its credential, ``project`` that of a Foundry project.

    ``shared_agent`` and ``published_agent`` are agent identities, both made from ``blueprint``: the one that the agents
    of a project share, which has the role, and the new one that an agent gets when it is published, which has none.
    ``agent`` and ``intruder`` are service principals with secrets, ``user`` is a person who signs in. ``token_version``
    is the version of tokens for the API: 2, or 1, which is the default of an app registration. ``endpoint`` is the URL
    of the MCP endpoint, if that is an Application ID URI of the API, too. Entra accepts a URL of a domain that the
    tenant has verified; here it is one of this machine's loopback interface.
    """

    id: str = field(default_factory=_identifier)
    app_id: str = field(default_factory=_identifier)
    function: Client = field(default_factory=lambda: _managed_identity("neo4j-m2m"))
    rotation: Client = field(default_factory=lambda: _managed_identity("neo4j-m2m-rotation"))
    project: Client = field(default_factory=lambda: _managed_identity("foundry-project", READER_ROLE))
    blueprint: str = field(default_factory=_identifier)
    shared_agent: Client = field(init=False)
    published_agent: Client = field(init=False)
    agent: Client = field(default_factory=lambda: _service_principal("foundry-agent", READER_ROLE))
    intruder: Client = field(default_factory=lambda: _service_principal("intruder", READER_ROLE))
    user: User = field(
        default_factory=lambda: User("ada@contoso.com", secrets.token_urlsafe(24), _identifier(), frozenset({"access"}))
    )
    token_version: int = 2
    endpoint: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shared_agent", _agent_identity("shared-agent", self.blueprint, READER_ROLE))
        object.__setattr__(self, "published_agent", _agent_identity("published-agent", self.blueprint))

    def issuer(self) -> Issuer:
        """The issuer of the tenant's tokens."""
        api = Resource(AUDIENCE, self.app_id, self.token_version, (self.endpoint,) if self.endpoint else ())
        agents = [self.shared_agent, self.published_agent]
        clients = [self.function, self.rotation, self.project, *agents, self.agent, self.intruder]
        return Issuer(
            "entra", clients, [api, Resource(VAULT_RESOURCE, token_version=1)], users=[self.user], tenant=self.id
        )

    def issuers_text(self, issuer: Issuer, **more: str) -> str:
        """The list of issuers for a server that accepts the tokens of ``issuer``; ``more`` is TOML by key."""
        v2, v1 = issuer.issuers
        audience = [self.endpoint, AUDIENCE, self.app_id] if self.endpoint else [AUDIENCE, self.app_id]
        lines = {
            "name": '"contoso"',
            "platform": '"azure"',
            "issuer": f'["{v2}", "{v1}"]',
            "audience": json.dumps(audience),
            "tenant": f'"{self.id}"',
            "roles": f'["{READER_ROLE}"]',
            **more,
        }
        return "[[issuer]]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
