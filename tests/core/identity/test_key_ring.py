from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.identity.api_keys import new_key
from core.identity.key_ring import ApiKey, KeyRing, KeyRingError, parse_key_ring, render_key_ring


@given(
    st.lists(
        st.builds(
            lambda made, moment, life, revoked, roles, tenant: ApiKey(
                id=made.id,
                name="foundry-prod",
                hash=made.hash,
                created=moment,
                expires=None if life is None else moment + timedelta(seconds=life),
                revoked=moment if revoked else None,
                roles=tuple(roles),
                tenant=tenant,
            ),
            st.builds(new_key),
            st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1)).map(  # noqa: DTZ001
                lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
            ),
            st.none() | st.integers(1, 10**8),
            st.booleans(),
            st.lists(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._@:/-]{0,20}\Z"), max_size=3),
            st.just("") | st.just("contoso-eu"),
        ),
        max_size=5,
    )
)
@settings(max_examples=50)
def test_a_ring_survives_its_text(keys: list[ApiKey]) -> None:
    ring = KeyRing(keys=tuple(keys))
    text = render_key_ring(ring)
    assert parse_key_ring(text, "keys.json") == ring
    assert set(json.loads(text)) == {"keys"}


GOOD = {
    "id": "0123456789",
    "name": "foundry-prod",
    "hash": "sha256:" + "ab" * 32,
    "created": "2026-11-23T09:00:00Z",
    "expires": None,
}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"id": "short"}, "id is malformed"),
        ({"id": "0123456789\n"}, "id is malformed"),
        ({"name": ""}, "name is malformed"),
        ({"name": "a b"}, "name is malformed"),
        ({"name": "a\nb"}, "name is malformed"),
        ({"hash": "ab" * 32}, "hash is malformed"),
        ({"hash": "md5:" + "ab" * 32}, "hash is malformed"),
        ({"hash": None}, "hash: Input should be a valid string"),
        ({"created": "yesterday"}, "created: "),
        ({"created": "2026-11-23T09:00:00"}, "created: Input should have timezone info"),
        ({"expires": 1795424400}, "expires: "),
        ({"expires": "2026-11-23"}, "expires: "),
        ({"revoked": True}, "revoked: "),
        ({"roles": "admin"}, "roles: "),
        ({"roles": ["a b"]}, "roles is malformed"),
        ({"tenant": "\x1b[2J"}, "tenant is malformed"),
        ({"note": "x"}, "no such field 'note'"),
        ({"n4m_" + "ab" * 32: "x"}, "no such field;"),
    ],
)
def test_a_ring_that_does_not_parse_names_source_and_entry_and_quotes_nothing(
    changed: dict[str, Any], reason: str
) -> None:
    text = json.dumps({"keys": [GOOD, GOOD | {"id": "0000000000"} | changed]})
    with pytest.raises(KeyRingError, match=r"^secret n4j-keys: key 2: ") as caught:
        parse_key_ring(text, "secret n4j-keys")
    assert reason in str(caught.value)
    assert "ab" * 8 not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("field", ["id", "name", "hash", "created", "expires"])
def test_no_field_that_matters_may_be_missing(field: str) -> None:
    text = json.dumps({"keys": [{name: value for name, value in GOOD.items() if name != field}]})
    with pytest.raises(KeyRingError, match=f"keys.json: key 1: it has no {field}"):
        parse_key_ring(text, "keys.json")


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"keys": {}}', '{"keys": []} x', '{"keys": [], "x": 1}'])
def test_what_is_no_ring_is_refused_with_its_source(text: str) -> None:
    with pytest.raises(KeyRingError, match=r"^keys\.json: "):
        parse_key_ring(text, "keys.json")


def test_two_entries_of_one_id_are_refused() -> None:
    with pytest.raises(KeyRingError, match="key 2: another key has the id 0123456789"):
        parse_key_ring(json.dumps({"keys": [GOOD, GOOD]}), "keys.json")


def test_no_repr_shows_a_hash() -> None:
    assert "abab" not in repr(parse_key_ring(json.dumps({"keys": [GOOD]}), "keys.json"))
