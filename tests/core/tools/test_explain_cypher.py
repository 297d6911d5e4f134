from __future__ import annotations

import json
from typing import Any

import pytest

from core.application import Application
from core.settings import Settings
from tests.core.mcp_requests import anybody
from tests.core.tools.conftest import Ask, asking


async def explained(ask: Ask, query: str, **params: Any) -> dict[str, Any]:
    result = await ask("explain-cypher", {"query": query, "params": params})
    assert result["isError"] is False, result["content"][0]["text"]
    answer: dict[str, Any] = result["structuredContent"]
    return answer


async def test_a_plan_is_the_tree_of_operators_with_estimated_rows(ask: Ask) -> None:
    answer = await explained(ask, "MATCH (a:Airport {faa: $faa})-[:ROUTE]->(b) RETURN b.name", faa="JFK")
    operators = [(step["depth"], step["operator"]) for step in answer["plan"]]
    assert operators[0] == (0, "ProduceResults")
    assert any("Expand" in name for _, name in operators)
    assert operators[-1][1].startswith("Node")
    assert all(isinstance(step["estimated_rows"], float) for step in answer["plan"])
    assert answer["readable"] is True


async def test_what_the_database_warns_of_is_told(ask: Ask) -> None:
    answer = await explained(ask, "MATCH (a:Airprot) RETURN a")
    assert any("Airprot" in warning["text"] for warning in answer["warnings"])


async def test_a_statement_that_reading_refuses_is_explained_with_the_reason(ask: Ask) -> None:
    answer = await explained(ask, "CREATE (n:Nope) RETURN n")
    assert answer["readable"] is False
    assert "writes" in answer["refusal"]
    assert any(step["operator"] == "Create" for step in answer["plan"])
    count = await ask("read-cypher", {"query": "MATCH (n:Nope) RETURN count(n) AS n"})
    assert count["structuredContent"]["rows"] == [[0]]


@pytest.mark.parametrize(
    "query", ["PROFILE MATCH (n) RETURN n", "CYPHER 25 PROFILE CREATE (n:Nope)", "EXPLAIN RETURN 1"]
)
async def test_a_statement_that_brings_its_own_mode_is_refused(ask: Ask, query: str) -> None:
    result = await ask("explain-cypher", {"query": query})
    assert result["isError"] is True
    assert "EXPLAIN or PROFILE" in result["content"][0]["text"]


async def test_a_wrong_statement_says_where(ask: Ask) -> None:
    result = await ask("explain-cypher", {"query": "MATCH (n RETURN n"})
    assert result["isError"] is True
    assert "SyntaxError" in result["content"][0]["text"]


async def test_a_plan_repeats_no_long_text_of_the_statement(ask: Ask) -> None:
    result = await ask("explain-cypher", {"query": f"RETURN '{'x' * 10_000}' AS x"})
    answer = result["structuredContent"]
    assert max(len(operator["details"]) for operator in answer["plan"]) < 600


async def test_a_plan_is_no_larger_than_an_answer_may_be(settings: Settings) -> None:
    application = Application(settings.model_copy(update={"max_bytes": 1024}), anybody)
    branches = " UNION ".join(["MATCH (a:Airport) RETURN a.name AS name"] * 20)
    answer = (await asking(application)("explain-cypher", {"query": branches}))["structuredContent"]
    assert answer["truncated"] is True
    assert len(json.dumps(answer["plan"], separators=(",", ":"))) <= 1024
    await application.close()
