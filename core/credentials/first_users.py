"""The first users of a database: a pair that reads, or a pair that writes, with the least rights that it can enforce.

Source: https://neo4j.com/docs/operations-manual/current/authentication-authorization/manage-privileges/ .
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from pydantic import SecretStr

from core.credentials.credential import Credential, PasswordLogin, parse_credential
from core.credentials.database_users import DatabaseUsers, UserRefused, database_users, log_in, may_write
from core.credentials.rotated_secret import WritableStore
from core.credentials.rotation import NO_ROLES
from core.credentials.rotation_errors import RotationRefused
from core.credentials.rotation_turn import ALTERNATE, Administrator, new_password
from core.credentials.secret_store import SecretNotFound
from core.credentials.sources import load_secret
from core.errors import CredentialError

__all__ = ["FirstUsersReport", "create_first_users", "least_rights"]

logger = logging.getLogger(__name__)

_HOME = "neo4j"
"""The database of a new installation, where none is named."""


@dataclass(frozen=True)
class FirstUsersReport:
    """What was made. ``enforced`` if the database itself keeps the users within their rights; nothing is secret.

    ``existed`` if the secret held a login of that user before, which works: then nothing was changed.
    """

    secret: str
    user: str
    role: str | None
    database: str
    edition: str
    enforced: bool
    existed: bool
    notes: tuple[str, ...] = ()


def least_rights(role: str, database: str, *, writes: bool) -> list[str]:
    """The statements, for the database ``system``, that make ``role`` one that reads ``database``, and may write it."""
    name, of = _quoted(role), _quoted(database)
    reading = [
        f"CREATE ROLE {name} IF NOT EXISTS",
        f"GRANT ACCESS ON DATABASE {of} TO {name}",
        f"GRANT MATCH {{*}} ON GRAPH {of} TO {name}",
        f"GRANT SHOW INDEX ON DATABASE {of} TO {name}",
        f"GRANT SHOW CONSTRAINT ON DATABASE {of} TO {name}",
    ]
    writing = [f"GRANT WRITE ON GRAPH {of} TO {name}", f"GRANT NAME MANAGEMENT ON DATABASE {of} TO {name}"]
    return reading + writing if writes else reading


async def create_first_users(
    store: WritableStore,
    secret: str,
    administrator: Administrator,
    *,
    user: str,
    writes: bool = False,
    database: str | None = None,
) -> FirstUsersReport:
    """Make ``user`` and the second one of its pair, try what they may do, and store the login of ``user``.

    It may be repeated after a crash. ``secret`` may hold the administrator's own login, such as the file from Aura: it
    is replaced.

    Raises:
        RotationRefused: The secret holds something else, or the database does not do what was asked of it.
        RotationInterrupted: The database does not answer, or takes no changes.
        SecretError: The store does not answer, or refuses.
    """
    credential = await administrator()
    admin = credential.login
    if not isinstance(admin, PasswordLogin):
        raise RotationRefused("The administrator's credential has to be a user name and a password.")
    if admin.username in (user, user + ALTERNATE):
        raise RotationRefused(f"{admin.username} is the administrator. Choose another name for the new user.")
    there = database or credential.database or _HOME
    role = f"{user}_role"
    existed = await _stored_already(store, secret, credential.uri, admin, user)
    async with database_users(credential.uri, admin) as users:
        edition = await users.edition()
        if existed:
            found = await users.find(user)
            enforced = found is not None and found.roles is not None
            return FirstUsersReport(secret, user, role if enforced else None, there, edition, enforced, existed=True)
        login = PasswordLogin(username=user, password=new_password())
        enforced = await _make(users, login, role, there, writes=writes)
    await log_in(credential.uri, login, database=there)
    notes = await _proved(credential.uri, login, there, writes=writes, enforced=enforced)
    fields = {"uri": credential.uri, "username": user, "password": login.password.get_secret_value(), "database": there}
    await store.write(secret, SecretStr(json.dumps(fields)))
    logger.info("the user %s was made, and its login stored as %s", user, secret)
    return FirstUsersReport(secret, user, role if enforced else None, there, edition, enforced, False, notes)


async def _stored_already(store: WritableStore, secret: str, uri: str, admin: PasswordLogin, user: str) -> bool:
    """Whether ``secret`` holds a login of ``user`` that works.

    Raises:
        RotationRefused: It holds something that must not be lost.
    """
    try:
        text = (await load_secret(store, secret)).text.get_secret_value()
    except SecretNotFound:
        return False
    try:
        found: Credential | None = parse_credential(text, source=secret)
    except CredentialError:
        found = None
    name = found.login.username if found is not None and isinstance(found.login, PasswordLogin) else None
    if found is None or name not in (admin.username, user, user + ALTERNATE):
        raise RotationRefused(
            f"The secret {secret} does not hold a login of {user} or of the administrator. Choose another "
            "secret, or delete that one first."
        )
    if name == admin.username or not isinstance(found.login, PasswordLogin):
        return False
    try:
        await log_in(uri, found.login)
    except UserRefused as error:
        if error.locked:
            raise
        return False
    return True


async def _make(users: DatabaseUsers, login: PasswordLogin, role: str, database: str, *, writes: bool) -> bool:
    """Make both users; whether they have a role, and so no more rights than it gives."""
    for name, password in ((login.username, login.password), (login.username + ALTERNATE, new_password())):
        await users.set_password(PasswordLogin(username=name, password=password))
    for statement in least_rights(role, database, writes=writes):
        if not await users.execute(statement):
            return False
    for name in (login.username, login.username + ALTERNATE):
        if not await users.execute("GRANT ROLE $role TO $name", role=role, name=name):
            return False
    return True


async def _proved(uri: str, login: PasswordLogin, database: str, *, writes: bool, enforced: bool) -> tuple[str, ...]:
    """What trying has shown, as notes.

    Raises:
        RotationRefused: The user can write and must not, or cannot and should.
    """
    can = await may_write(uri, login, database=database, access="w")
    if writes:
        if not can:
            raise RotationRefused(f"{login.username} was tried and cannot write. Nothing was stored.")
        return () if enforced else (NO_ROLES,)
    if await may_write(uri, login, database=database, access="r"):
        raise RotationRefused("The database lets a user write in READ access mode. Nothing was stored.")
    if not can:
        return (f"Tried: {login.username} cannot write, whatever a server asks for.",)
    if enforced:
        raise RotationRefused(
            f"{login.username} was tried and can write, though its role does not let it. Look at what the role PUBLIC "
            "grants, revoke that, and bootstrap again. Nothing was stored."
        )
    return (NO_ROLES, f"Tried: {login.username} cannot write in READ access mode, in which the server reads.")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
