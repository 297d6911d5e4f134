"""What happens when the database stops accepting the credential: with a real database, which locks users out."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import neo4j
import pytest

from cli.secret_directory import SecretDirectory
from core.credentials.secret_store import Secret, SecretUnreachable
from core.database_scopes import DatabaseScopes
from core.deadline import Deadline
from core.errors import DatabaseUnavailable, ToolError
from core.graph.results import Limits
from core.settings import Settings
from local.neo4j import EmbeddedNeo4j
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import soon

LIMITS = Limits(10, 1000)
CANARY = "canary-rotation-7a20"


class Rotated:
    """A database user of its own for a test, and the secret that says its password."""

    def __init__(self, database: EmbeddedNeo4j, admin: neo4j.Driver, directory: Path) -> None:
        self.name = f"agent{secrets.token_hex(4)}"
        self.directory = directory
        self.uri = database.uri
        self._admin = admin
        self._number = 0
        self._made: list[DatabaseScopes] = []
        self.store(self.change())

    def change(self) -> str:
        """Give the user a new password in the database; the secret is another matter."""
        self._number += 1
        password = f"{CANARY}-{self._number}-{secrets.token_hex(4)}"
        self._system("CREATE OR REPLACE USER" if self._number == 1 else "ALTER USER", password)
        return password

    def _system(self, command: str, password: str) -> None:
        statement = f"{command} {self.name} SET PASSWORD $password CHANGE NOT REQUIRED"
        self._admin.execute_query(statement, password=password, database_="system")

    def store(self, password: str, uri: str | None = None) -> None:
        """Put ``password`` into the secret, in one step."""
        new = self.directory / ".new"
        new.touch(mode=0o600)
        new.write_text(json.dumps({"uri": uri or self.uri, "username": self.name, "password": password}))
        new.rename(self.directory / "agent.json")

    def views(self, changed: Callable[[str | None], None] | None = None) -> DatabaseScopes:
        """A server of its own, that has not talked to the database yet."""
        self._made.append(DatabaseScopes(Settings(secret="agent"), SecretDirectory(self.directory), changed=changed))
        return self._made[-1]

    async def close(self) -> None:
        """Close every server, the test's failure or not: an open one would fail a test that comes later."""
        for views in self._made:
            await views.close()


@pytest.fixture
async def rotated(
    scratch_database: EmbeddedNeo4j, empty_neo4j_driver: neo4j.Driver, tmp_path: Path
) -> AsyncIterator[Rotated]:
    rotated = Rotated(scratch_database, empty_neo4j_driver, tmp_path)
    yield rotated
    await rotated.close()


@pytest.fixture
def views(rotated: Rotated) -> DatabaseScopes:
    return rotated.views()


async def read(views: DatabaseScopes, seconds: float = 20) -> object:
    result = await views.default.database.read("RETURN 1", {}, limits=LIMITS, deadline=Deadline.after(seconds))
    return result.rows


async def test_a_password_that_is_changed_under_load_loses_no_call_though_the_store_is_late(rotated: Rotated) -> None:
    answered: list[object] = []
    lost: list[str] = []
    over = asyncio.Event()

    async def instance() -> None:
        while not over.is_set():
            views = rotated.views()
            try:
                for _ in range(5):
                    answered.append(await read(views))
                    await asyncio.sleep(0.01)
            except ToolError as error:
                lost.append(str(error))
            finally:
                await views.close()

    instances = [asyncio.ensure_future(instance()) for _ in range(8)]
    assert await soon(lambda: len(answered) > 40)
    password = await asyncio.to_thread(rotated.change)
    for _ in range(60):  # until nobody is answered any more
        before = len(answered)
        await asyncio.sleep(0.5)
        if len(answered) == before:
            break
    rotated.store(password)
    before = len(answered)
    # Neo4j locks a user out for five seconds after wrong passwords in a row.
    went_on = await soon(lambda: len(answered) > before + 80)
    over.set()
    await asyncio.gather(*instances)
    assert lost == []
    assert went_on


