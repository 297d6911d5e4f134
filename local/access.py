"""Who may enter ``serve``, and what he may do there, as the settings say."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.credentials.credential import Credential, parse_credential
from core.errors import LocalError, PolicyError
from core.http import Authenticate, Request, Response
from core.identity.grant import Grant, GrantFor, read_only
from core.identity.policy import read_policy
from core.identity.principal import LOCAL_PRINCIPAL, Principal

if TYPE_CHECKING:
    from core.identity.api_keys import ApiKeyVerifier
    from local.settings import LocalSettings

__all__ = ["Access", "access", "local_access", "local_principal", "stored_credentials"]


@dataclass(frozen=True, slots=True)
class Access:
    """The door of ``serve``: who calls, what he may do, as which database users, and whether callers have to prove
    who they are.
    """

    authenticate: Authenticate
    grant_for: GrantFor
    credentials: Mapping[str, Credential]
    proves: bool


async def local_principal(request: Request) -> Principal | Response:
    """Whoever reaches the loopback interface is this machine's own user."""
    return LOCAL_PRINCIPAL


def access(settings: LocalSettings) -> Access:
    """The door that ``settings`` describe: with issuers or API keys everybody proves who he is, this machine's own user
    too; without, everybody is this machine's own user.

    Raises:
        IssuerError, PolicyError: What the settings hold or name does not parse, cannot be read, or lets nobody in.
        CredentialError, LocalError: A stored credential, or the file of API keys, cannot be used.
    """
    if settings.issuers is None and settings.keys_file is None:
        return local_access(settings)[0]
    credentials = stored_credentials(settings)
    grant_for = _grant_for(settings, credentials)
    from core.identity.bearer import BearerDoor
    from core.identity.issuers import read_issuers
    from core.identity.resource_metadata import ResourceMetadata
    from core.identity.tokens import TokenVerifier

    verifier = metadata = None
    if settings.issuers is not None:
        issuers = read_issuers(settings.issuers, source=settings.variable("issuers"))
        verifier, metadata = TokenVerifier(issuers), ResourceMetadata(issuers, resource=settings.public_url)
    door = BearerDoor(verifier, metadata, api_keys=_api_keys(settings))
    return Access(door.authenticate, grant_for, credentials, proves=True)


def local_access(settings: LocalSettings) -> tuple[Access, Grant]:
    """The door at which everybody is this machine's own user, and what that user may do.

    Raises:
        PolicyError: Nothing; or the policy does not parse or cannot be read.
        CredentialError, LocalError: A stored credential cannot be used.
    """
    credentials = stored_credentials(settings)
    grant_for = _grant_for(settings, credentials)
    grant = grant_for(LOCAL_PRINCIPAL)
    if grant is None:
        raise PolicyError(
            "The policy grants this machine's own user nothing, so nobody could be served. Add a rule with "
            'kind = "local".'
        )
    return Access(local_principal, grant_for, credentials, proves=False), grant


def stored_credentials(settings: LocalSettings) -> dict[str, Credential]:
    """The credentials in the directory that ``settings`` name, by the stems of their files.

    Raises:
        CredentialError, LocalError: One of them cannot be used, cannot be read, or can be read by others.
    """
    directory = settings.credentials_dir
    if directory is None:
        return {}
    found: dict[str, Credential] = {}
    try:
        for path in sorted(directory.iterdir()):
            if path.name.startswith("."):
                continue
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise LocalError(f"The credential {path} can be read or written by others: chmod 600 it first.")
            if path.stem in found:
                raise LocalError(f"Two files in {directory} hold a credential {path.stem!r}. Remove or rename one.")
            found[path.stem] = parse_credential(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or "cannot be read") if isinstance(error, OSError) else "a file is no UTF-8 text"
        raise LocalError(f"The credentials in {directory} cannot be read: {why}.") from None
    return found


def _grant_for(settings: LocalSettings, credentials: Mapping[str, Credential]) -> GrantFor:
    if settings.policy is None:
        return read_only
    variable = settings.variable("policy")
    policy = read_policy(settings.policy, source=variable)
    missing = sorted(policy.credentials - set(credentials))
    if missing:
        there = ", ".join(sorted(credentials)) or "none"
        raise PolicyError(
            f"The policy in {variable} names the credential {missing[0]!r}, which "
            f"{settings.variable('credentials_dir')} does not hold. There are: {there}."
        )
    return policy.grant_for


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
