"""The check of an API key: whom it proves, and the ring of keys that is remembered for a while."""

from __future__ import annotations

import asyncio
import hmac
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import IssuerUnavailable, Neo4jM2mError
from core.identity.api_keys import (
    ApiKeyVerifier,
    KeyRingUnavailable,
    NewKey,
    hash_of,
    new_key,
)
from core.identity.key_ring import ApiKey, KeyRing, render_key_ring
from core.identity.principal import Principal

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now


class Store:
    """A secret store that counts how often it is asked, and fails when told to."""

    def __init__(self, *keys: ApiKey) -> None:
        self.keys = keys
        self.asked = 0
        self.fails: Exception | None = None
        self.text: str | None = None
        self.pause = 0.0

    async def __call__(self) -> str:
        self.asked += 1
        await asyncio.sleep(self.pause)
        if self.fails is not None:
            raise self.fails
        return render_key_ring(KeyRing(keys=self.keys)) if self.text is None else self.text


def entry(made: NewKey, **changed: Any) -> ApiKey:
    fields = {"id": made.id, "name": "foundry-prod", "hash": made.hash, "created": START, "expires": None}
    return ApiKey.model_validate(fields | changed)


def verifier(store: Store, clock: Clock, **options: Any) -> ApiKeyVerifier:
    return ApiKeyVerifier(store, platform="azure", source="secret n4j-keys", clock=clock, **options)


def text_of(made: NewKey) -> str:
    return made.text.get_secret_value()


async def test_a_key_proves_the_principal_that_it_names() -> None:
    made = new_key()
    store = Store(entry(made, roles=("Graph.Read", "b"), tenant="contoso"))
    assert await verifier(store, Clock()).verify(text_of(made)) == Principal(
        platform="azure",
        kind="api_key",
        id="foundry-prod",
        name="foundry-prod",
        tenant="contoso",
        roles=frozenset({"Graph.Read", "b"}),
        proved_by=f"api key {made.id}",
        issuer="key ring",
    )


async def test_two_keys_of_one_name_prove_the_same_principal_while_one_replaces_the_other() -> None:
    old, new = new_key(), new_key()
    check = verifier(Store(entry(old), entry(new)), Clock())
    first, second = await check.verify(text_of(old)), await check.verify(text_of(new))
    assert first is not None
    assert second is not None
    assert (first.id, first.proved_by) == ("foundry-prod", f"api key {old.id}")
    assert (second.id, second.proved_by) == ("foundry-prod", f"api key {new.id}")


