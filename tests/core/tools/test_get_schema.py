from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import jsonschema
import neo4j
import pytest

from core.application import Application
from core.schema.text import as_text
from core.settings import Settings
from core.tools.get_schema import GET_SCHEMA
from tests.core.mcp_requests import anybody, legacy, parsed, post

LABELS, TYPES = 2000, 100


@pytest.fixture(scope="module")
def large(empty_neo4j_driver: neo4j.Driver) -> Iterator[neo4j.Driver]:
    """The scratch database with a graph of 2,000 labels and 100 relationship types, and one rare label more."""
    driver = empty_neo4j_driver
    driver.execute_query("MATCH (n) DETACH DELETE n")
    dice = random.Random(2000)
    kinds: list[Any] = [1, "x", 1.5, True]
    nodes = [
        {
            "label": f"Label{number:04d}",
            "number": number,
            "properties": {f"p{(number * 7 + step) % 300}": dice.choice(kinds) for step in range(6)},
        }
        for number in range(LABELS)
        for _ in range(3)
    ]
    driver.execute_query("UNWIND $nodes AS row CREATE (n:$(row.label)) SET n = row.properties", nodes=nodes)
    ids = {
        record["label"]: record["id"]
        for record in driver.execute_query("MATCH (n) RETURN labels(n)[0] AS label, elementId(n) AS id").records
    }
    every = sorted(ids.values())
    relationships = [
        {"type": f"TYPE_{number}", "start": dice.choice(every), "end": dice.choice(every)}
        for number in range(TYPES)
        for _ in range(40)
    ]
    driver.execute_query(
        "UNWIND $relationships AS row MATCH (a) WHERE elementId(a) = row.start MATCH (b) WHERE elementId(b) = row.end "
        "CREATE (a)-[r:$(row.type)]->(b) SET r.weight = 1",
        relationships=relationships,
    )
    driver.execute_query("CREATE (:Rare {once: true})-[:SELDOM]->(:Rare)")
    yield driver
    driver.execute_query("MATCH (n) DETACH DELETE n")


@pytest.fixture
async def application(large: neo4j.Driver, scratch_settings: Settings) -> AsyncIterator[Application]:
    application = Application(scratch_settings, anybody)
    yield application
    await application.close()


async def get_schema(application: Application, **arguments: Any) -> dict[str, Any]:
    """The answer of the tool, which obeys its output schema, is said again in the text, and keeps to the limit."""
    message = legacy("tools/call", {"name": "get-schema", "arguments": arguments})
    response = await application.handle(post(message, ("mcp-protocol-version", "2025-11-25")))
    result = parsed(response)["result"]
    assert result["isError"] is False, result["content"][0]["text"]
    answer: dict[str, Any] = result["structuredContent"]
    jsonschema.validate(answer, GET_SCHEMA.output_schema or {})
    text = "\n".join(result["content"][0]["text"].splitlines()[2:-1])
    assert text == as_text(answer)
    assert len(text.encode()) <= application.settings.max_bytes
    return answer


@pytest.mark.exhaustive
async def test_a_schema_of_two_thousand_labels_fits_an_agents_context(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.perf_counter()
    answer = await get_schema(application)
    took = time.perf_counter() - begun
    assert (answer["detail"], answer["truncated"]) == ("names", True)
    assert answer["totals"] == {"nodes": 6002, "relationships": 4001, "labels": LABELS + 1, "types": TYPES + 1}
    assert len(answer["nodes"]) == LABELS + 1
    assert {"label": "Rare", "count": 2} in answer["nodes"]
    assert {"type": "SELDOM", "count": 1} in answer["relationships"]
    with capsys.disabled():
        print(f"\n2,000 labels, 100 types: read and answered in {took:.2f} s")
        application.settings = application.settings.model_copy(update={"max_bytes": 67_108_864})
        for title, arguments in (
            ("nothing asked", {}),
            ("detail=names", {"detail": "names"}),
            ("detail=standard", {"detail": "standard"}),
            ("detail=full", {"detail": "full"}),
            ("labels=[Label0001, Label0002]", {"labels": ["Label0001", "Label0002"]}),
            ("pattern=label00*", {"pattern": "label00*"}),
        ):
            answer = await get_schema(application, **arguments)
            size = len(json.dumps(answer, separators=(",", ":")))
            print(f"  {title}: {size:,} bytes as JSON, {len(as_text(answer).encode()):,} as text")


async def test_the_sample_graphs_schema_is_whole_and_short(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    application = Application(settings, anybody)
    sizes = {}
    begun = time.perf_counter()
    for detail in ("standard", "names", "full"):
        answer = await get_schema(application, detail=detail)
        sizes[detail] = len(json.dumps(answer, separators=(",", ":"))), len(as_text(answer).encode())
        if detail == "standard":
            took = time.perf_counter() - begun
        assert answer["truncated"] is False
    await application.close()
    with capsys.disabled():
        print(f"\nsample graph: read and answered in {took:.2f} s")
        for detail, (size, shorter) in sizes.items():
            print(f"  detail={detail}: {size:,} bytes as JSON, {shorter:,} as text")


async def test_of_a_large_schema_a_part_can_be_asked_for(application: Application) -> None:
    answer = await get_schema(application, labels=["Rare", "rare2"])
    assert (answer["detail"], answer["truncated"]) == ("standard", False)
    assert answer["nodes"] == [
        {
            "label": "Rare",
            "count": 2,
            "sampled": 2,
            "properties": [{"name": "once", "types": ["BOOLEAN"], "always": False}],
        }
    ]
    assert answer["relationships"][0]["patterns"] == [{"from": ["Rare"], "to": ["Rare"], "count": 1}]
    assert "rare2 (is it Rare?)" in answer["hint"]
    tens = await get_schema(application, pattern="label001?")
    assert [node["label"] for node in tens["nodes"]] == [f"Label001{digit}" for digit in range(10)]


async def test_what_was_asked_for_and_does_not_fit_is_told_in_less_detail(application: Application) -> None:
    answer = await get_schema(application, detail="full")
    assert (answer["detail"], answer["truncated"]) == ("names", True)
    assert "instead of detail=full" in answer["hint"]


async def test_the_smallest_limit_still_gets_a_valid_answer(application: Application) -> None:
    application.settings = application.settings.model_copy(update={"max_bytes": 1024})
    answer = await get_schema(application)
    assert answer["truncated"] is True
    assert answer["nodes"]
    assert answer["relationships"]


async def test_values_are_shown_where_the_operator_allows_it(settings: Settings) -> None:
    for allowed in (False, True):
        application = Application(settings.model_copy(update={"schema_samples": allowed}), anybody)
        answer = await get_schema(application, labels=["Plane"])
        await application.close()
        shown = [
            entry for node in answer["nodes"] for entry in node["properties"] if {"values", "examples"} & set(entry)
        ]
        assert bool(shown) is allowed


@pytest.mark.parametrize(
    "arguments",
    [{"labels": {"a": 1}}, {"labels": [1]}, {"pattern": 5}, {"detail": "everything"}, {"refresh": 1}, {"limit": 3}],
)
async def test_wrong_arguments_are_refused_by_name(settings: Settings, arguments: dict[str, Any]) -> None:
    application = Application(settings, anybody)
    message = legacy("tools/call", {"name": "get-schema", "arguments": arguments})
    response = parsed(await application.handle(post(message, ("mcp-protocol-version", "2025-11-25"))))
    assert next(iter(arguments)) in json.dumps(response)
    assert response.get("error") or response["result"]["isError"]
    await application.close()