async def test_connections_that_all_break_at_a_changed_password_do_not_lock_the_user_out(rotated: Rotated) -> None:
    """Three wrong logins in a row lock the user out. Callers that counted on open connections log in all at once."""
    async with TcpProxy.to(rotated.uri) as proxy:
        rotated.store(await asyncio.to_thread(rotated.change), proxy.uri)
        views, over, answered = rotated.views(), asyncio.Event(), [0] * 16

        async def caller(number: int) -> None:
            while not over.is_set():
                await read(views)
                answered[number] += 1
                await asyncio.sleep(0.01)  # so that some connections are idle when all break

        async def all_go_on() -> bool:
            """So that no call is under way that has lost a connection already: each replaces one only once."""
            before = answered[:]
            return await soon(lambda: all(now > then + 12 for now, then in zip(answered, before, strict=True)))

        callers = [asyncio.ensure_future(caller(number)) for number in range(16)]
        for _ in range(5):
            assert await all_go_on()
            password = await asyncio.to_thread(rotated.change)
            proxy.drop_all()
            await asyncio.sleep(0.3)
            rotated.store(password, proxy.uri)
        assert await all_go_on()
        over.set()
        await asyncio.gather(*callers)
        await views.close()
    assert 1 <= proxy.refused_logins <= 10, "two at once, five times"
    assert proxy.locked_out == 0


async def test_a_write_survives_a_rotation_too_and_is_made_once(rotated: Rotated, views: DatabaseScopes) -> None:
    rotated.store(await asyncio.to_thread(rotated.change))
    await read(views)
    password = await asyncio.to_thread(rotated.change)
    fresh = rotated.views()

    async def late() -> None:
        await asyncio.sleep(0.3)
        rotated.store(password)

    label = f"Rotated{secrets.token_hex(4)}"
    write = fresh.default.database.write(f"CREATE (:{label})", {}, limits=LIMITS, deadline=Deadline.after(20))
    result, _ = await asyncio.gather(write, late())
    assert result.counters["nodes_created"] == 1
    count = await fresh.default.database.read(
        f"MATCH (n:{label}) RETURN count(n)", {}, limits=LIMITS, deadline=Deadline.after(20)
    )
    assert count.rows == [[1]]
    await fresh.close()


async def test_a_refused_password_is_presented_once_however_many_call(rotated: Rotated) -> None:
    async with TcpProxy.to(rotated.uri) as proxy:
        rotated.store("wrong-password", uri=proxy.uri)
        views = rotated.views()
        answers = await asyncio.gather(*(read(views, 3) for _ in range(20)), return_exceptions=True)
        assert all(isinstance(answer, DatabaseUnavailable) for answer in answers), answers
        assert "check the database user and password" in str(answers[0])
        assert proxy.connections == 1
        for seconds in (0.0, 0.1, 0.5):
            with pytest.raises(DatabaseUnavailable, match="check the database user and password"):
                await read(views, seconds)
        await views.close()
        assert proxy.connections == 1


async def test_after_the_secret_was_mended_calls_are_answered_again(rotated: Rotated) -> None:
    right = await asyncio.to_thread(rotated.change)
    rotated.store("wrong-password")
    views = rotated.views()
    with pytest.raises(DatabaseUnavailable):
        await read(views, 3)
    rotated.store(right)
    assert await read(views) == [[1]]
    await views.close()


