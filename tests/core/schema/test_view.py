from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.schema.view import DETAILS, Detail, Wanted, view
from core.tools.get_schema import GET_SCHEMA

HOSTILE = ["a]b[c", "*", "?", "(x+x+)+y", "\\", "`", "\x00", "Ünï 🚆", "x" * 300, '"', "ſ"]


def node(label: str | None, count: int = 1, properties: int = 2) -> dict[str, Any]:
    found = [{"name": f"property {number}", "types": ["STRING"], "always": True} for number in range(properties)]
    return {"label": label, "count": count, "sampled": count, "properties": found}


def relationship(kind: str, *ends: tuple[str, str], count: int = 1) -> dict[str, Any]:
    patterns = [{"from": [start], "to": [end], "count": 1} for start, end in ends]
    return {"type": kind, "count": count, "exact": True, "patterns": patterns, "sampled": count, "properties": []}


def index(name: str, *tokens: str, on: str = "node") -> dict[str, Any]:
    entry = {"name": name, "type": "RANGE", "on": on, "tokens": list(tokens), "properties": ["x"]}
    return {**entry, "state": "ONLINE"}


def schema(nodes: list[dict[str, Any]], relationships: list[dict[str, Any]], **others: Any) -> dict[str, Any]:
    totals = {"nodes": 9, "relationships": 9, "labels": len(nodes), "types": len(relationships)}
    parts = {"indexes": [], "constraints": [], "notes": [], "hurried": False}
    return {"totals": totals, "nodes": nodes, "relationships": relationships, **parts, **others}


SMALL = schema(
    [node("Person"), node("City"), node("Personnel"), node(None)],
    [
        relationship("LIVES_IN", ("Person", "City")),
        relationship("NEAR", ("City", "City"), ("Personnel", "City")),
        relationship("REPORTS_TO", ("Personnel", "Personnel")),
    ],
    indexes=[index("people", "Person"), index("near", "NEAR", on="relationship"), index("twins", "NEAR")],
)


def names(answer: dict[str, Any]) -> tuple[list[str], list[str]]:
    return [entry["label"] for entry in answer["nodes"]], [entry["type"] for entry in answer["relationships"]]


def size(answer: dict[str, Any]) -> int:
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode())


def show(wanted: Wanted | None = None, detail: Detail | None = None, limit: int = 100_000) -> dict[str, Any]:
    before = copy.deepcopy(SMALL)
    answer = view(SMALL, wanted or Wanted(), detail, limit=limit)
    assert before == SMALL
    jsonschema.validate(answer, GET_SCHEMA.output_schema or {})
    return answer


def test_a_small_schema_is_shown_whole() -> None:
    answer = show()
    assert (answer["detail"], answer["truncated"]) == ("standard", False)
    assert "hint" not in answer
    for part in ("nodes", "relationships", "indexes", "constraints"):
        assert answer[part] == SMALL[part]


def test_names_alone_are_names_and_counts() -> None:
    answer = show(detail="names")
    assert answer["nodes"][0] == {"label": "Person", "count": 1}
    assert answer["relationships"][0] == {"type": "LIVES_IN", "count": 1}
    assert "indexes" not in answer


def test_a_label_comes_with_what_touches_it_and_no_more() -> None:
    answer = show(Wanted(frozenset({"Personnel"})))
    assert names(answer) == (["Personnel"], ["NEAR", "REPORTS_TO"])
    assert answer["relationships"][0]["patterns"] == [{"from": ["Personnel"], "to": ["City"], "count": 1}]
    assert [entry["name"] for entry in answer["indexes"]] == ["near"]


def test_a_type_comes_with_the_labels_at_its_ends() -> None:
    assert names(show(Wanted(frozenset({"LIVES_IN"})))) == (["Person", "City"], ["LIVES_IN"])


@pytest.mark.parametrize("pattern", ["person", "PERSON", "Person*", "*ers?n*"])
def test_a_pattern_is_part_of_a_name_or_a_glob_and_case_does_not_matter(pattern: str) -> None:
    answer = show(Wanted(pattern=pattern))
    assert names(answer)[0] == ["Person", "Personnel"]
    assert "hint" not in answer


def test_a_glob_fits_whole_names() -> None:
    assert names(show(Wanted(pattern="?ity")))[0] == ["City"]
    assert names(show(Wanted(pattern="pers?n")))[0] == ["Person"]


