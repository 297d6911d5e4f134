"""Who may enter ``serve``, and what they may do there, as the settings say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.secret_directory import SecretDirectory
from core.access.grant import Grant, GrantFor, read_only
from core.access.policy import read_policy
from core.application import Authenticate
from core.credentials.credential import parse_credential
from core.errors import LocalError, PolicyError
from core.from_settings import stored_api_keys, token_door
from core.http import Request, Response
from core.identity.principal import LOCAL_PRINCIPAL, Principal
from core.tools import ALL_TOOLS

if TYPE_CHECKING:
    from cli.settings import CommandLineSettings
    from core.identity.api_keys import ApiKeyVerifier

__all__ = ["Access", "access", "checked_secrets", "local_access", "local_principal"]


@dataclass(frozen=True, slots=True)
class Access:
    """The door of ``serve``: who calls, what they may do, where the credentials are, and whether callers have to prove
    who they are.
    """

    authenticate: Authenticate
    grant_for: GrantFor
    secrets: SecretDirectory | None
    proves: bool


async def local_principal(request: Request) -> Principal | Response:
    """Whoever reaches the loopback interface counts as the local user."""
    return LOCAL_PRINCIPAL


def access(settings: CommandLineSettings) -> Access:
    """The door that ``settings`` describe. With issuers or API keys, all callers have to prove who they are, the local
    user too; without them, every caller counts as the local user.

    Raises:
        IssuerError, PolicyError: The settings, or a file that they name, are malformed, unreadable, or admit nobody.
        CredentialError, LocalError: A stored credential, or the file of API keys, cannot be used.
    """
    if settings.issuers is None and settings.keys_file is None and settings.keys_secret is None:
        return local_access(settings)[0]
    secrets = checked_secrets(settings)
    grant_for = _grant_for(settings, secrets)
    door = token_door(settings, _api_keys(settings, secrets))
    return Access(door.authenticate, grant_for, secrets, proves=True)


def local_access(settings: CommandLineSettings) -> tuple[Access, Grant]:
    """The door at which every caller counts as the local user, and what that user may do.

    Raises:
        PolicyError: The policy grants nothing, does not parse, or cannot be read.
        CredentialError, LocalError: A stored credential cannot be used.
    """
    secrets = checked_secrets(settings)
    grant_for = _grant_for(settings, secrets)
    grant = grant_for(LOCAL_PRINCIPAL)
    if grant is None:
        raise PolicyError(
            'The policy grants the local user nothing, so nobody could be served. Add a rule with kind = "local".'
        )
    return Access(local_principal, grant_for, secrets, proves=False), grant


def checked_secrets(settings: CommandLineSettings) -> SecretDirectory | None:
    """The directory of credentials that ``settings`` name; each credential in it is checked.

    Raises:
        SecretError, CredentialError, LocalError: One of them cannot be used or read, or the one named in the settings
            does not exist.
    """
    if settings.credentials_dir is None:
        return None
    directory = SecretDirectory(settings.credentials_dir)
    names = directory.names()
    for name in names:
        secret = directory.read(name)
        if name != settings.keys_secret:
            parse_credential(secret.text.get_secret_value(), source=f"{name} in {settings.credentials_dir}")
    for field in ("secret", "keys_secret"):
        name = getattr(settings, field)
        if name is not None:
            directory.read(name)
    return directory


def _grant_for(settings: CommandLineSettings, secrets: SecretDirectory | None) -> GrantFor:
    if settings.policy is None:
        return read_only
    variable = settings.variable("policy")
    policy = read_policy(settings.policy, source=variable, tools=ALL_TOOLS)
    names = secrets.names() if secrets is not None and policy.credentials else []
    missing = sorted(policy.credentials - set(names))
    if missing:
        there = ", ".join(names) or "none"
        raise PolicyError(
            f"The policy in {variable} names the credential {missing[0]!r}, which "
            f"{settings.variable('credentials_dir')} does not hold. There are: {there}."
        )
    return policy.grant_for


def _api_keys(settings: CommandLineSettings, secrets: SecretDirectory | None) -> ApiKeyVerifier | None:
    from cli.keys import read_ring
    from core.identity.api_keys import ApiKeyVerifier
    from core.identity.key_ring import parse_key_ring, render_key_ring

    path, name = settings.keys_file, settings.keys_secret
    if name is not None:
        if secrets is None:
            raise LocalError(
                f"{settings.variable('keys_secret')} names a secret, but {settings.variable('credentials_dir')} names "
                "no directory that holds it. Set both."
            )
        parse_key_ring(secrets.read(name).text.get_secret_value(), name)
        return stored_api_keys(settings, secrets, platform="local")
    if path is None:
        return None
    read_ring(path)

    async def load() -> str:
        return render_key_ring(await asyncio.to_thread(read_ring, path))

    return ApiKeyVerifier(load, platform="local", source=str(path))
