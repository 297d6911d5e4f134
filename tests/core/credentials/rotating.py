"""A pair of database users of a test's own, its secret in a directory, and ways to break a rotation off."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import neo4j
import pytest
from pydantic import SecretStr

from cli.secret_directory import SecretDirectory
from core.credentials import database_users
from core.credentials.credential import Credential, PasswordLogin, parse_credential
from core.credentials.rotated_secret import CANDIDATE_SUFFIX, PairedSecrets
from core.credentials.rotation import Rotation
from core.credentials.secret_store import Secret
from local.neo4j import EmbeddedNeo4j
from tests.support.database_users import lets_in

CANARY = "canary-rotated-3f11"
SECRET = "agent"
MODES = ("two_users", "single_user")


class Killed(BaseException):
    """The process is gone. Not an Exception: nothing may catch it and go on."""


class Place:
    """The secret of a user that was made for this test, and the administrator of the database."""

    def __init__(self, database: EmbeddedNeo4j, directory: Path) -> None:
        self.store = SecretDirectory(directory)
        self.directory = directory
        self.user = f"agent{secrets.token_hex(4)}"
        self.uri = database.uri
        self._database = database
        self.write(SECRET, self.fields(self.user, self.new_user(self.user)))

    def new_user(self, name: str) -> str:
        password = f"{CANARY}-{secrets.token_hex(8)}"
        self.system("CREATE USER $name SET PASSWORD $password CHANGE NOT REQUIRED", name=name, password=password)
        return password

    def system(self, statement: str, **parameters: str) -> list[dict[str, Any]]:
        admin = (self._database.username, self._database.password.get_secret_value())
        with neo4j.GraphDatabase.driver(self._database.uri, auth=admin, telemetry_disabled=True) as driver:
            return [record.data() for record in driver.execute_query(statement, parameters, database_="system").records]

    def fields(self, username: str, password: str, **more: str) -> str:
        return json.dumps({"uri": self.uri, "username": username, "password": password, **more})

    def write(self, name: str, text: str) -> None:
        asyncio.run(self.store.write(name, SecretStr(text)))

    def read(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.store.read(SECRET).text.get_secret_value())
        return said

    def login(self) -> PasswordLogin:
        """The login that servers find in the secret."""
        login = parse_credential(self.store.read(SECRET).text.get_secret_value(), source=SECRET).login
        assert isinstance(login, PasswordLogin)
        return login

    async def administrator(self) -> Credential:
        login = PasswordLogin(username=self._database.username, password=self._database.password)
        return Credential(uri=self.uri, database=None, login=login)

    def rotation(self, *, store: Any = None, lease: float = 0.0, settle: float = 0.0, **options: Any) -> Rotation:
        """A rotation as a process of its own has it; a candidate of another one is taken over at once."""
        place = PairedSecrets(store or self.store, SECRET, lease=lease, settle=settle)
        return Rotation(place, options.pop("administrator", self.administrator), **options)

    def lets_in(self, login: PasswordLogin) -> bool:
        return lets_in(self.uri, login)


class Breaking:
    """Counts what a rotation asks of store and database, and ends the process at the request number ``at``.

    With ``after`` the request is carried out, and its answer is what is lost.
    """

    def __init__(self, store: SecretDirectory, at: int, *, after: bool) -> None:
        self._store = store
        self._at = at
        self._after = after
        self.requests = 0

    async def _asked(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        self.requests += 1
        if self.requests == self._at and not self._after:
            raise Killed
        this = self.requests
        try:
            return await ask()
        finally:
            if this == self._at:
                raise Killed

    async def fetch(self, name: str) -> Secret:
        found: Secret = await self._asked(lambda: self._store.fetch(name))
        return found

    async def write(self, name: str, text: SecretStr) -> None:
        await self._asked(lambda: self._store.write(name, text))

    @contextmanager
    def database(self) -> Iterator[None]:
        """Statements count, too, while the context lasts."""
        run = database_users._run
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                database_users, "_run", lambda *arguments, **named: self._asked(lambda: run(*arguments, **named))
            )
            yield


def beside(place: Place) -> dict[str, Any]:
    """What lies beside the secret of ``place``, where a rotation keeps its candidate."""
    said: dict[str, Any] = json.loads(place.store.read(SECRET + CANDIDATE_SUFFIX).text.get_secret_value())
    return said
