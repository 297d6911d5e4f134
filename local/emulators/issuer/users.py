"""The people whose tokens an issuer issues."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["User"]


@dataclass(frozen=True)
class User:
    """A person: the name and password to sign in with, the id that tokens name, the scopes that clients may have.

    Without an ``object_id`` the name is the id. ``roles`` are application roles, which only Entra's tokens have.
    """

    name: str
    password: str = field(repr=False)
    object_id: str = ""
    scopes: frozenset[str] = frozenset({"access_as_user"})
    roles: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The user's id in tokens: ``oid`` in Entra's, ``sub`` in all others."""
        return self.object_id or self.name