async def test_a_cold_start_waits_for_a_store_that_fails_and_says_so_if_it_goes_on_failing(
    rotated: Rotated, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = SecretDirectory(rotated.directory)
    fails_until = time.monotonic() + 1
    asked = 0

    class Failing:
        async def fetch(self, name: str) -> Secret:
            nonlocal asked
            asked += 1
            if time.monotonic() < fails_until:
                raise SecretUnreachable("the store fails")
            return await directory.fetch(name)

    cold = DatabaseScopes(Settings(secret="agent"), Failing())
    assert await asyncio.gather(*(read(cold) for _ in range(8))) == [[[1]]] * 8
    assert asked <= 5
    await cold.close()
    fails_until = time.monotonic() + 3600
    cold = DatabaseScopes(Settings(secret="agent"), Failing())
    with pytest.raises(DatabaseUnavailable, match=r"secret store \(unreachable\)"):
        await read(cold, 2)
    monkeypatch.setattr("core.graph.pool._PATIENCE", 0.5)
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match=r"secret store \(unreachable\)"):
        await read(cold, 60)
    assert time.monotonic() - begun < 30
    await cold.close()


async def test_a_lockout_is_waited_out_or_explained(rotated: Rotated, views: DatabaseScopes) -> None:
    with neo4j.GraphDatabase.driver(rotated.uri, auth=(rotated.name, "wrong"), telemetry_disabled=True) as somebody:
        for _ in range(3):
            with pytest.raises(neo4j.exceptions.ClientError):
                await asyncio.to_thread(somebody.verify_connectivity)
    with pytest.raises(DatabaseUnavailable, match="locked this server's user out"):
        await read(views, 1.5)
    with pytest.raises(DatabaseUnavailable, match="locked this server's user out"):
        await read(views, 0.0)
    assert await read(views, 20) == [[1]]


async def test_a_new_credential_is_told_and_what_was_remembered_of_the_old_one_is_forgotten(rotated: Rotated) -> None:
    changed: list[str | None] = []
    views = rotated.views(changed.append)
    await read(views)
    before = views.default
    rotated.store(await asyncio.to_thread(rotated.change))
    pool = views._pools[None]
    assert pool._connected is not None
    old_driver = pool._connected.driver
    pool._refused = pool._connected.known
    assert await read(views) == [[1]]
    assert changed == [None]
    assert views.default is not before
    assert await soon(lambda: bool(old_driver._closed))
    await views.close()


async def test_a_call_that_is_under_way_ends_well_on_the_driver_of_the_old_credential(rotated: Rotated) -> None:
    views = rotated.views()
    await read(views)
    statement = "UNWIND range(1, 3000000) AS i RETURN count(toString(i) + 'x')"
    long = asyncio.ensure_future(views.default.database.read(statement, {}, limits=LIMITS, deadline=Deadline.after(30)))
    await asyncio.sleep(0.2)
    rotated.store(await asyncio.to_thread(rotated.change))
    pool = views._pools[None]
    assert pool._connected is not None
    pool._refused = pool._connected.known
    assert await read(views) == [[1]]
    assert not long.done()
    assert (await long).rows == [[3000000]]
    await views.close()


async def test_no_password_shows_in_the_log_or_in_an_error(rotated: Rotated, caplog: pytest.LogCaptureFixture) -> None:
    views, fresh = rotated.views(), rotated.views()
    with caplog.at_level("DEBUG"):
        await read(views)
    await asyncio.to_thread(rotated.change)
    with caplog.at_level("DEBUG"):
        with pytest.raises(DatabaseUnavailable) as caught:
            await read(fresh, 3)
        await views.close()
        await fresh.close()
    assert CANARY not in caplog.text + str(caught.value) + repr(caught.value)


@pytest.mark.exhaustive
async def test_a_cold_server_waits_for_the_secret_for_as_long_as_the_call_may_take(rotated: Rotated) -> None:
    """Issue 21: a gap of 20 seconds between database and store failed a cold start."""
    password = await asyncio.to_thread(rotated.change)
    cold = rotated.views()

    async def late() -> None:
        await asyncio.sleep(20)
        rotated.store(password)

    rows, _ = await asyncio.gather(read(cold, 30), late())
    assert rows == [[1]]
    await cold.close()
