"""The form of an API key: what is one, and that a mistyped one is not."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.identity.api_keys import KEY_PATTERN, NewKey, hash_of, key_id, new_key

ALPHABET = string.ascii_letters + string.digits


def text_of(made: NewKey) -> str:
    return made.text.get_secret_value()


@given(st.integers())
@settings(max_examples=50)
def test_a_new_key_has_the_documented_form_and_its_own_id(number: int) -> None:
    made = new_key()
    assert re.fullmatch(r"n4m_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}", text_of(made))
    assert re.findall(KEY_PATTERN, f'curl -H "X-API-Key: {text_of(made)}"') == [text_of(made)]
    assert key_id(text_of(made)) == made.id
    assert made.hash == hash_of(text_of(made)) == "sha256:" + hashlib.sha256(text_of(made).encode()).hexdigest()
    assert text_of(made) not in repr(made)


def test_no_two_keys_are_alike_and_every_letter_comes_up() -> None:
    made = [new_key() for _ in range(500)]
    assert len({key.id for key in made}) == len({key.hash for key in made}) == 500
    assert set("".join(text_of(key)[15:58] for key in made)) == set(ALPHABET)


@given(st.data())
@settings(max_examples=500)
def test_every_single_wrong_character_is_detected(data: st.DataObject) -> None:
    key = text_of(new_key())
    at = data.draw(st.integers(0, len(key) - 1))
    wrong = data.draw(st.one_of(st.sampled_from(ALPHABET), st.characters()))
    assume(wrong != key[at])
    assert key_id(key[:at] + wrong + key[at + 1 :]) is None


@given(st.data())
@settings(max_examples=200)
def test_two_neighbours_that_changed_places_are_detected(data: st.DataObject) -> None:
    key = text_of(new_key())
    at = data.draw(st.integers(0, len(key) - 2))
    assume(key[at] != key[at + 1])
    assert key_id(key[:at] + key[at + 1] + key[at] + key[at + 2 :]) is None


@given(st.text(max_size=100))
def test_no_other_text_is_a_key(text: str) -> None:
    assert key_id(text) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key + "x",
        lambda key: key + "\n",
        lambda key: " " + key,
        lambda key: key.upper(),
        lambda key: key.swapcase(),
        lambda key: key.replace("n4m_", "n4n_"),
        lambda key: key + "\x00",
        lambda key: key[:20] + "１" + key[21:],
        lambda key: "",
    ],
)
def test_a_truncated_lengthened_or_changed_key_is_malformed(spoil: Callable[[str], str]) -> None:
    assert key_id(spoil(text_of(new_key()))) is None
