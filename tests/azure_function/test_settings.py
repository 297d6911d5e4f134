from __future__ import annotations

from typing import Any

import pytest
from azure.functions import AuthLevel

from azure_function.identity import function_key_caller, level_of
from azure_function.settings import AzureSettings
from core.errors import SettingsError
from core.http import Request
from core.identity.principal import Principal

VAULT = {"NEO4J_M2M_VAULT_URL": "https://contoso.vault.azure.net"}
ISSUERS = {"NEO4J_M2M_ISSUERS": "[[issuer]]"}
KEYS = {"NEO4J_M2M_KEYS_SECRET": "keys", **VAULT}

OPEN: list[tuple[dict[str, str], str]] = [
    ({}, "NEO4J_M2M_ISSUERS"),
    (KEYS, "NEO4J_M2M_ISSUERS"),
    ({"NEO4J_M2M_CALLER_AUTH": "entra"}, "NEO4J_M2M_ISSUERS"),
    ({"NEO4J_M2M_CALLER_AUTH": "api_key"}, "NEO4J_M2M_KEYS_SECRET"),
    ({"NEO4J_M2M_CALLER_AUTH": "api_key", **ISSUERS}, "NEO4J_M2M_KEYS_SECRET"),
    ({"NEO4J_M2M_CALLER_AUTH": "api_key", "NEO4J_M2M_KEYS_SECRET": "keys"}, "NEO4J_M2M_VAULT_URL"),
    ({"NEO4J_M2M_CALLER_AUTH": "function_key"}, "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL"),
    ({"NEO4J_M2M_CALLER_AUTH": "function_key", "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": " "}, "PRINCIPAL"),
    ({"NEO4J_M2M_CALLER_AUTH": "function_key", "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": "p", **ISSUERS}, "ignores tokens"),
    ({"NEO4J_M2M_CALLER_AUTH": "function_key", "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": "p", **KEYS}, "ignores tokens"),
    ({"NEO4J_M2M_CALLER_AUTH": "anonymous", **ISSUERS}, "NEO4J_M2M_CALLER_AUTH"),
    ({"NEO4J_M2M_CALLER_AUTH": "none"}, "NEO4J_M2M_CALLER_AUTH"),
]


@pytest.mark.parametrize(("environ", "said"), OPEN)
def test_a_mode_that_would_leave_the_route_open_or_shut_is_no_setting(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        AzureSettings.from_environ(environ)


@pytest.mark.parametrize(
    ("environ", "level"),
    [
        (ISSUERS, AuthLevel.ANONYMOUS),
        ({**ISSUERS, **KEYS}, AuthLevel.ANONYMOUS),
        ({"NEO4J_M2M_CALLER_AUTH": "api_key", **KEYS}, AuthLevel.ANONYMOUS),
        (
            {"NEO4J_M2M_CALLER_AUTH": "function_key", "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": "p"},
            AuthLevel.FUNCTION,
        ),
    ],
)
def test_the_host_demands_a_key_exactly_where_this_server_proves_nobody(
    environ: dict[str, str], level: AuthLevel
) -> None:
    assert level_of(AzureSettings.from_environ(environ)) == level


def test_function_keys_are_refused_where_nobody_checks_them() -> None:
    by_key = {"NEO4J_M2M_CALLER_AUTH": "function_key", "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": "p"}
    core_tools = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}
    with pytest.raises(SettingsError, match="Core Tools"):
        AzureSettings.from_environ({**by_key, **core_tools})
    assert AzureSettings.from_environ({**by_key, "AZURE_FUNCTIONS_ENVIRONMENT": "Production"})
    assert AzureSettings.from_environ({**ISSUERS, **core_tools})


def test_a_call_may_take_less_than_azure_gives_a_request() -> None:
    assert AzureSettings.from_environ({**ISSUERS, "NEO4J_M2M_TIMEOUT": "225"}).timeout == 225
    with pytest.raises(SettingsError, match="230 seconds"):
        AzureSettings.from_environ({**ISSUERS, "NEO4J_M2M_TIMEOUT": "226"})


@pytest.mark.parametrize(
    "url",
    [
        "http://contoso.vault.azure.net",
        "contoso.vault.azure.net",
        "https://user:pass@contoso.vault.azure.net",
        "https://contoso.vault.azure.net/secrets/neo4j",
        "https://",
    ],
)
def test_a_vault_is_an_https_origin(url: str) -> None:
    with pytest.raises(SettingsError, match="NEO4J_M2M_VAULT_URL"):
        AzureSettings.from_environ({**ISSUERS, "NEO4J_M2M_VAULT_URL": url})


def test_a_secret_needs_a_vault_to_be_in() -> None:
    with pytest.raises(SettingsError, match="NEO4J_M2M_VAULT_URL"):
        AzureSettings.from_environ({**ISSUERS, "NEO4J_M2M_SECRET": "neo4j-agent"})


@pytest.mark.parametrize("headers", [(), (("x-functions-key", "x"), ("x-ms-client-principal-id", "somebody"))])
async def test_whoever_has_a_function_key_is_the_principal_that_the_settings_name(headers: Any) -> None:
    principal = await function_key_caller("foundry")(Request("POST", "/mcp", headers, b"", "r"))
    assert isinstance(principal, Principal)
    assert (principal.platform, principal.kind, principal.id) == ("azure", "api_key", "foundry")
