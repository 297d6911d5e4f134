"""Rotations that a store, a database or a member of a cluster fails, and what the next one makes of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import neo4j
import pytest
from pydantic import SecretStr

from core.credentials import database_users
from core.credentials import rotation as rotation_steps
from core.credentials.credential import Credential, PasswordLogin
from core.credentials.database_users import UserRefused
from core.credentials.rotation_errors import RotationInterrupted, RotationRefused
from core.credentials.secret_store import Secret, SecretDenied, SecretError, SecretThrottled, SecretUnreachable
from local.neo4j import EmbeddedNeo4j
from tests.core.credentials.rotating import CANARY, MODES, SECRET, Breaking, Killed, Place, beside
from tests.support.tcp_proxy import TcpProxy


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_rotation_that_is_killed_at_any_request_is_finished_by_the_next(
    place: Place, mode: str, after: bool
) -> None:
    at, ended = 1, False
    while not ended:
        breaking = Breaking(place.store, at, after=after)
        former = place.login()
        with breaking.database():
            try:
                await place.rotation(store=breaking, mode=mode).run()
                ended = True
            except Killed:
                pass
        if mode == "two_users":
            assert place.lets_in(place.login()), f"no server could log in after request {at}"
        report = await place.rotation(mode=mode).run()
        assert report.done
        assert place.lets_in(place.login()), f"request {at}"
        assert place.login() != former
        assert beside(place) == {}
        at += 1
    assert at > 15


@pytest.mark.parametrize("mode", MODES)
async def test_no_more_than_two_logins_in_a_row_are_wrong_however_often_a_rotation_is_killed(
    place: Place, mode: str
) -> None:
    """Three would lock the user out, callers too: see core/graph/login_gate.py."""
    for _ in range(4):
        rotation = place.rotation(mode=mode)
        await rotation.create()
        await rotation.set()
    report = await asyncio.wait_for(place.rotation(mode=mode).run(), 4)
    assert report.resumed
    assert place.lets_in(place.login())


class InTrouble:
    """A store that fails with ``error`` at the operation number ``at``."""

    def __init__(self, place: Place, error: SecretError, at: int) -> None:
        self._store = place.store
        self._error = error
        self._left = at

    def _fail(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise self._error

    async def fetch(self, name: str) -> Secret:
        self._fail()
        return await self._store.fetch(name)

    async def write(self, name: str, text: SecretStr) -> None:
        self._fail()
        await self._store.write(name, text)


@pytest.mark.parametrize("error", [SecretUnreachable("away"), SecretDenied("no"), SecretThrottled("slow")])
async def test_a_store_that_fails_anywhere_ends_the_rotation_and_the_next_one_finishes_it(
    place: Place, error: SecretError
) -> None:
    for at in range(1, 100):
        try:
            await place.rotation(store=InTrouble(place, error, at)).run()
        except type(error):
            assert place.lets_in(place.login())
            continue
        break
    assert at > 8
    await place.rotation().run()
    assert place.lets_in(place.login())


@pytest.mark.parametrize("mode", MODES)
async def test_a_database_that_is_away_ends_the_rotation_and_the_next_one_finishes_it(
    scratch_database: EmbeddedNeo4j, tmp_path: Path, mode: str
) -> None:
    place = await asyncio.to_thread(Place, scratch_database, tmp_path)
    async with TcpProxy.to(place.uri) as proxy:
        direct, place.uri = place.uri, proxy.uri
        await place.store.write(SECRET, SecretStr(json.dumps({**place.read(), "uri": proxy.uri})))
        begun = place.rotation(mode=mode)
        await begun.create()
        await proxy.refuse()
        for step in (begun.set, begun.test, begun.run):
            with pytest.raises(RotationInterrupted, match="does not answer"):
                await step()
        await proxy.accept()
        await place.rotation(mode=mode).run()
        place.uri = direct
        assert place.lets_in(place.login())


async def test_an_administrator_who_is_refused_ends_the_rotation_and_no_password_is_said(place: Place) -> None:
    async def wrong() -> Credential:
        right = await place.administrator()
        login = PasswordLogin(username="neo4j", password=SecretStr(f"{CANARY}-wrong"))
        return Credential(uri=right.uri, database=None, login=login)

    with pytest.raises(RotationRefused) as caught:
        await place.rotation(administrator=wrong).run()
    assert CANARY not in str(caught.value) + repr(caught.value)
    assert place.lets_in(place.login())
    assert (await place.rotation().run()).done


async def test_a_database_that_takes_no_changes_ends_the_rotation_and_the_next_one_finishes_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Community cannot be made to refuse changes of users; the code is the one of a member that is not the leader."""
    begun = place.rotation()
    await begun.create()
    real = database_users._run

    async def refused(driver: Any, statement: str, *more: Any, **named: Any) -> Any:
        if statement.startswith(("CREATE USER", "ALTER USER")):
            error = neo4j.exceptions.Neo4jError._hydrate_neo4j(
                code="Neo.ClientError.Cluster.NotALeader", message=CANARY
            )
            raise database_users._explained(error)
        return await real(driver, statement, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(database_users, "_run", refused)
        with pytest.raises(RotationInterrupted, match="takes no changes") as caught:
            await begun.run()
    assert CANARY not in str(caught.value)
    assert place.lets_in(place.login())
    assert (await place.rotation().run()).resumed
    assert place.lets_in(place.login())


async def test_a_member_that_learns_of_the_password_late_is_waited_for_with_no_third_wrong_login(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a cluster the member that is asked next may not have the change yet; three wrong logins lock a user out."""
    refusals = 0
    real = rotation_steps.log_in

    async def late(uri: str, login: PasswordLogin, *, database: str | None = None) -> None:
        nonlocal refusals
        if login.username.endswith("_alternate") and refusals < 2:
            refusals += 1
            raise UserRefused("not yet", locked=False)
        await real(uri, login, database=database)

    monkeypatch.setattr(rotation_steps, "log_in", late)
    await place.rotation(refused_pauses=(0.05, 0.1)).run()
    assert refusals == 2
    assert place.lets_in(place.login())


async def test_a_rotation_goes_on_when_servers_with_the_former_password_lock_the_user_out(place: Place) -> None:
    former = place.login()
    rotation = place.rotation(mode="single_user")
    await rotation.create()
    await rotation.set()
    for _ in range(3):
        assert not await asyncio.to_thread(place.lets_in, former)
    with pytest.raises(neo4j.exceptions.ClientError, match="too many times in a row"):
        await asyncio.to_thread(place.lets_in, former)
    await rotation.test()
    await rotation.finish()
    assert place.lets_in(place.login())


@pytest.mark.parametrize("administered", [False, True])
async def test_who_finishes_a_rotation_adds_no_third_wrong_login_to_those_of_a_server(
    place: Place, monkeypatch: pytest.MonkeyPatch, administered: bool
) -> None:
    monkeypatch.setattr(rotation_steps, "_LOCKED_SECONDS", 0.0)
    more: dict[str, Any] = {} if administered else {"administrator": None}
    former = place.login()
    killed = place.rotation(mode="single_user", **more)
    await killed.create()
    await killed.set()
    for _ in range(2):
        assert not await asyncio.to_thread(place.lets_in, former)
    report = await asyncio.wait_for(place.rotation(mode="single_user", **more).run(), 4)
    assert report.done
    assert place.lets_in(place.login())


async def test_a_rotation_that_was_killed_before_the_database_was_asked_is_finished_too(place: Place) -> None:
    await place.rotation(mode="single_user", administrator=None).create()
    report = await asyncio.wait_for(place.rotation(mode="single_user", administrator=None).run(), 4)
    assert report.resumed
    assert place.lets_in(place.login())


async def test_a_rotation_gives_up_on_a_user_who_stays_locked_out(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def locked(uri: str, login: PasswordLogin, *, database: str | None = None) -> None:
        nonlocal tries
        tries += 1
        raise UserRefused("locked out", locked=True)

    rotation = place.rotation(mode="single_user", refused_pauses=(0.0,))
    await rotation.create()
    monkeypatch.setattr(rotation_steps, "log_in", locked)
    monkeypatch.setattr(rotation_steps, "_LOCKED_SECONDS", 1.2)
    with pytest.raises(RotationInterrupted, match="Nothing was published"):
        await rotation.test()
    assert 2 <= tries <= 6
