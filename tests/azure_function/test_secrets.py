from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator

import jwt
import pytest
from pydantic import SecretStr

from azure_function.secrets import KeyVault
from azure_function.workload import OwnIdentity
from core.credentials.secret_store import (
    SecretDenied,
    SecretError,
    SecretNotFound,
    SecretThrottled,
    SecretUnreachable,
)
from core.credentials.sources import load_secret
from core.errors import TokenRefused, TokenUnavailable
from local.emulators.azure.emulate import Subscription, subscription
from local.emulators.azure.tenant import AUDIENCE, VAULT_RESOURCE
from local.emulators.issuer import Trouble
from tests.support.withdrawal import Clock, ends_within_the_setting

CANARY = "canary-key-vault-9d02"


@pytest.fixture(scope="module")
def azure() -> Iterator[Subscription]:
    with subscription() as running:
        running.vault.write("neo4j-agent", SecretStr(CANARY))
        yield running


@pytest.fixture(autouse=True)
def environ(azure: Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, azure.environ[name])


def identity(azure: Subscription) -> OwnIdentity:
    return OwnIdentity(client_id=azure.tenant.function.id)


def store(azure: Subscription) -> KeyVault:
    return KeyVault(azure.vault_url, identity(azure))


async def test_the_current_version_is_fetched_again_each_time(azure: Subscription) -> None:
    first_version = azure.vault.write("current", SecretStr(f"{CANARY}-1"))
    vault = store(azure)
    first = await vault.fetch("current")
    assert (first.text.get_secret_value(), first.version) == (f"{CANARY}-1", first_version)
    second_version = azure.vault.write("current", SecretStr(f"{CANARY}-2"))
    second = await vault.fetch("current")
    assert (second.text.get_secret_value(), second.version) == (f"{CANARY}-2", second_version)
    assert CANARY not in repr(first) + repr(vault)


async def test_one_token_of_the_managed_identity_serves_many_fetches(azure: Subscription) -> None:
    vault = store(azure)
    before = azure.identities.requests
    for _ in range(3):
        await vault.fetch("neo4j-agent")
    assert azure.identities.requests - before == 1


async def test_without_a_client_id_the_system_assigned_identity_is_used(azure: Subscription) -> None:
    assert (await KeyVault(azure.vault_url, OwnIdentity()).fetch("neo4j-agent")).text.get_secret_value() == CANARY


@pytest.mark.parametrize("name", ["nobody", "neo4j/agent", "", "a" * 128, "../keys/x"])
async def test_a_secret_that_is_not_there_or_cannot_be_is_not_found(azure: Subscription, name: str) -> None:
    with pytest.raises(SecretNotFound):
        await store(azure).fetch(name)


async def test_a_secret_that_was_deleted_or_disabled_is_told_and_how_to_mend_it(azure: Subscription) -> None:
    azure.vault.write("doomed", SecretStr(CANARY))
    azure.vault.delete("doomed")
    with pytest.raises(SecretNotFound, match="recover"):
        await store(azure).fetch("doomed")
    azure.vault.write("asleep", SecretStr(CANARY))
    azure.vault.disable("asleep")
    with pytest.raises(SecretNotFound, match="Enable it"):
        await store(azure).fetch("asleep")


async def test_an_identity_without_the_role_is_denied_and_told_which_role_it_needs(azure: Subscription) -> None:
    readers, azure.vault.readers = azure.vault.readers, frozenset()
    try:
        with pytest.raises(SecretDenied, match="Key Vault Secrets User"):
            await store(azure).fetch("neo4j-agent")
    finally:
        azure.vault.readers = readers


async def test_a_firewall_is_told_from_a_missing_role(azure: Subscription) -> None:
    azure.vault.firewall = True
    try:
        with pytest.raises(SecretDenied, match="firewall"):
            await store(azure).fetch("neo4j-agent")
    finally:
        azure.vault.firewall = False


async def test_a_throttled_vault_is_not_asked_again_by_the_same_call(azure: Subscription) -> None:
    azure.vault.troubles.add(Trouble(429, retry_after=30))
    before, begun = azure.vault.requests, time.monotonic()
    with pytest.raises(SecretThrottled):
        await store(azure).fetch("neo4j-agent")
    assert azure.vault.requests - before == 1
    assert time.monotonic() - begun < 10
    assert (await store(azure).fetch("neo4j-agent")).text.get_secret_value() == CANARY


async def test_a_vault_that_fails_a_few_times_is_asked_until_it_answers(azure: Subscription) -> None:
    azure.vault.troubles.add(Trouble(500), times=2)
    assert (await store(azure).fetch("neo4j-agent")).text.get_secret_value() == CANARY
    azure.vault.troubles.add(Trouble(503, retry_after=120), times=4)
    with pytest.raises(SecretUnreachable, match="fails"):
        await store(azure).fetch("neo4j-agent")
    assert len(azure.vault.troubles) == 0


@pytest.mark.exhaustive
async def test_a_vault_that_is_slow_is_waited_for_and_not_for_ever(azure: Subscription) -> None:
    vault = store(azure)
    azure.vault.troubles.add(Trouble(seconds=1))
    assert (await load_secret(vault, "neo4j-agent")).text.get_secret_value() == CANARY
    azure.vault.troubles.add(Trouble(seconds=6), times=4)
    begun = time.monotonic()
    with pytest.raises(SecretUnreachable, match=r"did not answer|does not answer"):
        await load_secret(vault, "neo4j-agent")
    assert time.monotonic() - begun < 13
    azure.vault.troubles.clear()