async def test_each_refusal_has_its_reason_in_the_log_and_no_key_or_hash(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    good, revoked, expired, stranger = new_key(), new_key(), new_key(), new_key()
    impostor = new_key()
    store = Store(
        entry(good),
        entry(revoked, revoked=START),
        entry(expired, expires=START),
        entry(impostor, hash=new_key().hash),
    )
    check = verifier(store, Clock())
    cases = {
        text_of(good)[:-1]: ("malformed", None),
        text_of(stranger): ("unknown", stranger.id),
        text_of(revoked): ("revoked", revoked.id),
        text_of(expired): ("expired", expired.id),
        text_of(impostor): ("wrong secret", impostor.id),
    }
    for key, (reason, identifier) in cases.items():
        caplog.clear()
        verdict = await check.check(key)
        assert (verdict.principal, verdict.reason, verdict.id) == (None, reason, identifier)
        assert reason in caplog.text
        for secret in (key, key[15:], hash_of(key), hash_of(key).removeprefix("sha256:")):
            assert secret not in caplog.text
    assert (await check.check(text_of(good))).reason == "valid"


async def test_a_malformed_key_is_refused_without_a_look_at_the_store() -> None:
    store = Store()
    assert await verifier(store, Clock()).verify("n4m_" + "a" * 60) is None
    assert store.asked == 0


async def test_an_unknown_id_costs_one_hash_and_one_comparison_like_a_known_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = new_key()
    check = verifier(Store(entry(made)), Clock())
    await check.verify(text_of(made))
    compared: list[tuple[int, int]] = []
    genuine = hmac.compare_digest

    def counting(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return genuine(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    await check.verify(text_of(made))
    await check.verify(text_of(new_key()))
    assert compared == [(71, 71), (71, 71)]


async def test_no_ring_holds_what_an_unknown_key_is_compared_with() -> None:
    made = new_key()
    store = Store(entry(made, hash="sha256:" + "0" * 64))
    assert (await verifier(store, Clock()).check(text_of(made))).reason == "wrong secret"


async def test_expiry_is_effective_at_once_and_revocation_within_the_time_of_the_cache() -> None:
    clock, made, other = Clock(), new_key(), new_key()
    store = Store(entry(made, expires=START + timedelta(seconds=30)), entry(other))
    check = verifier(store, clock)
    assert await check.verify(text_of(made))
    clock.now += 29.9
    assert await check.verify(text_of(made))
    clock.now += 0.1
    assert (await check.check(text_of(made))).reason == "expired"
    store.keys = (entry(made), entry(other, revoked=START))
    assert await check.verify(text_of(other))
    assert store.asked == 1
    clock.now += 30
    assert (await check.check(text_of(other))).reason == "revoked"
    assert store.asked == 2


async def test_a_new_key_is_known_within_the_time_of_the_cache_and_cannot_drive_the_store() -> None:
    clock, made = Clock(), new_key()
    store = Store()
    check = verifier(store, clock)
    for _ in range(20):
        assert (await check.check(text_of(made))).reason == "unknown"
    store.keys = (entry(made),)
    assert store.asked == 1
    clock.now += 60
    assert await check.verify(text_of(made))


async def test_many_calls_at_once_share_one_load() -> None:
    made = new_key()
    store = Store(entry(made))
    store.pause = 0.02
    check = verifier(store, Clock())
    found = await asyncio.gather(*(check.verify(text_of(made)) for _ in range(50)))
    assert all(found)
    assert store.asked == 1


async def test_a_caller_that_hangs_up_while_the_ring_is_loaded_takes_nobody_with_it() -> None:
    made = new_key()
    store = Store(entry(made))
    store.pause = 0.05
    check = verifier(store, Clock())
    first = asyncio.create_task(check.verify(text_of(made)))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(check.verify(text_of(made)))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second
    assert store.asked == 2


@pytest.mark.parametrize("text", [None, "", "{}", '{"keys": [{}]}'])
async def test_a_store_that_fails_leaves_the_last_ring_good_for_a_bounded_time(text: str | None) -> None:
    clock, made = Clock(), new_key()
    store = Store(entry(made, expires=START + timedelta(seconds=899)))
    check = verifier(store, clock)
    assert await check.verify(text_of(made))
    store.fails, store.text = (OSError("down"), None) if text is None else (None, text)
    clock.now += 60
    assert await check.verify(text_of(made))
    clock.now += 838.9
    assert await check.verify(text_of(made))
    clock.now += 0.1
    assert (await check.check(text_of(made))).reason == "expired"
    clock.now += 1
    with pytest.raises(KeyRingUnavailable):
        await check.verify(text_of(made))
    store.fails = store.text = None
    store.keys = (entry(made),)
    clock.now += 5
    assert await check.verify(text_of(made))


class Denied(Neo4jM2mError):
    withdrawn = True


async def test_a_ring_that_is_denied_or_deleted_lets_nobody_in_after_a_shorter_time() -> None:
    clock, made = Clock(), new_key()
    store = Store(entry(made))
    keys = verifier(store, clock, ttl=60, max_stale=900, withdrawn=120)
    assert await keys.verify(text_of(made)) is not None
    store.fails = Denied("no")
    clock.now += 119
    assert await keys.verify(text_of(made)) is not None
    for failure in (Denied("no"), ConnectionError("away")):
        store.fails = failure
        clock.now += 5
        with pytest.raises(KeyRingUnavailable):
            await keys.verify(text_of(made))


async def test_a_store_that_fails_is_left_alone_for_a_while_whoever_calls(caplog: pytest.LogCaptureFixture) -> None:
    clock, made = Clock(), new_key()
    store = Store(entry(made))
    assert issubclass(KeyRingUnavailable, IssuerUnavailable)  # for which the door has a 503
    store.fails = RuntimeError("https://vault.example/ said password=hunter2")
    check = verifier(store, clock)
    for _ in range(10):
        with pytest.raises(KeyRingUnavailable, match="out of reach"):
            await check.verify(text_of(made))
    assert store.asked == 1
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text
    assert "vault" not in caplog.text
    store.fails = None
    clock.now += 5
    assert await check.verify(text_of(made))


async def test_a_store_that_does_not_answer_is_not_waited_for() -> None:
    made = new_key()
    store = Store(entry(made))
    store.pause = 30
    with pytest.raises(KeyRingUnavailable):
        await verifier(store, Clock(), load_timeout=0.02).verify(text_of(made))


async def test_a_clock_that_was_set_back_makes_the_ring_old() -> None:
    clock, made = Clock(), new_key()
    store = Store(entry(made))
    check = verifier(store, clock)
    assert await check.verify(text_of(made))
    clock.now -= 3600
    store.keys = (entry(made, revoked=START),)
    assert (await check.check(text_of(made))).reason == "revoked"


async def test_a_time_of_zero_asks_every_time() -> None:
    made = new_key()
    store = Store(entry(made))
    check = verifier(store, Clock(), ttl=0)
    assert await check.verify(text_of(made))
    assert await check.verify(text_of(made))
    assert store.asked == 2
