"""The first users: made in a real database, tried, and stored; with roles where an edition has them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.credentials.first_users import FirstUsersReport, create_first_users, least_rights
from core.credentials.rotation import NO_ROLES
from core.credentials.rotation_errors import RotationRefused
from local.neo4j import EmbeddedNeo4j
from tests.core.credentials.enterprise import EnterpriseRoles
from tests.core.credentials.rotating import CANARY, SECRET, Breaking, Killed, Place


@pytest.fixture
def place(scratch_database: EmbeddedNeo4j, tmp_path: Path) -> Place:
    place = Place(scratch_database, tmp_path)
    (tmp_path / SECRET).unlink()
    return place


def name() -> str:
    return f"reader{secrets.token_hex(4)}"


async def made(place: Place, user: str, *, store: object = None, writes: bool = False) -> FirstUsersReport:
    chosen = store or place.store
    return await create_first_users(chosen, SECRET, place.administrator, user=user, writes=writes)  # type: ignore[arg-type]


async def test_community_gets_a_pair_whose_login_is_stored_and_is_told_what_it_cannot_enforce(place: Place) -> None:
    user = name()
    report = await made(place, user)
    assert (report.edition, report.enforced, report.role) == ("community", False, None)
    assert report.notes == (NO_ROLES, f"Tried: {user} cannot write in READ access mode, in which the server reads.")
    assert place.read()["username"] == user
    assert place.lets_in(place.login())
    rows = place.system("SHOW USERS YIELD user WHERE user STARTS WITH $user", user=user)
    assert {row["user"] for row in rows} == {user, f"{user}_alternate"}


async def test_what_bootstrap_makes_can_be_rotated_in_both_directions(place: Place) -> None:
    await made(place, name())
    for _ in range(2):
        await place.rotation().run()
        assert place.lets_in(place.login())


async def test_where_there_are_roles_the_reader_is_tried_and_cannot_write_and_rotation_keeps_the_rights(
    place: Place,
) -> None:
    roles, user = EnterpriseRoles("neo4j"), name()
    roles.homes[user] = "neo4j"
    with roles.installed():
        report = await made(place, user)
        assert (report.edition, report.enforced, report.role) == ("enterprise", True, f"{user}_role")
        assert report.notes == (f"Tried: {user} cannot write, whatever a server asks for.",)
        assert roles.roles[user] == roles.roles[f"{user}_alternate"] == {f"{user}_role"}
        assert not any("WRITE" in one for one in roles.granted[f"{user}_role"])
        del roles.roles[f"{user}_alternate"]
        rotated = await place.rotation().run()
        assert rotated.notes == ()
        assert roles.roles[f"{user}_alternate"] == {f"{user}_role"}
        assert roles.homes[f"{user}_alternate"] == "neo4j"


async def test_the_writer_can_write(place: Place) -> None:
    roles, user = EnterpriseRoles("neo4j"), name()
    with roles.installed():
        report = await made(place, user, writes=True)
    assert report.notes == ()
    assert any("WRITE ON GRAPH" in one for one in roles.granted[f"{user}_role"])


async def test_a_reader_who_can_write_all_the_same_is_not_stored(place: Place) -> None:
    roles, user = EnterpriseRoles("neo4j"), name()
    roles.granted["PUBLIC"] = ["WRITE ON GRAPH *"]
    roles.roles[user] = {"PUBLIC"}
    with roles.installed(), pytest.raises(RotationRefused, match="PUBLIC"):
        await made(place, user)
    assert place.store.names() == []


async def test_roles_that_a_database_shows_and_does_not_let_be_given_are_told(place: Place) -> None:
    roles, user = EnterpriseRoles("neo4j"), name()
    roles.unsupported = {"CREATE ROLE", "GRANT"}
    with roles.installed():
        roles.roles[user] = {"admin"}
        report = await made(place, user)
        assert (report.enforced, report.role) == (False, None)
        rotated = await place.rotation().run()
        assert "could not be given" in rotated.notes[0]


async def test_a_second_user_with_more_rights_is_not_taken_for_one_of_the_pair(place: Place) -> None:
    roles, user = EnterpriseRoles("neo4j"), name()
    with roles.installed():
        await made(place, user)
        roles.roles[f"{user}_alternate"].add("admin")
        with pytest.raises(RotationRefused, match="cannot be the second user of that pair"):
            await place.rotation().run()


async def test_the_administrators_roles_are_given_to_nobody(place: Place, scratch_database: EmbeddedNeo4j) -> None:
    password = scratch_database.password.get_secret_value()
    await place.store.write(SECRET, SecretStr(place.fields("neo4j", password)))
    with EnterpriseRoles("neo4j").installed(), pytest.raises(RotationRefused, match="bootstrap"):
        await place.rotation().run()


async def test_the_file_from_aura_is_replaced_and_another_secret_is_not(
    place: Place, scratch_database: EmbeddedNeo4j
) -> None:
    user, password = name(), scratch_database.password.get_secret_value()
    aura = f"NEO4J_URI={place.uri}\nNEO4J_USERNAME=neo4j\nNEO4J_PASSWORD={password}\nAURA_INSTANCENAME=x\n"
    await place.store.write(SECRET, SecretStr(aura))
    assert not (await made(place, user)).existed
    assert (place.read()["uri"], place.read()["username"]) == (place.uri, user)
    for other in ("something else", place.fields("somebody", f"{CANARY}-else")):
        await place.store.write(SECRET, SecretStr(other))
        with pytest.raises(RotationRefused, match="does not hold a login"):
            await made(place, user)
        assert place.store.read(SECRET).text.get_secret_value() == other


async def test_repeated_it_changes_nothing_and_a_login_that_works_no_longer_is_made_new(place: Place) -> None:
    user = name()
    await made(place, user)
    before = place.login()
    assert (await made(place, user)).existed
    assert place.login() == before
    place.system("ALTER USER $name SET PASSWORD $password CHANGE NOT REQUIRED", name=user, password=f"{CANARY}-other")
    assert not (await made(place, user)).existed
    assert place.lets_in(place.login())


@pytest.mark.exhaustive
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_request_it_is_finished_by_the_next(place: Place, after: bool) -> None:
    user = name()
    for at in range(1, 100):
        breaking = Breaking(place.store, at, after=after)
        with breaking.database():
            try:
                await made(place, user, store=breaking)
                break
            except Killed:
                pass
        await made(place, user)
        assert place.lets_in(place.login())
        (place.directory / SECRET).unlink()
    assert at > 8


async def test_the_administrator_is_no_first_user(place: Place) -> None:
    with pytest.raises(RotationRefused, match="is the administrator"):
        await made(place, "neo4j")


def test_the_statements_quote_names_and_give_a_reader_no_right_to_write() -> None:
    reading = least_rights("r`x", "my-graph", writes=False)
    assert all("`r``x`" in statement for statement in reading)
    assert "GRANT MATCH {*} ON GRAPH `my-graph` TO `r``x`" in reading
    assert not any("WRITE" in statement or "ALL" in statement for statement in reading)
    assert set(least_rights("r", "g", writes=True)) > set(least_rights("r", "g", writes=False))


async def test_what_it_says_of_a_user_is_nothing_secret(place: Place) -> None:
    report = await made(place, name())
    password = place.login().password.get_secret_value()
    assert password not in repr(report) + json.dumps(report.__dict__)
