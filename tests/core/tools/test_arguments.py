"""What strict clients and stringifying ones send is understood alike, and nothing else is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from core.tools.arguments import understood
from core.tools.read_cypher import READ_CYPHER
from core.tools.search_index import SEARCH_INDEX
from tests.core.tools.conftest import Ask

QUERY = "RETURN 1 AS x"


def read(**arguments: Any) -> dict[str, Any]:
    return understood({"query": QUERY, **arguments}, READ_CYPHER.input_schema)


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("name", ["params", "max_rows", "timeout_seconds", "whole_vectors", "database"])
def test_an_argument_without_a_value_is_left_out(name: str, nothing: Any) -> None:
    assert read(**{name: nothing}) == {"query": QUERY}


@pytest.mark.parametrize("text", ['{"a": [1, {"b": null}]}', ' {"a":[1,{"b":null}]}\n'])
def test_an_object_sent_as_text_is_that_object(text: str) -> None:
    assert read(params=text)["params"] == {"a": [1, {"b": None}]}


@pytest.mark.parametrize("value", ["10", " 10 ", 10.0, "10.0", 10])
def test_a_whole_number_in_any_form_is_an_integer(value: Any) -> None:
    found = read(max_rows=value)["max_rows"]
    assert (found, type(found)) == (10, int)


@pytest.mark.parametrize(("value", "meant"), [("1.5", 1.5), ("2e1", 20.0), ("3", 3.0), (2, 2)])
def test_a_number_sent_as_text_is_that_number(value: Any, meant: float) -> None:
    assert read(timeout_seconds=value)["timeout_seconds"] == meant


@pytest.mark.parametrize(("value", "meant"), [("true", True), ("False", False), (True, True)])
def test_a_boolean_sent_as_text_is_that_boolean(value: Any, meant: bool) -> None:
    assert read(whole_vectors=value)["whole_vectors"] is meant


def test_a_vector_sent_as_text_is_a_list_of_numbers() -> None:
    given = {"vector": "[0.5, 1]", "limit": "3"}
    assert understood(given, SEARCH_INDEX.input_schema) == {"vector": [0.5, 1], "limit": 3}
    assert understood({"vector": ["0.5", 1]}, SEARCH_INDEX.input_schema) == {"vector": [0.5, 1]}


def test_one_label_in_place_of_a_list_is_a_list_of_one() -> None:
    schema = {"properties": {"labels": {"type": "array", "items": {"type": "string"}}}}
    assert understood({"labels": "Airport"}, schema) == {"labels": ["Airport"]}
    assert understood({"labels": '["Airport", "Day"]'}, schema) == {"labels": ["Airport", "Day"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_rows", "ten"),
        ("max_rows", 10.5),
        ("max_rows", "10.5"),
        ("max_rows", True),
        ("max_rows", "9" * 400),
        ("timeout_seconds", "nan"),
        ("timeout_seconds", "Infinity"),
        ("whole_vectors", "yes"),
        ("whole_vectors", 1),
        ("params", "[1]"),
        ("params", "{not json}"),
        ("params", '{"a": 1, "a": 2}'),
        ("params", '{"a": NaN}'),
        ("params", "\ud800"),
        ("nonsense", "x"),
    ],
)
async def test_what_leaves_a_doubt_is_refused_in_words(ask: Ask, name: str, value: Any) -> None:
    assert read(**{name: value})[name] == value
    if value == "\ud800":
        return  # no client can send it
    result = await ask("read-cypher", {"query": QUERY, name: value})
    assert result["isError"] is True
    assert name in result["content"][0]["text"]


@pytest.mark.parametrize("query", ["", None])
async def test_what_is_required_may_not_be_empty(ask: Ask, query: Any) -> None:
    result = await ask("read-cypher", {"query": query})
    assert result["isError"] is True
    assert "query" in result["content"][0]["text"]


async def test_values_inside_of_parameters_are_never_touched(ask: Ask) -> None:
    params = {"a": "10", "b": 10.0, "c": "", "d": None, "e": "true", "f": '{"x": 1}'}
    query = "RETURN [$a, $b, $c, $d, $e, $f] AS x, valueType($b) AS t"
    result = await ask("read-cypher", {"query": query, "params": params})
    assert result["structuredContent"]["rows"] == [[["10", 10.0, "", None, "true", '{"x": 1}'], "FLOAT NOT NULL"]]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("read-cypher", {"query": QUERY, "params": None, "max_rows": "10", "timeout_seconds": "5", "database": ""}),
        ("read-cypher", {"query": "RETURN $x AS x", "params": '{"x": 1}', "max_rows": 10.0, "max_bytes": 1000.0}),
        ("get-schema", {"labels": "Airport", "pattern": "", "detail": None, "refresh": "false"}),
        ("explain-cypher", {"query": QUERY, "params": "{}"}),
        ("search-index", {"index": "names", "label": "", "text": "kennedy", "vector": None, "limit": "2"}),
        ("list-procedures", {"kind": "", "pattern": None}),
    ],
)
async def test_every_tool_answers_what_lax_clients_send(ask: Ask, tool: str, arguments: dict[str, Any]) -> None:
    result = await ask(tool, arguments)
    assert result["isError"] is False, result["content"][0]["text"]
