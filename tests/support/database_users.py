"""Database users that tests make, and whether the database lets them in."""

from __future__ import annotations

import neo4j

from core.credentials.credential import PasswordLogin

__all__ = ["create_user", "lets_in"]


def create_user(admin: neo4j.Driver, name: str, password: str) -> None:
    """Create the user ``name`` with ``password``, which they need not change."""
    admin.execute_query(
        "CREATE USER $name SET PASSWORD $password CHANGE NOT REQUIRED",
        name=name,
        password=password,
        database_="system",
    )


def lets_in(uri: str, login: PasswordLogin) -> bool:
    """Whether the database at ``uri`` accepts ``login``."""
    auth = (login.username, login.password.get_secret_value())
    with neo4j.GraphDatabase.driver(uri, auth=auth, telemetry_disabled=True) as driver:
        try:
            driver.verify_connectivity()
        except neo4j.exceptions.AuthError:
            return False
    return True
