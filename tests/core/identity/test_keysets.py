from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from core.errors import IssuerUnavailable
from core.fetch import FetchFailed
from core.identity.keysets import KeySet, metadata_urls, parse_keys
from local.emulators.issuer.keys import SigningKey, SigningKeys

ISSUER = "https://issuer.example/tenant"
URI = "https://keys.example/jwks"


class Source:
    """What an issuer publishes, on a clock that the test turns; counts every fetch."""

    def __init__(self) -> None:
        self.keys = SigningKeys("ES256")
        self.fetched: list[str] = []
        self.now = 1_000_000.0
        self.broken = False
        self.documents: dict[str, Any] = {}
        self.pause = 0.0

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        await asyncio.sleep(self.pause)
        if self.broken:
            raise FetchFailed("it answered with status 500")
        if url == URI:
            return json.dumps(self.keys.document()).encode()
        if url in self.documents:
            return json.dumps(self.documents[url]).encode()
        raise FetchFailed("it answered with status 404")

    def key_set(self, uri: str | None = URI) -> KeySet:
        return KeySet(ISSUER, uri, fetch=self.fetch, clock=lambda: self.now)

    @property
    def kid(self) -> str:
        return self.keys.current.kid


async def test_keys_are_fetched_once_and_kept_for_ten_minutes() -> None:
    source = Source()
    keys = source.key_set()
    assert source.fetched == []
    for _ in range(50):
        assert len(await keys.find(source.kid)) == 1
    assert source.fetched == [URI]
    source.now += 599
    await keys.find(source.kid)
    assert len(source.fetched) == 1
    source.now += 2
    await keys.find(source.kid)
    assert len(source.fetched) == 2


async def test_a_thousand_unknown_key_ids_cause_one_fetch() -> None:
    source = Source()
    keys = source.key_set()
    await keys.find(source.kid)
    for number in range(1000):
        assert await keys.find(f"unknown-{number}") == ()
        source.now += 0.02
    assert len(source.fetched) == 2
    source.now += 30
    await asyncio.gather(*(keys.find(f"unknown-{number}") for number in range(1000)))
    assert len(source.fetched) == 3


async def test_a_thousand_unknown_key_ids_at_once_at_a_cold_start_cause_one_fetch() -> None:
    source = Source()
    keys = source.key_set()
    await asyncio.gather(*(keys.find(f"unknown-{number}") for number in range(1000)))
    assert len(source.fetched) == 1


async def test_a_key_that_was_rotated_right_after_a_fetch_is_known_at_its_first_use() -> None:
    source = Source()
    keys = source.key_set()
    old = source.kid
    await keys.find(old)
    source.now += 1
    new = source.keys.rotate().kid
    assert len(await keys.find(new)) == 1
    assert len(await keys.find(old)) == 1
    assert len(source.fetched) == 2


async def test_a_rotated_key_is_known_within_thirty_seconds_whatever_an_attacker_sends() -> None:
    source = Source()
    keys = source.key_set()
    await keys.find(source.kid)
    await keys.find("unknown")
    new = source.keys.rotate().kid
    assert await keys.find(new) == ()
    for second in range(29):
        source.now += 1
        await keys.find(f"unknown-{second}")
    source.now += 1
    assert len(await keys.find(new)) == 1


async def test_a_key_in_use_and_a_rotated_one_may_arrive_while_the_fetch_is_under_way() -> None:
    source = Source()
    keys = source.key_set()
    await keys.find(source.kid)
    new = source.keys.rotate().kid
    source.pause = 0.02
    found = await asyncio.gather(keys.find("unknown"), keys.find(new), keys.find(new))
    assert [len(entry) for entry in found] == [0, 1, 1]
    assert len(source.fetched) == 2


async def test_a_withdrawn_key_is_refused_after_the_next_fetch() -> None:
    source = Source()
    keys = source.key_set()
    old = source.kid
    await keys.find(old)
    source.keys.rotate(keep=0)
    source.now += 601
    assert await keys.find(old) == ()


async def test_while_the_issuer_is_out_of_reach_its_keys_are_good_for_a_day() -> None:
    source = Source()
    keys = source.key_set()
    await keys.find(source.kid)
    source.broken = True
    for _ in range(2 * 60):
        source.now += 10 * 60
        assert len(await keys.find(source.kid)) == 1
    tries = len(source.fetched)
    for _ in range(100):
        source.now += 0.1
        await keys.find(source.kid)
    assert len(source.fetched) == tries
    source.now += 24 * 3600
    with pytest.raises(IssuerUnavailable):
        await keys.find(source.kid)
    source.broken = False
    source.now += 30
    assert len(await keys.find(source.kid)) == 1


async def test_with_no_keys_at_all_the_issuer_is_asked_every_five_seconds() -> None:
    source = Source()
    source.broken = True
    keys = source.key_set()
    for _ in range(100):
        with pytest.raises(IssuerUnavailable):
            await keys.find("any")
    assert len(source.fetched) == 1
    source.now += 5
    source.broken = False
    assert len(await keys.find(source.kid)) == 1


