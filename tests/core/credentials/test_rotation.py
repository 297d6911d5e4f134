"""Rotations of a real user of a real database: what they do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from core.credentials import database_users
from core.credentials.credential import PasswordLogin
from core.credentials.rotated_secret import CANDIDATE_SUFFIX
from core.credentials.rotation import NO_ROLES, Rotation
from local.neo4j import EmbeddedNeo4j
from tests.core.credentials.rotating import MODES, SECRET, Place, beside


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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"candidate": 1}', '{"candidate": "x", "holder": "h"}', "null"])
async def test_a_candidate_that_was_edited_by_hand_is_written_over(place: Place, text: str) -> None:
    await place.store.write(SECRET + CANDIDATE_SUFFIX, SecretStr(text))
    assert (await place.rotation().run()).done
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
