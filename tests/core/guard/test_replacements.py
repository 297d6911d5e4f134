from __future__ import annotations

import pytest

from core.guard.allow_lists import PLAIN_FUNCTIONS
from core.guard.replacements import _CALLS, _FUNCTIONS, instead_of_call, instead_of_unknown


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("db.indexes", "SHOW INDEXES"),
        ("db.constraints", "SHOW CONSTRAINTS"),
        ("dbms.procedures", "SHOW PROCEDURES"),
        ("apoc.meta.schema", "get-schema"),
        ("APOC.meta.Data", "get-schema"),
    ],
)
def test_a_removed_procedure_names_todays_way(name: str, instead: str) -> None:
    assert instead in (instead_of_call(name) or "")


def test_a_name_of_which_nothing_is_known_names_nothing() -> None:
    assert instead_of_call("custom.thing") is None
    assert instead_of_unknown("Unknown function 'customThing' (line 1)") is None
    assert instead_of_unknown("Invalid input") is None


def test_an_unknown_function_of_another_language_names_cyphers() -> None:
    assert instead_of_unknown("Unknown function 'toInt' (line 1, column 8 (offset: 7))") == (
        "Instead of toInt(), write toInteger(x)."
    )


def test_no_function_that_exists_is_replaced() -> None:
    assert _FUNCTIONS.keys() & PLAIN_FUNCTIONS == set()


def test_the_lists_are_in_lower_case_as_they_are_looked_up() -> None:
    assert all(name == name.lower() for name in (*_CALLS, *_FUNCTIONS))
