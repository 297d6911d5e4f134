"""Who calls, and what that means for the routes: each mode is a proof, and the level that the host checks first.

The headers ``X-MS-CLIENT-PRINCIPAL*``, in which App Service's own authentication ("Easy Auth") names the caller, are
never read. While it is off, any client can send them, so they prove nothing. While it is on, the token that it has
checked is also in the request and is verified here again. So it is a second wall in front of this one, and not part of
it: a mistake in its configuration, or in this server's idea of that, opens nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.functions import AuthLevel

from core.application import Authenticate
from core.from_settings import stored_api_keys, token_door
from core.http import Request, Response
from core.identity.principal import Principal

if TYPE_CHECKING:
    from azure_function.settings import AzureSettings
    from core.credentials.secret_store import SecretStore

__all__ = ["door_of", "function_key_caller", "level_of"]


def level_of(settings: AzureSettings) -> AuthLevel:
    """What the host demands before it passes a call on to the MCP endpoint; fixed when the functions are indexed.

    ANONYMOUS where this server proves the caller itself: `AzureSettings` allows no mode in which it would not.
    """
    return AuthLevel.FUNCTION if settings.caller_auth == "function_key" else AuthLevel.ANONYMOUS


def door_of(settings: AzureSettings, secrets: SecretStore | None) -> Authenticate:
    """The proof that ``settings`` demand from callers.

    Raises:
        IssuerError: The list of issuers does not parse.
    """
    if settings.caller_auth == "function_key":
        return function_key_caller(settings.function_key_principal or "")
    keys = stored_api_keys(settings, secrets, platform="azure") if secrets is not None else None
    if settings.caller_auth == "api_key":
        from core.identity.bearer import BearerDoor

        return BearerDoor(None, None, api_keys=keys).authenticate
    return token_door(settings, keys).authenticate


def function_key_caller(principal: str) -> Authenticate:
    """The proof by a key of the Functions host: the host passes only callers who have one, and they are ``principal``.

    Source: https://learn.microsoft.com/azure/azure-functions/function-keys-how-to .
    """
    caller = Principal(
        platform="azure",
        kind="api_key",
        id=principal,
        name=principal,
        proved_by="function key, checked by the host",
        issuer="functions host",
    )

    async def authenticate(request: Request) -> Principal | Response:
        return caller

    return authenticate
