from __future__ import annotations

import asyncio
import json
import logging

import pytest
from pydantic import SecretStr

from core.credentials import sources
from core.credentials.credential import PasswordLogin, WorkloadIdentity
from core.credentials.secret_store import (
    Secret,
    SecretDenied,
    SecretError,
    SecretMalformed,
    SecretNotFound,
    SecretThrottled,
    SecretUnreachable,
)
from core.credentials.sources import Credentials, CredentialVersion
from core.deadline import Deadline
from core.errors import SettingsError
from core.settings import Settings
from tests.support.withdrawal import Clock

CANARY = "canary-source-5b1e"


class Store:
    """A secret store in memory that counts how often it is asked."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets
        self.version = 1
        self.failure: SecretError | None = None
        self.seconds = 0.0
        self.asked = 0

    async def fetch(self, name: str) -> Secret:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        if name not in self.secrets:
            raise SecretNotFound(f"there is no {name}")
        return Secret(name, SecretStr(self.secrets[name]), str(self.version))

    def write(self, name: str, text: str) -> None:
        self.secrets[name] = text
        self.version += 1


def secret(password: str = CANARY, **more: str) -> str:
    return json.dumps({"uri": "bolt://db", "username": "agent", "password": password, **more})


def password_of(known: CredentialVersion) -> str:
    assert isinstance(known.credential.login, PasswordLogin)
    return known.credential.login.password.get_secret_value()


async def test_the_settings_alone_say_how_to_log_in_where_no_secret_is_named() -> None:
    source = Credentials(Settings(neo4j_uri="bolt://db", neo4j_username="u", neo4j_password="p")).source(None)
    known = await source.current()
    assert (known.credential.uri, password_of(known)) == ("bolt://db", "p")
    assert await source.other_than(known, Deadline.after(0)) is None


async def test_no_secret_is_needed_for_the_workloads_own_identity() -> None:
    settings = Settings(neo4j_uri="bolt://db", database_auth="workload_identity", database_scope="api://neo4j")
    known = await Credentials(settings).source(None).current()
    assert known.credential.login == WorkloadIdentity(scope="api://neo4j")


@pytest.mark.parametrize("settings", [{}, {"neo4j_uri": "bolt://db"}, {"neo4j_password": "p"}])
async def test_settings_that_name_no_database_are_told_what_is_missing(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="NEO4J_URI"):
        await Credentials(Settings.model_validate(settings)).source(None).current()


def test_a_secret_without_a_store_to_find_it_in_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="NEO4J_M2M_SECRET"):
        Credentials(Settings(secret="agent"))


async def test_each_credential_is_the_secret_of_its_name() -> None:
    store = Store(agent=secret(), writer=secret("other"))
    credentials = Credentials(Settings(secret="agent"), store)
    assert password_of(await credentials.source(None).current()) == CANARY
    assert password_of(await credentials.source("writer").current()) == "other"
    with pytest.raises(SecretNotFound, match="nobody"):
        await credentials.source("nobody").current()
    with pytest.raises(SecretNotFound, match="no secret store"):
        await Credentials(Settings(neo4j_uri="bolt://db")).source("writer").current()


async def test_what_the_environment_says_holds_and_is_logged_by_name_only(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(agent=secret("stored", database="stored"))
    environ = {
        "NEO4J_M2M_SECRET": "agent",
        "NEO4J_URI": "bolt://elsewhere",
        "NEO4J_PASSWORD": CANARY,
        "NEO4J_DATABASE": "",
    }
    with caplog.at_level(logging.INFO):
        known = await Credentials(Settings.from_environ(environ), store).source(None).current()
    assert (known.credential.uri, known.credential.database) == ("bolt://elsewhere", "stored")
    assert password_of(known) == CANARY
    assert isinstance(known.credential.login, PasswordLogin)
    assert known.credential.login.username == "agent"
    assert "NEO4J_URI, NEO4J_PASSWORD" in caplog.text
    assert "elsewhere" not in caplog.text
    assert CANARY not in caplog.text


async def test_a_secret_that_cannot_be_used_is_malformed_and_not_quoted() -> None:
    store = Store(agent=f'{{"uri": "bolt://db", "username": "{CANARY}"}}')
    with pytest.raises(SecretMalformed, match=r"agent.*password") as caught:
        await Credentials(Settings(secret="agent"), store).source(None).current()
    assert CANARY not in str(caught.value)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize("failure", [SecretUnreachable("away"), SecretThrottled("busy")])
async def test_a_store_that_does_not_answer_later_leaves_what_it_said_before_for_hours(
    clock: Clock, failure: SecretError
) -> None:
    store = Store(agent=secret())
    source = Credentials(Settings(secret="agent"), store).source(None)
    await source.current()
    store.failure = failure
    clock.now += 21_599
    assert password_of(await source.current()) == CANARY
    assert store.asked == 2
    clock.now += 1
    with pytest.raises(type(failure)):
        await source.current()


@pytest.mark.parametrize("failure", [SecretDenied("no"), SecretNotFound("gone"), SecretMalformed("half")])
async def test_a_secret_that_is_taken_away_is_used_no_longer_than_the_setting_says(
    clock: Clock, failure: SecretError
) -> None:
    store = Store(agent=secret())
    source = Credentials(Settings(secret="agent", secret_ttl=300, secret_withdrawn=400), store).source(None)
    await source.current()
    store.failure = failure
    clock.now += 399
    assert password_of(await source.current()) == CANARY
    clock.now += 1
    with pytest.raises(type(failure)):
        await source.current()
    # A store that is out of reach after it has said no gives nothing back.
    store.failure = SecretUnreachable("away")
    clock.now += 60
    with pytest.raises(SecretUnreachable):
        await source.current()
    store.failure = None
    clock.now += 60
    assert password_of(await source.current()) == CANARY


async def test_a_secret_is_read_at_least_as_often_as_its_withdrawal_is_to_be_noticed(clock: Clock) -> None:
    store = Store(agent=secret())
    source = Credentials(Settings(secret="agent", secret_ttl=3600, secret_withdrawn=60), store).source(None)
    await source.current()
    store.failure = SecretDenied("no")
    clock.now += 60
    with pytest.raises(SecretDenied):
        await source.current()


async def test_a_refused_credential_is_replaced_by_the_next_that_is_written() -> None:
    store = Store(agent=secret("old"))
    source = Credentials(Settings(secret="agent"), store).source(None)
    old = await source.current()
    assert await source.other_than(old, Deadline.after(0.2)) is None
    store.write("agent", "half writ")
    assert await source.other_than(old, Deadline.after(0.2)) is None
    store.write("agent", secret("new"))
    other = await source.other_than(old, Deadline.after(2))
    assert other is not None
    assert password_of(other) == "new"


async def test_the_same_text_written_again_is_another_version_and_may_be_tried() -> None:
    store = Store(agent=secret())
    source = Credentials(Settings(secret="agent"), store).source(None)
    refused = await source.current()
    store.write("agent", secret())
    again = await source.other_than(refused, Deadline.after(1))
    assert again is not None
    assert again.credential == refused.credential


async def test_a_store_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_FETCH_SECONDS", 0.05)
    store = Store(agent=secret())
    store.seconds = 5
    with pytest.raises(SecretUnreachable, match="agent"):
        await Credentials(Settings(secret="agent"), store).source(None).current()
