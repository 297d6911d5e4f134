"""What the base installation lacks: the packages of its extras."""

from __future__ import annotations

import importlib
from types import ModuleType

from core.errors import LocalError

__all__ = ["from_local", "from_platform"]

_PACKAGES_OF_THIS_PROJECT = ("core", "cli", "local", "aws_lambda", "azure_function", "databricks_app")


def from_local(module: str, what: str) -> ModuleType:
    """The module ``local.MODULE``, imported now, for ``what``.

    Raises:
        LocalError: The extra ``local`` is not installed; the text says how to install it.
    """
    return _from_extra(f"local.{module}", "local", what)


def from_platform(module: str, platform: str) -> ModuleType:
    """The ``module`` of the package of ``platform``, imported now with what it needs besides.

    Raises:
        LocalError: The extra of that platform is not installed; the text says how to install it.
    """
    for needed in _SDKS[platform]:
        _from_extra(needed, platform, f"The platform {platform}")
    return _from_extra(module, platform, f"The platform {platform}")


_SDKS = {
    "aws": ("boto3",),
    "azure": ("azure.identity", "azure.keyvault.secrets"),
    "databricks": ("databricks.sdk",),
}


def _from_extra(module: str, extra: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _PACKAGES_OF_THIS_PROJECT:
            raise
        raise LocalError(
            f"{what} needs the extra `{extra}`, which is not installed (there is no {error.name}). "
            f"Install it: pip install 'neo4j-m2m[{extra}]'"
        ) from None
