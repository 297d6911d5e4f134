from __future__ import annotations

from typing import Any

import pytest

from tests.core.tools.conftest import Ask


async def found(ask: Ask, **arguments: Any) -> dict[str, Any]:
    result = await ask("search-index", arguments)
    assert result["isError"] is False, result["content"][0]["text"]
    answer: dict[str, Any] = result["structuredContent"]
    return answer


async def refused(ask: Ask, **arguments: Any) -> str:
    result = await ask("search-index", arguments)
    assert result["isError"] is True
    text: str = result["content"][0]["text"]
    return text


async def test_words_are_found_by_the_indexs_name(ask: Ask) -> None:
    answer = await found(ask, index="names", text="Philedelphia~", limit=3)
    assert answer["type"] == "FULLTEXT"
    assert "Philadelphia" in answer["results"][0]["node"]["properties"]["name"]
    scores = [result["score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) <= 3


async def test_words_are_found_by_a_label_that_one_index_covers(ask: Ask) -> None:
    answer = await found(ask, label="Airline", text="jetblue")
    assert answer["index"] == "names"
    assert answer["results"][0]["node"]["properties"]["carrier"] == "B6"


async def test_neighbours_of_a_vector_are_found(ask: Ask) -> None:
    airport = await ask("read-cypher", {"query": "MATCH (a:Airport {faa: 'SFO'}) RETURN a.rhythm AS rhythm"})
    rhythm = airport["structuredContent"]["rows"][0][0]
    answer = await found(ask, label="Airport", vector=rhythm, limit=2)
    assert answer["type"] == "VECTOR"
    assert answer["results"][0]["node"]["properties"]["faa"] == "SFO"
    assert answer["results"][0]["score"] == pytest.approx(1.0, abs=1e-3)


async def test_a_vector_of_other_dimensions_is_refused_before_the_database_sees_it(ask: Ask) -> None:
    text = await refused(ask, index="airport_rhythm", vector=[0.1, 0.2])
    assert "2 numbers" in text
    assert "24 dimensions" in text


async def test_an_unknown_index_is_answered_with_those_that_there_are(ask: Ask) -> None:
    text = await refused(ask, index="nope", text="x")
    assert "names (on " in text
    text = await refused(ask, index="names", vector=[1.0])
    assert "airport_rhythm" in text


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"text": "x"},
        {"index": "names"},
        {"index": "names", "text": "x", "vector": [1.0]},
        {"index": "names", "text": "x", "limit": 0},
        {"index": "names", "text": "x", "limit": 101},
        {"index": "names", "text": ""},
        {"index": "airport_rhythm", "vector": ["one"]},
    ],
)
async def test_arguments_that_do_not_fit_together_are_refused(ask: Ask, arguments: dict[str, Any]) -> None:
    assert "search-index" in await refused(ask, **arguments)


async def test_a_malformed_query_is_an_answer_with_neo4js_code(ask: Ask) -> None:
    assert "Neo.ClientError" in await refused(ask, index="names", text='"unclosed AND (')


async def test_several_suitable_indexes_are_named(ask_writer: Ask, empty_neo4j_driver: Any) -> None:
    for name in ("one", "two"):
        empty_neo4j_driver.execute_query(f"CREATE FULLTEXT INDEX {name} FOR (n:Thing) ON EACH [n.{name}]")
    empty_neo4j_driver.execute_query("CALL db.awaitIndexes(60)")
    try:
        text = await refused(ask_writer, label="Thing", text="x")
        assert "one, two" in text
    finally:
        for name in ("one", "two"):
            empty_neo4j_driver.execute_query(f"DROP INDEX {name}")
