from __future__ import annotations

from core.schema.names import nearest


def test_the_nearest_name_is_found_whatever_its_letter_case() -> None:
    assert nearest("evnt", ["Person", "Event", "Element"]) == ["Event"]
    assert nearest("PERSON", ["Person", "Event"]) == ["Person"]


def test_a_name_like_no_other_has_no_neighbour() -> None:
    assert nearest("Qzx", ["Person", "Event", None]) == []


def test_of_many_neighbours_only_the_nearest_are_named() -> None:
    known = [f"Event{number}" for number in range(100)]
    assert nearest("Event7", known, most=3)[0] == "Event7"
    assert len(nearest("Event", known, most=3)) == 3


def test_very_long_names_and_very_many_take_no_time_to_speak_of() -> None:
    assert nearest("a" * 100_000, ["b" * 100_000] * 100_000) == []
