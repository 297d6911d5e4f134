"""The one type for every caller, whatever platform vouched for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CANNOT_CHECK", "LOCAL_PRINCIPAL", "NOT_PROVED", "NO_CREDENTIAL", "Identity", "Principal", "PrincipalKind"]

NOT_PROVED = "The caller's identity is not proved"
CANNOT_CHECK = "The caller's identity cannot be checked now"
"""How this server's refusals of an unknown caller begin, with 401 and with 503. `doctor` knows them by it."""

NO_CREDENTIAL = "the request carries no credential"
"""Why a caller is unknown who presented nothing."""

PrincipalKind = Literal[
    "managed_identity",
    "service_principal",
    "agent_identity",
    "iam_role",
    "iam_user",
    "api_key",
    "user_on_behalf",
    "forwarded",
    "local",
]
"""``agent_identity`` is an agent that has an identity of its own in Microsoft Entra, made from a blueprint.
``forwarded`` is a caller who is only named in a header of the platform's proxy; nothing proves it.
"""


Identity = tuple[str, str, str, str, str]
"""Platform, kind, id, tenant and issuer of a principal."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls.

    ``id`` is the platform's stable identifier (an object id, an ARN, an application id), which policies and audit lines
    use; ``name`` is for people only. ``tenant`` is the tenant or account. ``roles`` holds roles and scopes alike.
    ``blueprint`` is the application id of what an agent identity was made from; it stays when the agent gets another
    identity. In a user's call, it is that of the agent. ``proved_by`` says how the identity was proved, and ``issuer``
    who vouches for it, by its name in the list of issuers or in a few words: the same id from another issuer is another
    principal.
    """

    platform: str
    kind: PrincipalKind
    id: str
    name: str = ""
    tenant: str = ""
    roles: frozenset[str] = frozenset()
    proved_by: str = ""
    issuer: str = ""
    blueprint: str = ""

    @property
    def identity(self) -> Identity:
        """All that makes a principal another one: what is remembered or counted of a caller is kept by it."""
        return self.platform, self.kind, self.id, self.tenant, self.issuer


LOCAL_PRINCIPAL = Principal(platform="local", kind="local", id="local", name="this machine", proved_by="loopback")
"""The fixed caller of ``serve``, treated as the local user, read-only: whoever reaches loopback or stdin."""