@pytest.mark.parametrize("times", [1, 3])
async def test_an_identity_endpoint_that_fails_a_few_times_is_asked_until_it_answers(
    azure: Subscription, times: int
) -> None:
    azure.identities.troubles.add(Trouble(500), times=times)
    assert (await store(azure).fetch("neo4j-agent")).text.get_secret_value() == CANARY


async def test_an_identity_endpoint_that_goes_on_failing_is_unreachable_and_mends_later(azure: Subscription) -> None:
    vault = store(azure)
    azure.identities.troubles.add(Trouble(500), times=4)
    with pytest.raises(SecretUnreachable, match="its endpoint does not answer, or fails"):
        await vault.fetch("neo4j-agent")
    assert (await vault.fetch("neo4j-agent")).text.get_secret_value() == CANARY


async def test_an_identity_that_is_not_assigned_is_denied_at_once(azure: Subscription) -> None:
    vault = KeyVault(azure.vault_url, OwnIdentity(client_id=azure.tenant.project.id))
    before = azure.identities.requests
    with pytest.raises(SecretDenied, match="assigned to this function app"):
        await vault.fetch("neo4j-agent")
    assert azure.identities.requests - before == 1


async def test_an_app_without_any_identity_is_told_at_once(
    azure: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IDENTITY_ENDPOINT")
    begun = time.monotonic()
    with pytest.raises(SecretDenied, match="no managed identity"):
        await store(azure).fetch("neo4j-agent")
    assert time.monotonic() - begun < 3


async def test_a_vault_that_nobody_vouches_for_is_not_spoken_to(
    azure: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    before = azure.vault.requests
    with pytest.raises(SecretUnreachable, match="Key Vault does not answer"):
        await store(azure).fetch("neo4j-agent")
    assert azure.vault.requests == before


async def test_a_vault_that_is_away_is_told(azure: Subscription) -> None:
    with pytest.raises(SecretUnreachable, match="NEO4J_M2M_VAULT_URL"):
        await KeyVault("https://127.0.0.1:9", identity(azure)).fetch("neo4j-agent")


async def test_no_refusal_quotes_the_secret_or_a_token(azure: Subscription, caplog: pytest.LogCaptureFixture) -> None:
    azure.vault.write("quiet", SecretStr(CANARY))
    with caplog.at_level(logging.INFO):
        await store(azure).fetch("quiet")
        azure.vault.disable("quiet")
        with pytest.raises(SecretError) as caught:
            await store(azure).fetch("quiet")
    for said in (str(caught.value), caplog.text):
        assert CANARY not in said
        assert "eyJ" not in said


@pytest.mark.parametrize("scope", [AUDIENCE, f"{AUDIENCE}/.default"])
async def test_a_database_is_logged_in_to_with_a_token_of_the_managed_identity(azure: Subscription, scope: str) -> None:
    token = await identity(azure).token(scope)
    claims = jwt.decode(token.text.get_secret_value(), options={"verify_signature": False})
    assert (claims["oid"], claims["aud"]) == (azure.tenant.function.object_id, azure.tenant.app_id)
    assert claims["xms_mirid"]
    assert abs(token.expires_at - claims["exp"]) < 5
    assert token.text.get_secret_value() not in repr(token)


async def test_a_token_for_a_database_is_asked_for_again_where_the_endpoint_fails(azure: Subscription) -> None:
    azure.identities.troubles.add(Trouble(500), times=2)
    assert await identity(azure).token(AUDIENCE)
    azure.identities.troubles.add(Trouble(500), times=4)
    with pytest.raises(TokenUnavailable) as caught:
        await identity(azure).token(VAULT_RESOURCE)
    assert not isinstance(caught.value, TokenRefused)


async def test_a_token_without_a_scope_or_of_no_identity_is_refused(azure: Subscription) -> None:
    with pytest.raises(TokenRefused, match="NEO4J_M2M_DATABASE_SCOPE"):
        await identity(azure).token(None)
    with pytest.raises(TokenRefused, match="assigned to this function app"):
        await OwnIdentity(client_id="nobody").token(AUDIENCE)


async def test_a_service_principal_of_the_environment_is_used_only_when_asked_for(
    azure: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", azure.tenant.agent.id)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "canary-client-secret-77aa")
    claims = jwt.decode(
        (await identity(azure).token(AUDIENCE)).text.get_secret_value(), options={"verify_signature": False}
    )
    assert claims["oid"] == azure.tenant.function.object_id
    monkeypatch.delenv("AZURE_TENANT_ID", raising=False)
    with pytest.raises(TokenRefused, match="AZURE_CLIENT_ID"):
        await OwnIdentity("environment").token(AUDIENCE)


@pytest.mark.parametrize(
    ("how", "error"), [("deny", SecretDenied), ("disable", SecretNotFound), ("delete", SecretNotFound)]
)
async def test_a_secret_that_is_denied_disabled_or_deleted_ends_access_within_the_setting(
    azure: Subscription, how: str, error: type[SecretError], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"withdrawn-{how}"
    azure.vault.write(name, SecretStr(json.dumps({"uri": "bolt://db", "username": "agent", "password": CANARY})))

    def withdraw() -> None:
        if how == "deny":
            monkeypatch.setattr(azure.vault, "readers", frozenset())
        elif how == "disable":
            azure.vault.disable(name)
        else:
            azure.vault.delete(name)

    await ends_within_the_setting(store(azure), name, withdraw, error, Clock(monkeypatch))