def test_a_name_that_is_not_there_is_said_with_the_one_that_may_be_meant() -> None:
    answer = show(Wanted(frozenset({"person", "Nobody at all", "City"})))
    assert names(answer)[0] == ["City"]
    assert "person (is it Person?)" in answer["hint"]
    assert "Nobody at all" in answer["hint"]
    assert answer["truncated"] is False


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_patterns_mean_themselves(name: str) -> None:
    hostile = schema([node(other) for other in HOSTILE], [])
    assert names(view(hostile, Wanted(frozenset({name})), None, limit=100_000))[0] == [name]
    if not set(name) & set("*?"):
        assert name in names(view(hostile, Wanted(pattern=name), None, limit=100_000))[0]


def test_a_pattern_made_to_take_forever_does_not() -> None:
    hostile = schema([node("a" * 5000)], [])
    assert names(view(hostile, Wanted(pattern="*a" * 90 + "b"), None, limit=100_000))[0] == []


def test_of_many_patterns_the_standard_detail_tells_how_many_more_there_are() -> None:
    ends = [(f"L{number}", "X") for number in range(30)]
    many = schema([], [relationship("R", *ends)])
    (brief,) = view(many, Wanted(), None, limit=100_000)["relationships"]
    assert (len(brief["patterns"]), brief["more"]) == (10, 20)
    (full,) = view(many, Wanted(), "full", limit=100_000)["relationships"]
    assert len(full["patterns"]) == 30
    (touching,) = view(many, Wanted(frozenset({"L29"})), None, limit=100_000)["relationships"] or [None]
    assert touching is None, "L29 is not a label of the schema"


LARGE = schema(
    [node(f"Label {number}", 1000 - number, 20) for number in range(300)],
    [relationship(f"TYPE {number}", ("Label 1", "Label 2"), count=1000 - number) for number in range(300)],
    notes=["Something could not be found out."],
)


def test_a_large_schema_is_told_in_names_unless_more_is_asked_for() -> None:
    unasked = view(LARGE, Wanted(), None, limit=1_000_000)
    assert (unasked["detail"], unasked["truncated"]) == ("names", True)
    assert "labels" in unasked["hint"]
    assert "detail=standard expressly" in unasked["hint"]
    assert len(unasked["nodes"]) == 300
    assert view(LARGE, Wanted(), "standard", limit=1_000_000)["detail"] == "standard"
    assert view(LARGE, Wanted(frozenset({"Label 7"})), None, limit=1_000_000)["detail"] == "standard"


def test_what_does_not_fit_in_names_either_is_cut_after_the_most_numerous() -> None:
    answer = view(LARGE, Wanted(), None, limit=4000)
    labels, types = names(answer)
    assert labels == [f"Label {number}" for number in range(len(labels))]
    assert types == [f"TYPE {number}" for number in range(len(types))]
    assert min(len(labels), len(types)) > 20
    assert "of 300 labels and 300 relationship types" in answer["hint"]


@given(
    limit=st.integers(1024, 60_000),
    detail=st.sampled_from([None, *DETAILS]),
    wanted=st.frozensets(st.sampled_from([*HOSTILE, "Label 1", "TYPE 2"]) | st.text(max_size=400), max_size=400),
    pattern=st.none() | st.text(min_size=1, max_size=200),
)
def test_no_answer_is_larger_than_its_limit_and_each_obeys_the_output_schema(
    limit: int, detail: Detail | None, wanted: frozenset[str], pattern: str | None
) -> None:
    answer = view(LARGE, Wanted(wanted, pattern), detail, limit=limit)
    assert size(answer) <= limit
    jsonschema.validate(answer, GET_SCHEMA.output_schema or {})


@given(st.lists(st.text(min_size=1, max_size=3000), min_size=1, max_size=30, unique=True), st.integers(1024, 9000))
def test_long_names_do_not_burst_an_answer(long_names: list[str], limit: int) -> None:
    burst = schema([node(name) for name in long_names], [relationship(name) for name in long_names])
    wanted = Wanted(frozenset(name + "x" for name in long_names))
    for asked in (Wanted(), wanted):
        assert size(view(burst, asked, None, limit=limit)) <= limit
