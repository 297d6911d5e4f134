"""The key ring: one JSON text that holds the hash of every API key, and never a key.

::

    {"keys": [
    {"id": "3kTzW8aQ0b", "name": "foundry-prod", "hash": "sha256:…", "created": "2026-11-23T09:00:00Z",
     "expires": "2027-02-21T09:00:00Z", "revoked": null, "roles": ["graph-reader"], "tenant": "contoso"}
    ]}

It is a secret of its own, apart from the database credential. Whoever can change it decides who may call, so others
must not be able to write it. Whoever can only read it learns names, but no key.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from core.errors import Neo4jM2mError

__all__ = [
    "HASH_PREFIX",
    "ID_LENGTH",
    "KEY_PREFIX",
    "LABEL_PATTERN",
    "NAME_PATTERN",
    "ApiKey",
    "KeyRing",
    "KeyRingError",
    "KeyState",
    "parse_key_ring",
    "render_key_ring",
]

KEY_PREFIX = "n4m_"
"""The start of every API key, and of no token."""

ID_LENGTH = 10

HASH_PREFIX = "sha256:"

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@:/-]{0,63}$"
"""Names of principals: they need no quoting in a policy, a log line or a shell, and contain no wildcard."""

LABEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@:/-]{0,127}$"
"""Roles and tenants."""

KeyState = Literal["valid", "expired", "revoked"]

_Label = Annotated[str, StringConstraints(pattern=LABEL_PATTERN)]


class KeyRingError(Neo4jM2mError):
    """The key ring does not parse. The text names the source and the entry; it quotes no key, hash or other value."""


class ApiKey(BaseModel):
    """One key as it is stored in the ring. ``name`` is the principal's: several keys may prove the same one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    id: Annotated[str, StringConstraints(pattern=rf"^[0-9A-Za-z]{{{ID_LENGTH}}}$")]
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
    hash: Annotated[str, StringConstraints(pattern=rf"^{HASH_PREFIX}[0-9a-f]{{64}}$")] = Field(repr=False)
    created: AwareDatetime
    expires: AwareDatetime | None
    revoked: AwareDatetime | None = None
    roles: tuple[_Label, ...] = ()
    tenant: Annotated[str, StringConstraints(pattern=rf"{LABEL_PATTERN}|^$")] = ""

    def state(self, now: float) -> KeyState:
        """Whether the key is good at ``now``, in seconds since the epoch. Revoked comes before expired."""
        if self.revoked is not None:
            return "revoked"
        if self.expires is not None and now >= self.expires.timestamp():
            return "expired"
        return "valid"


class KeyRing(BaseModel):
    """Every key, in the order in which they were created."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    keys: tuple[ApiKey, ...]


def parse_key_ring(text: str, source: str) -> KeyRing:
    """The key ring that ``text`` states; ``source`` names it in errors: a file's or a secret's name.

    Raises:
        KeyRingError: The text is not a key ring; the error names source and entry.
    """
    try:
        ring = KeyRing.model_validate_json(text)
    except ValidationError as error:
        raise KeyRingError(f"{source}: {_reason(error)}") from None
    seen: set[str] = set()
    for number, key in enumerate(ring.keys, 1):
        if key.id in seen:
            raise KeyRingError(f"{source}: key {number}: another key has the id {key.id} already.")
        seen.add(key.id)
    return ring


def render_key_ring(ring: KeyRing) -> str:
    """``ring`` as text, one key per line, so that two versions can be compared."""
    lines = (json.dumps({field: _plain(value) for field, value in key}) for key in ring.keys)
    return '{"keys": [\n' + ",\n".join(lines) + "\n]}\n"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return value


def _reason(error: ValidationError) -> str:
    """What is wrong, and where; an unknown field's name is quoted only if it cannot be a key or a hash."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where, message = first["loc"], first["msg"]
    if first["type"] == "json_invalid":
        return f"this is not valid JSON: {message.removeprefix('Invalid JSON: ')}."
    if len(where) < 2 or not isinstance(where[1], int):
        return 'a key ring is one JSON object {"keys": [...]} and nothing else.'
    entry = f"key {where[1] + 1}"
    if len(where) < 3:
        return f"{entry}: a key is a JSON object."
    field = str(where[2])
    if first["type"] == "extra_forbidden":
        named = f" {field!r}" if re.fullmatch(r"[a-z_]{1,20}", field) else ""
        return f"{entry}: a key has no such field{named}; it has {', '.join(ApiKey.model_fields)}."
    if first["type"] == "missing":
        return f"{entry}: it has no {field}."
    if first["type"] == "string_pattern_mismatch":
        return f"{entry}: {field} is malformed."
    return f"{entry}: {field}: {message}."
