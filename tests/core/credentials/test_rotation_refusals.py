"""What a rotation refuses, for whom, and that it leaves what it refuses as it is."""

from __future__ import annotations

import asyncio
import json
import secrets
import time

import pytest
from pydantic import SecretStr

from core.credentials.credential import PasswordLogin
from core.credentials.rotated_secret import PairedSecrets
from core.credentials.rotation import Rotation
from core.credentials.rotation_errors import RotationError, RotationRefused, RotationUnderWay
from local.neo4j import EmbeddedNeo4j
from tests.core.credentials.rotating import CANARY, MODES, SECRET, Place, beside
from tests.support.tcp_proxy import TcpProxy


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
    with pytest.raises(RotationRefused, match="cannot trust that secret"):
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


async def test_a_login_by_token_is_refused(place: Place) -> None:
    text = json.dumps({"uri": place.uri, "auth": "workload_identity", "scope": "api://neo4j"})
    await place.store.write(SECRET, SecretStr(text))
    with pytest.raises(RotationRefused, match="without a password"):
        await place.rotation().run()


async def test_two_users_without_an_administrator_are_refused_at_once(place: Place) -> None:
    with pytest.raises(RotationRefused, match="administrator"):
        place.rotation(administrator=None)
