"""Roles, for a database of an edition that has none: what Enterprise answers to statements that Community refuses.

Users, passwords and logins are the real database's. Roles are kept here, and a user without a role that writes is
refused as Enterprise refuses. Sources: https://neo4j.com/docs/operations-manual/current/authentication-authorization/ .
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from core.credentials import database_users

_PRIVATE: Any = database_users


class EnterpriseRoles:
    """``roles`` has those of each user, ``homes`` the home databases, ``granted`` what each role was granted."""

    def __init__(self, administrator: str) -> None:
        self.roles: dict[str, set[str]] = {administrator: {"admin"}}
        self.homes: dict[str, str] = {}
        self.granted: dict[str, list[str]] = {"admin": ["WRITE ON GRAPH"]}
        self.unsupported: set[str] = set()

    @contextmanager
    def installed(self) -> Iterator[None]:
        real = database_users._run
        with pytest.MonkeyPatch.context() as patch:

            async def run(driver: Any, statement: str, parameters: dict[str, Any], *more: Any, **named: Any) -> Any:
                if any(statement.startswith(begins) for begins in self.unsupported):
                    raise _PRIVATE._NotInThisEdition("not here")
                if statement == "CREATE ()" and named.get("access") == "w":
                    user = (await real(driver, "SHOW CURRENT USER YIELD user", {}, None))[0][0]["user"]
                    if not any(
                        "WRITE ON GRAPH" in one for role in self.roles.get(user, ()) for one in self.granted[role]
                    ):
                        raise _PRIVATE._WriteRefused("no")
                if (rows := self._answered(statement, parameters)) is not None:
                    return rows, None
                rows, bookmarks = await real(driver, statement, parameters, *more, **named)
                for row in rows:
                    if "roles" in row and "home" in row:
                        row |= {
                            "roles": sorted(
                                {"PUBLIC", *self.roles.get(row["user"] if "user" in row else parameters["name"], ())}
                            ),
                            "home": self.homes.get(parameters["name"]),
                        }
                    if row.get("edition"):
                        row["edition"] = "enterprise"
                return rows, bookmarks

            patch.setattr(database_users, "_run", run)
            yield

    def _answered(self, statement: str, parameters: dict[str, Any]) -> list[Any] | None:
        if statement == "GRANT ROLE $role TO $name":
            assert parameters["role"] in self.granted, "there is no such role"
            self.roles.setdefault(parameters["name"], set()).add(parameters["role"])
            return []
        if statement == "ALTER USER $name SET HOME DATABASE $home":
            self.homes[parameters["name"]] = parameters["home"]
            return []
        if made := re.fullmatch(r"CREATE ROLE `([^`]+)` IF NOT EXISTS", statement):
            self.granted.setdefault(made[1], [])
            return []
        if granted := re.fullmatch(r"GRANT (.+) TO `([^`]+)`", statement):
            self.granted[granted[2]].append(granted[1])
            return []
        return None
