"""Rotations of a real user of a real database: what they do, where they may break off, and what they refuse."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from pathlib import Path
from typing import Any

import neo4j
import pytest
from pydantic import SecretStr

from core.credentials import database_users
from core.credentials import rotation as rotation_steps
from core.credentials.credential import Credential, PasswordLogin
from core.credentials.database_users import UserRefused
from core.credentials.rotated_secret import CANDIDATE_SUFFIX, PairedSecrets
from core.credentials.rotation import NO_ROLES, Rotation
from core.credentials.rotation_errors import RotationError, RotationInterrupted, RotationRefused, RotationUnderWay
from core.credentials.secret_store import Secret, SecretDenied, SecretError, SecretThrottled, SecretUnreachable
from local.neo4j import EmbeddedNeo4j
from tests.core.credentials.rotating import CANARY, SECRET, Breaking, Killed, Place
from tests.support.tcp_proxy import TcpProxy

MODES = ("two_users", "single_user")


@pytest.fixture
def place(scratch_database: EmbeddedNeo4j, tmp_path: Path) -> Place:
    return Place(scratch_database, tmp_path)


def beside(place: Place) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(place.store.read(SECRET + CANDIDATE_SUFFIX).text.get_secret_value())
    return said


async def test_two_users_take_turns_and_the_former_one_stays_valid_until_the_next_turn(place: Place) -> None:
    first = place.login()
    report = await place.rotation().run()
    second = place.login()
    assert (report.former_user, report.user, report.done, report.resumed) == (place.user, second.username, True, False)
    assert second.username == f"{place.user}_alternate"
    assert place.lets_in(first)
    assert place.lets_in(second)
    await place.rotation().run()
    third = place.login()
    assert third.username == place.user
    assert third.password != first.password
    assert place.lets_in(third)
    assert place.lets_in(second)
    assert not place.lets_in(first)
    assert beside(place) == {}


async def test_community_is_told_to_have_no_roles(place: Place) -> None:
    report = await place.rotation().run()
    assert report.edition == "community"
    assert report.notes == (NO_ROLES,)


@pytest.mark.parametrize("administered", [True, False])
async def test_a_single_user_gets_a_new_password_with_and_without_an_administrator(
    place: Place, administered: bool
) -> None:
    former = place.login()
    administrator = place.administrator if administered else None
    await place.rotation(mode="single_user", administrator=administrator).run()
    new = place.login()
    assert new.username == former.username
    assert place.lets_in(new)
    assert not place.lets_in(former)


async def test_the_new_user_need_not_change_the_password_before_anything_else(place: Place) -> None:
    await place.rotation().run()
    name = place.login().username
    (row,) = place.system("SHOW USERS YIELD user, passwordChangeRequired WHERE user = $name", name=name)
    assert row["passwordChangeRequired"] is False


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
async def test_every_step_can_be_repeated_by_a_process_of_its_own(place: Place, mode: str) -> None:
    former = place.login()
    await place.rotation(mode=mode).create()
    for step in (Rotation.create, Rotation.create, Rotation.set, Rotation.set, Rotation.test, Rotation.test):
        await step(place.rotation(mode=mode))
    candidate = beside(place)["candidate"]
    last = place.rotation(mode=mode)
    assert await last.create() is True
    await last.finish()
    assert place.store.read(SECRET).text.get_secret_value() == candidate
    assert place.lets_in(place.login())
    assert place.login() != former


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


async def test_of_many_rotations_at_once_one_goes_on_and_the_others_are_refused(place: Place) -> None:
    rotations = [place.rotation(lease=60, settle=0.5) for _ in range(8)]
    ends = await asyncio.gather(*(rotation.run() for rotation in rotations), return_exceptions=True)
    done = [end for end in ends if not isinstance(end, BaseException)]
    assert len(done) == 1, ends
    assert all(isinstance(end, RotationUnderWay) for end in ends if isinstance(end, BaseException)), ends
    assert place.lets_in(place.login())


async def test_a_rotation_is_refused_while_another_may_still_run_and_takes_over_when_its_time_is_over(
    place: Place,
) -> None:
    await place.rotation().create()
    candidate = beside(place)["candidate"]
    with pytest.raises(RotationUnderWay, match="may still run"):
        await place.rotation(lease=60).run()
    assert beside(place)["candidate"] == candidate
    report = await place.rotation().run()
    assert report.resumed
    assert place.store.read(SECRET).text.get_secret_value() == candidate


@pytest.mark.parametrize("skew", [-3600.0, 3600.0, 30.0])
async def test_a_clock_that_is_wrong_keeps_no_rotation_away_for_good(place: Place, skew: float) -> None:
    wrong = PairedSecrets(place.store, SECRET, lease=60, settle=0, clock=lambda: time.time() + skew)
    await Rotation(wrong, place.administrator, clock=lambda: time.time() + skew).create()
    if skew == 30.0:
        with pytest.raises(RotationUnderWay):
            await place.rotation(lease=60).run()
    else:
        assert (await place.rotation(lease=60, settle=0).run()).done
        assert place.lets_in(place.login())


async def test_a_rotation_that_lost_its_candidate_to_another_publishes_nothing(place: Place) -> None:
    former = place.login()
    slow = place.rotation()
    await slow.create()
    await slow.set()
    await place.rotation().create()
    with pytest.raises(RotationUnderWay):
        await place.rotation(lease=60).finish()
    assert place.login() == former


async def test_a_secret_that_was_rotated_a_moment_ago_is_left_alone_unless_asked_for(place: Place) -> None:
    await place.rotation().run()
    with pytest.raises(RotationRefused, match="was rotated"):
        await (
            place.rotation(settle=0)
            .__class__(PairedSecrets(place.store, SECRET, settle=0), place.administrator, settle=600)
            .run()
        )
    await place.rotation().run()
    ahead = Rotation(
        PairedSecrets(place.store, SECRET, settle=0),
        place.administrator,
        settle=600,
        clock=lambda: time.time() - 3600,  # it says that the secret was rotated in an hour from now
    )
    assert (await ahead.run()).done


async def test_a_dry_run_says_who_would_follow_and_changes_nothing(place: Place) -> None:
    before = place.store.read(SECRET)
    report = await place.rotation().plan()
    assert (report.done, report.former_user, report.user) == (False, place.user, f"{place.user}_alternate")
    assert report.notes == (NO_ROLES,)
    assert place.store.read(SECRET) == before
    assert place.store.names() == [SECRET]
    assert place.system("SHOW USERS YIELD user WHERE user = $name", name=report.user) == []


async def test_the_file_from_aura_becomes_what_a_rotation_writes_and_keeps_where_the_database_is(place: Place) -> None:
    password = place.login().password.get_secret_value()
    await place.store.write(
        SECRET,
        SecretStr(
            f"# Wait 60 seconds\nNEO4J_URI={place.uri}\nNEO4J_USERNAME={place.user}\nNEO4J_PASSWORD={password}\n"
            "NEO4J_DATABASE=neo4j\nAURA_INSTANCEID=0a1b2c3d\n"
        ),
    )
    await place.rotation().run()
    said = place.read()
    assert place.lets_in(place.login())
    assert {name: said[name] for name in ("uri", "username", "database", "AURA_INSTANCEID")} == {
        "uri": place.uri,
        "username": f"{place.user}_alternate",
        "database": "neo4j",
        "AURA_INSTANCEID": "0a1b2c3d",
    }
    assert not [name for name in said if name.startswith("NEO4J_")]


async def test_a_secret_with_the_administrators_login_gets_users_of_its_own_and_the_administrator_stays(
    place: Place, scratch_database: EmbeddedNeo4j
) -> None:
    administrator = PasswordLogin(username=scratch_database.username, password=scratch_database.password)
    await place.store.write(
        SECRET, SecretStr(place.fields(administrator.username, administrator.password.get_secret_value()))
    )
    for _ in range(3):
        await place.rotation().run()
        assert place.login().username.startswith("m2m_agent_")
    assert place.lets_in(administrator)


async def test_a_single_user_that_is_the_administrator_is_refused(
    place: Place, scratch_database: EmbeddedNeo4j
) -> None:
    password = scratch_database.password.get_secret_value()
    await place.store.write(SECRET, SecretStr(place.fields(scratch_database.username, password)))
    with pytest.raises(RotationRefused, match="bootstrap"):
        await place.rotation(mode="single_user").run()


@pytest.mark.parametrize("mode", MODES)
async def test_who_writes_another_users_name_into_the_secret_gets_no_password_of_theirs(
    place: Place, mode: str
) -> None:
    """The confused deputy: whoever may write the secret must not command the administrator."""
    victim = f"victim{secrets.token_hex(4)}"
    known = place.new_user(victim)
    await place.store.write(SECRET, SecretStr(place.fields(victim, f"{CANARY}-guessed")))
    with pytest.raises(RotationRefused, match="proves nothing"):
        await place.rotation(mode=mode).run()
    assert place.lets_in(PasswordLogin(username=victim, password=SecretStr(known)))
    partner = f"{victim}_alternate"
    assert place.system("SHOW USERS YIELD user WHERE user = $name", name=partner) == []


async def test_the_administrators_password_goes_to_the_administrators_own_server_only(place: Place) -> None:
    async with TcpProxy.to(place.uri) as elsewhere:
        said = place.read()
        await place.store.write(SECRET, SecretStr(json.dumps({**said, "uri": elsewhere.uri})))
        with pytest.raises(RotationRefused, match="another server"):
            await place.rotation().run()
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "change",
    [
        {"password": "canary-edited-by-hand"},
        {"username": "nobody-at-all"},
        {"uri": "bolt+s://graph.example.com"},
        {"database": "another"},
    ],
)
async def test_after_an_edit_by_hand_the_candidate_of_before_is_never_published(
    place: Place, change: dict[str, str]
) -> None:
    right = place.store.read(SECRET).text
    begun = place.rotation()
    await begun.create()
    await begun.set()
    candidate = beside(place)["candidate"]
    await place.store.write(SECRET, SecretStr(json.dumps({**place.read(), **change})))
    with pytest.raises(RotationError):
        await place.rotation(refused_pauses=()).run()
    with pytest.raises(RotationError):
        await begun.finish()
    assert {name: place.read()[name] for name in change} == change
    await place.store.write(SECRET, SecretStr(right.get_secret_value().replace("}", ', "mended": "yes"}')))
    report = await place.rotation().run()
    assert report.done
    assert place.read()["mended"] == "yes"
    assert place.lets_in(place.login())
    assert place.store.read(SECRET).text.get_secret_value() != candidate


@pytest.mark.parametrize("text", ["", "{", "not a credential", '{"uri": "bolt://h"}', '{"auth": "api_key"}'])
async def test_a_secret_that_is_no_credential_is_refused_and_left_as_it_is(place: Place, text: str) -> None:
    await place.store.write(SECRET, SecretStr(text))
    with pytest.raises(RotationRefused):
        await place.rotation().run()
    assert place.store.read(SECRET).text.get_secret_value() == text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"candidate": 1}', '{"candidate": "x", "holder": "h"}', "null"])
async def test_a_candidate_that_was_edited_by_hand_is_written_over(place: Place, text: str) -> None:
    await place.store.write(SECRET + CANDIDATE_SUFFIX, SecretStr(text))
    assert (await place.rotation().run()).done
    assert place.lets_in(place.login())


async def test_a_login_by_token_is_refused(place: Place) -> None:
    text = json.dumps({"uri": place.uri, "auth": "workload_identity", "scope": "api://neo4j"})
    await place.store.write(SECRET, SecretStr(text))
    with pytest.raises(RotationRefused, match="without a password"):
        await place.rotation().run()


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


async def test_two_users_without_an_administrator_are_refused_at_once(place: Place) -> None:
    with pytest.raises(RotationRefused, match="administrator"):
        place.rotation(administrator=None)


async def test_a_database_that_takes_no_changes_ends_the_rotation_and_the_next_one_finishes_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Community cannot be made to refuse changes of users; the code is the one of a member that is no leader."""
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


async def test_a_driver_that_is_sent_to_other_servers_has_each_of_them_tried(place: Place) -> None:
    routed = place.uri.replace("bolt://", "neo4j://")
    await place.store.write(SECRET, SecretStr(json.dumps({**place.read(), "uri": routed})))
    login = (await place.administrator()).login
    assert isinstance(login, PasswordLogin)
    assert await database_users.members(routed, login, None) == [place.uri]
    assert await database_users.members(place.uri, login, None) == []
    await place.rotation().run()
    assert place.read()["uri"] == routed
    assert place.lets_in(place.login())


async def test_an_edition_that_nobody_knows_is_rotated_and_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unheard_of(self: Any) -> str:
        return "unheard-of"

    monkeypatch.setattr(database_users.DatabaseUsers, "edition", unheard_of)
    assert (await place.rotation().run()).edition == "unheard-of"
