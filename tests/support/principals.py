"""A caller, and for each field of a principal another one who differs in that field only."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from core.identity.principal import Principal

__all__ = ["ALICE", "each_other_principal"]

ALICE = Principal(
    "azure",
    "user_on_behalf",
    "alice",
    name="Alice",
    tenant="contoso",
    roles=frozenset({"Graph.Read"}),
    proved_by="token of contoso",
    issuer="https://one.example",
)

_SAME_CALLER = {"name", "roles", "proved_by", "blueprint"}
"""Fields that do not make a principal another one. A new field does, until somebody writes it here for a reason."""

_OTHER: dict[str, Any] = {"kind": "api_key", "roles": frozenset({"Other"})}

each_other_principal = pytest.mark.parametrize(
    ("other", "is_another"),
    [
        pytest.param(
            replace(ALICE, **{field.name: _OTHER.get(field.name, "other")}),
            field.name not in _SAME_CALLER,
            id=field.name,
        )
        for field in fields(Principal)
    ],
)
"""Runs a test once for each field: ``other`` differs from `ALICE` in it, and ``is_another`` caller or the same."""
