"""A workspace: its users and service principals, their tokens, and its secret scopes with their permissions.

Sources: https://docs.databricks.com/aws/en/security/secrets/ and
https://docs.databricks.com/aws/en/security/auth/access-control/ (secret ACLs).
"""

from __future__ import annotations

import re
import secrets
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import jwt
from pydantic import SecretStr

from local.emulators.issuer import Client, Issuer, Resource, User

__all__ = ["PERMISSIONS", "ApiError", "EmulatedWorkspace", "SecretScope"]

PERMISSIONS = ("READ", "WRITE", "MANAGE")
"""Permissions for a scope; each includes those before it."""

_NAME = re.compile(r"[\w.@-]{1,128}", re.ASCII)
_LARGEST = 128 * 1024


class ApiError(Exception):
    """A refusal of the workspace's API: a status, a code, and a text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class SecretScope:
    """A secret scope: the values by key, and the permissions by name."""

    values: dict[str, bytes] = field(default_factory=dict, repr=False)
    permissions: dict[str, str] = field(default_factory=dict)


class EmulatedWorkspace:
    """The workspace ``id``, with service principals (the clients of its issuer) and users.

    A service principal is known by its application id, which is its client id; a user by an e-mail address.
    """

    def __init__(self, service_principals: Iterable[Client], users: Iterable[User] = (), *, id: str) -> None:  # noqa: A002
        self.id = id
        self.issuer = Issuer("databricks", service_principals, [Resource(id)], users=users)
        self._pats: dict[str, str] = {}
        self._scopes: dict[str, SecretScope] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The origin, known when it is served."""
        return self.issuer.url

    def issue_pat(self, name: str) -> SecretStr:
        """A new personal access token of the user or service principal ``name``."""
        pat = f"dapi{secrets.token_hex(16)}"
        self._pats[pat] = name
        return SecretStr(pat)

    def keep_pat(self, pat: SecretStr, name: str) -> None:
        """Register ``pat`` as a personal access token of ``name``."""
        self._pats[pat.get_secret_value()] = name

    def withdraw_pat(self, pat: SecretStr) -> None:
        """Forget ``pat``."""
        self._pats.pop(pat.get_secret_value(), None)

    def caller(self, authorization: str | None) -> str:
        """The name of the user or service principal whose token is in the header ``authorization``.

        Raises:
            ApiError: It is not a token of this workspace, or its user does not exist.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type.")
        if token in self._pats:
            return self._pats[token]
        try:
            claims = self.issuer.verified(token)
        except jwt.PyJWTError:
            raise ApiError(403, "403", "Invalid access token.") from None
        name = str(claims.get("sub", ""))
        if claims.get("aud") != self.id or not self.knows(name):
            raise ApiError(403, "403", "Invalid access token.")
        return name

    def knows(self, name: str) -> bool:
        """Whether there is a user or service principal ``name``."""
        return any(name == client.id for client in self.issuer.clients) or self.is_user(name)

    def is_user(self, name: str) -> bool:
        """Whether ``name`` is a user, not a service principal."""
        return any(name == user.name for user in self.issuer.users)

    def described(self, name: str) -> dict[str, Any]:
        """The user or service principal ``name``, as SCIM describes it."""
        shown = name if self.is_user(name) else next(c.name or c.id for c in self.issuer.clients if c.id == name)
        described: dict[str, Any] = {
            "id": str(zlib.crc32(name.encode())),
            "userName": name,
            "displayName": shown,
            "active": True,
        }
        if self.is_user(name):
            described["emails"] = [{"type": "work", "value": name, "primary": True}]
        return described

    def scopes(self) -> dict[str, SecretScope]:
        """All scopes, by name."""
        with self._lock:
            return dict(self._scopes)

    def create_scope(self, scope: str, owner: str) -> None:
        """Make a scope, which ``owner`` may manage."""
        with self._lock:
            if not _NAME.fullmatch(scope):
                raise ApiError(400, "INVALID_PARAMETER_VALUE", "The scope's name is not valid.")
            if scope in self._scopes:
                raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Scope {scope} already exists!")
            self._scopes[scope] = SecretScope(permissions={owner: "MANAGE"})

    def delete_scope(self, name: str, *, by: str | None = None) -> None:
        """Take away the scope ``name``, with all that is in it."""
        self.scope(name, by, "MANAGE")
        with self._lock:
            del self._scopes[name]

    def scope(self, name: str, caller: str | None, permission: str) -> SecretScope:
        """The scope ``name``, if ``caller`` has that permission for it; None stands for the operator of the workspace.

        Raises:
            ApiError: There is no such scope, or the caller has not.
        """
        with self._lock:
            scope = self._scopes.get(name)
        if scope is None:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Scope {name} does not exist!")
        has = PERMISSIONS.index(scope.permissions[caller]) if caller in scope.permissions else -1
        if caller is not None and has < PERMISSIONS.index(permission):
            raise ApiError(403, "PERMISSION_DENIED", f"User {caller} does not have {permission} permission on {name}")
        return scope

    def permit(self, name: str, principal: str, permission: str, *, by: str | None = None) -> None:
        """Give ``principal`` the ``permission`` for the scope ``name``."""
        if permission not in PERMISSIONS:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "There is no such permission.")
        self.scope(name, by, "MANAGE").permissions[principal] = permission

    def withdraw(self, name: str, principal: str, *, by: str | None = None) -> None:
        """Take from ``principal`` whatever it may do with the scope ``name``.

        Raises:
            ApiError: There is no such scope, or no permission of that principal, or ``by`` may not manage the scope.
        """
        permissions = self.scope(name, by, "MANAGE").permissions
        if principal not in permissions:
            raise ApiError(
                404, "RESOURCE_DOES_NOT_EXIST", f"Failed to get ACL for scope {name}, principal {principal}."
            )
        del permissions[principal]

    def put_secret(self, name: str, key: str, value: bytes, *, by: str | None = None) -> None:
        """Give the secret ``key`` in the scope ``name`` a value."""
        if not _NAME.fullmatch(key):
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "The key is not valid.")
        if len(value) > _LARGEST:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "A secret holds 128 KB at most.")
        self.scope(name, by, "WRITE").values[key] = value

    def secret(self, name: str, key: str, *, by: str | None = None) -> bytes:
        """The value of the secret ``key`` in the scope ``name``.

        Raises:
            ApiError: There is no such secret, or it may not be read.
        """
        values = self.scope(name, by, "READ").values
        if key not in values:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Failed to get secret {key} for scope {name}.")
        return values[key]
