"""Real issuers in the shape of every platform, and the configuration that accepts them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from core.identity.bearer import BearerDoor
from core.identity.issuers import TrustedIssuer, parse_issuers
from core.identity.resource_metadata import ResourceMetadata
from core.identity.tokens import TokenVerifier
from local.emulators.issuer import Client, Issuer, Resource, running_issuer

API = "api://neo4j"
APP_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
OBJECT_ID = "0ba1b2c3-1111-4222-8333-444455556666"
IDENTITY = "/subscriptions/s/resourcegroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/agent"
POOL = "eu-central-1_AbCdEf123"
ROLE = {"azure": "Graph.Read", "entra-v1": "Graph.Read", "aws": f"{API}/read", "databricks": "all-apis", "oidc": "read"}


def issuers() -> dict[str, Issuer]:
    """An issuer in each shape, not served yet. All of them issue tokens for the same audience where they can."""
    agent = Client(
        "agent", "agent-secret", object_id=OBJECT_ID, managed_identity=IDENTITY, scopes=frozenset({"Graph.Read"})
    )
    intruder = Client("intruder", "intruder-secret", object_id="99", scopes=frozenset({"Graph.Read"}))

    def with_scope(scope: str) -> list[Client]:
        return [Client(c.id, c.secret, scopes=frozenset({scope})) for c in (agent, intruder)]

    return {
        "azure": Issuer("entra", [agent, intruder], [Resource(API, APP_ID)]),
        "entra-v1": Issuer(
            "entra",
            [Client("agent", "agent-secret", object_id=OBJECT_ID, scopes=frozenset({"Graph.Read"})), intruder],
            [Resource(API, APP_ID, token_version=1)],
            tenant="1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
        ),
        "aws": Issuer("cognito", with_scope(f"{API}/read"), [Resource(API)], tenant=POOL),
        "databricks": Issuer("databricks", with_scope("all-apis"), [Resource(API)]),
        "oidc": Issuer("oidc", with_scope("read"), [Resource(API)], algorithm="ES256"),
    }


@contextlib.contextmanager
def served(of: dict[str, Issuer]) -> Iterator[dict[str, Issuer]]:
    with contextlib.ExitStack() as stack:
        for issuer in of.values():
            stack.enter_context(running_issuer(issuer))
        yield of


def accepting(of: dict[str, Issuer]) -> tuple[TrustedIssuer, ...]:
    """The configuration that accepts the agent of each of the served issuers, in the words of an operator."""
    text = ""
    for name, issuer in of.items():
        platform = "azure" if name.startswith("entra") else name
        text += f'[[issuer]]\nname = "{name}"\nplatform = "{platform}"\nissuer = {json.dumps(list(issuer.issuers))}\n'
        text += f'audience = ["{API}", "{APP_ID}"]\nclients = ["agent"]\nroles = ["{ROLE[name]}"]\n'
        if platform == "azure":
            text += f'tenant = "{issuer.tenant}"\n'
    return parse_issuers(text, source="issuers.toml")


def door(of: dict[str, Issuer]) -> BearerDoor:
    accepted = accepting(of)
    return BearerDoor(TokenVerifier(accepted), ResourceMetadata(accepted))
