"""The templates of infra, as the tests of this folder read them, and what only a deployment knows."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_function.settings import AzureSettings
from core.identity.issuers import TrustedIssuer, read_issuers
from tests.infra.bicep_source import Source
from tests.infra.bicep_values import Template

__all__ = [
    "AGENT",
    "APP_ID",
    "AZURE",
    "BLUEPRINT",
    "CONNECTION",
    "ELSEWHERE",
    "FILES",
    "FOUNDRY",
    "FUNCTION",
    "INFRA",
    "MAIN",
    "PROJECT",
    "REGISTRATION",
    "ROTATION",
    "STORAGE",
    "TENANT",
    "VAULT",
    "deployed",
    "described",
    "every_file",
    "is_secure",
    "issuer_of",
    "leaves",
    "module_of",
    "modules",
]

INFRA = Path(__file__).parents[2] / "infra"
AZURE = INFRA / "azure"
FILES = {str(path.relative_to(INFRA)): Source.read(path) for path in sorted(INFRA.rglob("*.bicep"))}
MAIN = FILES["azure/main.bicep"]
FUNCTION = FILES["azure/modules/function.bicep"]
VAULT = FILES["azure/modules/vault.bicep"]
STORAGE = FILES["azure/modules/storage.bicep"]
ROTATION = FILES["azure/modules/rotation.bicep"]
CONNECTION = FILES["foundry/connection.bicep"]
REGISTRATION = FILES["entra/registration.bicep"]

TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"
APP_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
AGENT = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
PROJECT = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
BLUEPRINT = "9b2f4c1e-5d3a-4e8b-8f6d-2a7c0e1b3d5f"
FOUNDRY = "/subscriptions/s/resourceGroups/f/providers/Microsoft.CognitiveServices/accounts/a/projects/p"

ELSEWHERE = {
    "identity": {"properties": {"clientId": "id-of-the-function", "principalId": "p"}},
    "vault": {"outputs": {"vaultUrl": "https://kv-abc.vault.azure.net/"}},
}
"""What only a deployment knows."""


def modules(source: Source) -> dict[str, dict[str, Any]]:
    """The modules that a file declares, by name."""
    return source.part("modules")


def module_of(source: Source, declared: dict[str, Any]) -> Source:
    """The file of a module that ``source`` declares."""
    folder = source.path.relative_to(INFRA).parent.as_posix()
    return FILES[posixpath.normpath(f"{folder}/{declared['detail']['path']}")]


every_file = pytest.mark.parametrize("source", FILES.values(), ids=FILES.keys())


def described(decorators: list[dict[str, Any]]) -> str:
    return next((str(each["argument"]) for each in decorators if each["type"] == "description"), "")


def is_secure(parameter: dict[str, Any]) -> bool:
    return any(each["type"] == "secure" for each in parameter["decorators"])


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def deployed(**given: Any) -> Template:
    """main.bicep with parameters, as Resource Manager checks and fills it in before anything is created."""
    template = Template(
        MAIN.path, {"name": "flights", "apiClientId": APP_ID, "foundryProjectId": "", **given}, ELSEWHERE
    )
    template.value("suffix")
    return template


def issuer_of(template: Template) -> TrustedIssuer:
    settings = AzureSettings.from_environ(template.value("serverSettings"))
    (issuer,) = read_issuers(settings.issuers or "", source="NEO4J_M2M_ISSUERS")
    return issuer