async def test_when_the_clock_is_set_back_keys_are_fetched_again() -> None:
    source = Source()
    keys = source.key_set()
    await keys.find(source.kid)
    source.now -= 3600
    assert len(await keys.find(source.kid)) == 1
    assert len(source.fetched) == 2


async def test_a_caller_that_goes_away_does_not_take_the_fetch_of_the_others_with_it() -> None:
    source = Source()
    source.pause = 0.05
    keys = source.key_set()
    first = asyncio.create_task(keys.find(source.kid))
    second = asyncio.create_task(keys.find(source.kid))
    await asyncio.sleep(0.01)
    first.cancel()
    assert len(await second) == 1
    assert len(source.fetched) == 1


def test_an_event_loop_that_is_gone_does_not_hold_the_next_one_up() -> None:
    source = Source()
    source.pause = 0.05
    keys = source.key_set()

    async def leave_in_the_middle() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(keys.find(source.kid), 0.01)

    asyncio.run(leave_in_the_middle())
    assert len(asyncio.run(keys.find(source.kid))) == 1


def test_an_event_loop_that_stands_still_does_not_hold_another_one_up() -> None:
    source = Source()
    source.pause = 0.05
    keys = source.key_set()
    still = asyncio.new_event_loop()
    waiting = still.create_task(keys.find(source.kid))
    still.run_until_complete(asyncio.sleep(0.01))
    assert len(asyncio.run(keys.find(source.kid))) == 1
    assert len(still.run_until_complete(waiting)) == 1
    still.close()


async def test_a_token_without_key_id_has_the_key_of_an_issuer_that_has_only_one() -> None:
    source = Source()
    keys = source.key_set()
    assert len(await keys.find(None)) == 1
    source.keys.rotate()
    source.now += 601
    assert await keys.find(None) == ()


async def test_where_the_keys_are_is_in_the_metadata() -> None:
    for url in metadata_urls(ISSUER):
        source = Source()
        source.documents[url] = {"issuer": ISSUER, "jwks_uri": URI}
        assert len(await source.key_set(None).find(source.kid)) == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example", "jwks_uri": URI},
        {"issuer": ISSUER + "/", "jwks_uri": URI},
        {"jwks_uri": URI},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": 3},
        {"issuer": ISSUER, "jwks_uri": "http://keys.example/jwks"},
        {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/jwks"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        [],
    ],
)
async def test_metadata_of_another_issuer_or_with_an_unsafe_place_for_keys_is_not_used(metadata: Any) -> None:
    source = Source()
    source.documents[metadata_urls(ISSUER)[0]] = metadata
    with pytest.raises(IssuerUnavailable):
        await source.key_set(None).find(source.kid)
    assert source.fetched == [metadata_urls(ISSUER)[0]]


def test_metadata_is_looked_for_where_each_platform_has_it() -> None:
    assert "https://h.example/t/v2.0/.well-known/openid-configuration" in metadata_urls("https://h.example/t/v2.0")
    assert "https://h.example/t/.well-known/openid-configuration" in metadata_urls("https://h.example/t/")
    assert "https://h.example/oidc/.well-known/oauth-authorization-server" in metadata_urls("https://h.example/oidc")
    assert "https://h.example/.well-known/oauth-authorization-server/oidc" in metadata_urls("https://h.example/oidc")


RSA = SigningKey.new("RS256").jwk
EC = SigningKey.new("ES256").jwk
SHORT = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key(), as_dict=True)
PRIVATE = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), as_dict=True)


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (RSA, {"RS256"}),
        ({**RSA, "alg": "PS512"}, {"PS512"}),
        ({n: v for n, v in RSA.items() if n != "alg"}, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        ({n: v for n, v in EC.items() if n != "alg"}, {"ES256"}),
        ({**RSA, "alg": "ES256"}, None),
        ({**RSA, "alg": "RS1"}, None),
        ({**RSA, "alg": "none"}, None),
        ({**RSA, "use": "enc"}, None),
        ({**RSA, "key_ops": ["encrypt"]}, None),
        ({n: v for n, v in PRIVATE.items() if n != "key_ops"}, None),
        ({n: v for n, v in SHORT.items() if n != "key_ops"}, None),
        ({**RSA, "kty": "EC"}, None),
        ({**RSA, "n": "AQAB"}, None),
        ({**RSA, "kid": 7}, None),
        ({**EC, "crv": "secp256k1"}, None),
        ({**EC, "alg": "ES384"}, None),
        ({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "x"}, None),
        ({"kty": "OKP", "crv": "Ed25519", "x": "AQAB"}, None),
        ({}, None),
    ],
)
def test_a_key_is_used_for_what_it_says_it_is_for_and_for_nothing_else(
    key: dict[str, Any], algorithms: set[str] | None
) -> None:
    good = SigningKey.new("ES256").jwk
    keys = parse_keys(json.dumps({"keys": [good, key, "nonsense"]}).encode())
    assert [set(entry.algorithms) for entry in keys[1:]] == ([] if algorithms is None else [algorithms])


@pytest.mark.parametrize(
    "document", [b"", b"[]", b'{"keys":{}}', b'{"keys":[]}', b"[" * 100_000, b"\xff", b'{"keys":[{}]}']
)
def test_what_is_no_set_of_keys_is_an_error(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"keys|key"):
        parse_keys(document)
