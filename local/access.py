"""Who may enter ``serve``, and what he may do there, as the settings say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import PolicyError
from core.http import Authenticate, Request, Response
from core.identity.grant import Grant, GrantFor, read_only
from core.identity.policy import read_policy
from core.identity.principal import LOCAL_PRINCIPAL, Principal

if TYPE_CHECKING:
    from core.identity.api_keys import ApiKeyVerifier
    from local.settings import LocalSettings

__all__ = ["Access", "access", "local_grant", "local_principal"]


@dataclass(frozen=True, slots=True)
class Access:
    """The door of ``serve``: who calls, what he may do, and whether callers have to prove who they are."""

    authenticate: Authenticate
    grant_for: GrantFor
    proves: bool


async def local_principal(request: Request) -> Principal | Response:
    """Whoever reaches the loopback interface is this machine's own user."""
    return LOCAL_PRINCIPAL


def access(settings: LocalSettings) -> Access:
    """The door that ``settings`` describe: with issuers or API keys everybody proves who he is, this machine's own user
    too; without, everybody is this machine's own user.

    Raises:
        IssuerError, PolicyError: What the settings hold or name does not parse, cannot be read, or lets nobody in.
        LocalError: The file of API keys cannot be read.
    """
    grant_for = _grant_for(settings)
    if settings.issuers is None and settings.keys_file is None:
        local_grant(settings)
        return Access(local_principal, grant_for, proves=False)
    from core.identity.bearer import BearerDoor
    from core.identity.issuers import read_issuers
    from core.identity.resource_metadata import ResourceMetadata
    from core.identity.tokens import TokenVerifier

    verifier = metadata = None
    if settings.issuers is not None:
        issuers = read_issuers(settings.issuers, source=settings.variable("issuers"))
        verifier, metadata = TokenVerifier(issuers), ResourceMetadata(issuers, resource=settings.public_url)
    door = BearerDoor(verifier, metadata, api_keys=_api_keys(settings))
    return Access(door.authenticate, grant_for, proves=True)


def local_grant(settings: LocalSettings) -> Grant:
    """What this machine's own user may do.

    Raises:
        PolicyError: Nothing; or the policy does not parse or cannot be read.
    """
    grant = _grant_for(settings)(LOCAL_PRINCIPAL)
    if grant is None:
        raise PolicyError(
            "The policy grants this machine's own user nothing, so nobody could be served. Add a rule with "
            'kind = "local".'
        )
    return grant


def _grant_for(settings: LocalSettings) -> GrantFor:
    if settings.policy is None:
        return read_only
    return read_policy(settings.policy, source=settings.variable("policy")).grant_for


def _api_keys(settings: LocalSettings) -> ApiKeyVerifier | None:
    if settings.keys_file is None:
        return None
    from core.identity.api_keys import ApiKeyVerifier
    from core.identity.key_ring import render_key_ring
    from local.keys import read_ring

    path = settings.keys_file
    read_ring(path)

    async def load() -> str:
        return render_key_ring(await asyncio.to_thread(read_ring, path))

    return ApiKeyVerifier(load, platform="local", source=str(path))
