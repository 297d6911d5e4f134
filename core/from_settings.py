"""What the settings describe, the same for every shim: the door, the grants, the page, the telemetry.

The code that verifies tokens and keys is imported only if the settings need it: a function whose platform proves its
callers does not pay for it at a cold start. So it is with the page and with telemetry.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core.access.grant import GrantFor, read_only
from core.access.policy import read_policy
from core.credentials.sources import load_secret
from core.tools import ALL_TOOLS

if TYPE_CHECKING:
    from core.credentials.secret_store import SecretStore
    from core.identity.api_keys import ApiKeyVerifier
    from core.identity.bearer import BearerDoor
    from core.page.page import Page
    from core.settings import Settings
    from core.telemetry import Telemetry

__all__ = ["configured_grants", "configured_page", "configured_telemetry", "stored_api_keys", "token_door"]


def configured_grants(settings: Settings) -> GrantFor:
    """What the policy in ``settings`` grants; without one, every proven caller may read.

    Raises:
        PolicyError: It does not parse, or cannot be read.
    """
    if settings.policy is None:
        return read_only
    return read_policy(settings.policy, source=settings.variable("policy"), tools=ALL_TOOLS).grant_for


def configured_page(settings: Settings, *, default: bool) -> Page | None:
    """The page for people, if ``settings`` ask for it; ``default`` is for where they do not say.

    Raises:
        SettingsError: There is to be a page, and this package has been built without its files.
    """
    if not (default if settings.page is None else settings.page):
        return None
    from core.page.files import require_files
    from core.page.page import Page

    require_files(settings.variable("page"))
    return Page()


def configured_telemetry(settings: Settings) -> Telemetry | None:
    """What makes a span of each call and counts it, if ``settings`` ask for it.

    Raises:
        SettingsError: No SDK of OpenTelemetry is installed, so that nothing could be reported.
    """
    if not settings.telemetry:
        return None
    from core.telemetry import Telemetry

    return Telemetry()


def token_door(settings: Settings, api_keys: ApiKeyVerifier | None = None) -> BearerDoor:
    """The door for tokens of the issuers in ``settings``, if there are any, and for keys that ``api_keys`` knows.

    Raises:
        IssuerError: The list of issuers does not parse, or cannot be read.
    """
    from core.identity.bearer import BearerDoor

    if settings.issuers is None:
        return BearerDoor(None, None, api_keys=api_keys)
    from core.fetch import fetch
    from core.identity.issuers import read_issuers
    from core.identity.resource_metadata import ResourceMetadata
    from core.identity.tokens import TokenVerifier

    issuers = read_issuers(settings.issuers, source=settings.variable("issuers"))
    metadata = ResourceMetadata(issuers, resource=settings.public_url)
    verifier = TokenVerifier(issuers, fetch=partial(fetch, hosts=settings.identity_hosts))
    return BearerDoor(verifier, metadata, api_keys=api_keys)


def stored_api_keys(settings: Settings, secrets: SecretStore, *, platform: str) -> ApiKeyVerifier | None:
    """The API keys whose ring is the secret named in ``settings``; None if no secret is named.

    The secret is not read here: a missing one shows when the first key is presented.
    """
    name = settings.keys_secret
    if name is None:
        return None
    from core.identity.api_keys import ApiKeyVerifier

    async def load() -> str:
        return (await load_secret(secrets, name)).text.get_secret_value()

    return ApiKeyVerifier(load, platform=platform, source=name, withdrawn=settings.secret_withdrawn)
