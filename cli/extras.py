"""What the base installation lacks: the packages of the extra ``local``."""

from __future__ import annotations

import importlib
from types import ModuleType

from core.errors import LocalError

__all__ = ["from_local"]

_PACKAGES_OF_THIS_PROJECT = ("core", "cli", "local", "aws_lambda", "azure_function", "databricks_app")


def from_local(module: str, what: str) -> ModuleType:
    """The module ``local.MODULE``, imported now, for ``what``.

    Raises:
        LocalError: The extra ``local`` is not installed; the text says how to install it.
    """
    try:
        return importlib.import_module(f"local.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _PACKAGES_OF_THIS_PROJECT:
            raise
        raise LocalError(
            f"{what} needs the extra `local`, which is not installed (there is no {error.name}). "
            "Install it: pip install 'neo4j-m2m[local]'"
        ) from None
