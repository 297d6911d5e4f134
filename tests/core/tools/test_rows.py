"""Long lists of numbers, and integers that JavaScript would round, on their way through the tools."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import neo4j
import pytest

from core.application import Application
from core.settings import Settings
from core.tools import ALL_TOOLS
from tests.core.fixture_tools import granting
from tests.core.mcp_requests import anybody
from tests.core.tools.conftest import Ask, asking

DIMENSIONS = 1536
EMBEDDING = [number / 1000 for number in range(DIMENSIONS)]


@pytest.fixture
async def ask_chunks(scratch_settings: Settings, empty_neo4j_driver: neo4j.Driver) -> AsyncIterator[Ask]:
    """Asks on a graph with two chunks of text: each has two embeddings and a list of integers."""
    run = empty_neo4j_driver.execute_query
    run("MATCH (n) DETACH DELETE n")
    run(
        "CYPHER 25 CREATE VECTOR INDEX chunks IF NOT EXISTS FOR (c:Chunk) ON (c.embedding) "
        f"OPTIONS {{indexConfig: {{`vector.dimensions`: {DIMENSIONS}, `vector.similarity_function`: 'cosine'}}}}"
    )
    run(
        "UNWIND [1, 2] AS i CREATE (c:Chunk {text: 'text ' + i, embedding: $e, other: $e, short: $e[..9], "
        "levels: range(1, 200)})",
        e=EMBEDDING,
    )
    run("CALL db.awaitIndexes(60)")
    application = Application(scratch_settings, anybody, grant_for=granting(ALL_TOOLS))
    yield asking(application)
    await application.close()
    run("DROP INDEX chunks")
    run("MATCH (n) DETACH DELETE n")


async def answer(ask: Ask, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await ask(tool, arguments)
    assert result["isError"] is False, result["content"][0]["text"]
    structured: dict[str, Any] = result["structuredContent"]
    return structured


async def test_embeddings_do_not_flood_an_answer_and_the_answer_says_so(ask_chunks: Ask) -> None:
    vector = f"vector(c.embedding, {DIMENSIONS}, FLOAT32)"
    query = f"CYPHER 25 MATCH (c:Chunk) RETURN c, c.embedding AS e, [{vector}] AS v"
    found = await answer(ask_chunks, "read-cypher", query=query)
    node, embedding, vectors = found["rows"][0]
    long = f"<{DIMENSIONS} numbers>"
    properties = node["properties"]
    assert (properties["embedding"], properties["other"], properties["levels"]) == (long, long, "<200 numbers>")
    assert len(properties["short"]) == 9
    assert (embedding, vectors) == (long, [long])
    assert found["elided"] == 2 * 5
    assert "whole_vectors" in found["hint"]
    assert len(json.dumps(found)) < 2000


async def test_an_embedding_is_returned_whole_where_the_caller_asks(ask_chunks: Ask) -> None:
    query = "MATCH (c:Chunk) RETURN c.embedding AS e, c LIMIT 1"
    found = await answer(ask_chunks, "read-cypher", query=query, whole_vectors=True)
    assert found["rows"][0][0] == EMBEDDING
    assert found["rows"][0][1]["properties"]["other"] == EMBEDDING
    assert "elided" not in found
    assert "hint" not in found


async def test_a_write_answers_no_embeddings_either(ask_chunks: Ask) -> None:
    query = "MATCH (c:Chunk) SET c.seen = true RETURN c.embedding AS e"
    written = await answer(ask_chunks, "write-cypher", query=query)
    assert written["rows"] == [[f"<{DIMENSIONS} numbers>"]] * 2
    assert written["elided"] == 2


@pytest.mark.parametrize(
    "expression",
    ["range(1, 5000)", "[x IN range(1, 99) | x / 7.0]", "[x IN range(1, 200) | toString(x)]", "[0.5, null] + $half"],
)
async def test_other_lists_are_never_left_out(ask: Ask, expression: str) -> None:
    arguments = {"query": f"RETURN {expression} AS list", "params": {"half": [0.5] * 200}}
    found = await answer(ask, "read-cypher", **arguments)
    assert isinstance(found["rows"][0][0], list)
    assert "elided" not in found


async def test_a_stored_text_that_looks_like_a_list_left_out_is_told_from_one(ask: Ask) -> None:
    found = await answer(ask, "read-cypher", query="RETURN '<1536 numbers>' AS text")
    assert found["rows"] == [["<1536 numbers>"]]
    assert "elided" not in found


async def test_search_leaves_the_searched_vector_out_unless_asked(ask_chunks: Ask) -> None:
    found = await answer(ask_chunks, "search-index", index="chunks", vector=EMBEDDING)
    properties = [result["node"]["properties"] for result in found["results"]]
    assert [sorted(each) for each in properties] == [["levels", "other", "short", "text"]] * 2
    assert (found["left_out"], found["truncated"], found["elided"]) == (["embedding"], False, 2 * 2)
    whole = await answer(ask_chunks, "search-index", index="chunks", vector=EMBEDDING, whole_vectors=True, limit=1)
    assert whole["results"][0]["node"]["properties"]["embedding"] == EMBEDDING
    assert not {"left_out", "elided", "hint"} & whole.keys()


async def test_a_search_whose_results_do_not_fit_says_how_to_ask_for_less(
    scratch_settings: Settings, ask_chunks: Ask
) -> None:
    small = Application(scratch_settings.model_copy(update={"max_bytes": 25_000}), anybody)
    found = await answer(asking(small), "search-index", index="chunks", vector=EMBEDDING, whole_vectors=True)
    assert found["truncated"] is True
    assert "limit" in found["hint"]
    assert "YIELD node, score" in found["hint"]
    await small.close()


async def test_the_schema_marks_embeddings(ask_chunks: Ask) -> None:
    schema = await answer(ask_chunks, "get-schema", labels=["Chunk"], refresh=True)
    properties = {each["name"]: each.get("vector") for each in schema["nodes"][0]["properties"]}
    assert properties["embedding"] == properties["other"] == DIMENSIONS
    assert properties["short"] is None
    assert properties["text"] is None


LARGE = 2**53


async def test_integers_that_javascript_would_round_are_text(ask: Ask) -> None:
    query = f"RETURN {LARGE - 1} AS a, {LARGE} AS b, -{LARGE + 1} AS c, [{LARGE}, {{d: {LARGE}}}] AS d"
    found = await answer(ask, "read-cypher", query=query)
    assert found["rows"] == [[LARGE - 1, str(LARGE), str(-LARGE - 1), [str(LARGE), {"d": str(LARGE)}]]]


async def test_a_large_integer_comes_back_through_tointeger(ask: Ask) -> None:
    query = f"RETURN toInteger($x) = {LARGE + 1} AS same"
    assert (await answer(ask, "read-cypher", query=query, params={"x": str(LARGE + 1)}))["rows"] == [[True]]


async def test_an_operator_may_have_large_integers_as_numbers(settings: Settings) -> None:
    application = Application(settings.model_copy(update={"large_integers": "number"}), anybody)
    found = await answer(asking(application), "read-cypher", query=f"RETURN {LARGE + 1} AS x")
    assert found["rows"] == [[LARGE + 1]]
    await application.close()
