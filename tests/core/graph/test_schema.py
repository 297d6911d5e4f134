from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import neo4j
import pytest

from core.call import Deadline
from core.graph.connection import Graph
from core.graph.schema import SchemaCache, quote, read_schema
from core.settings import Settings
from tests.local.tcp_proxy import TcpProxy

AWKWARD_NAMES = [
    "With Space",
    "back`tick",
    "``",
    "quote'd",
    'double"d',
    "ünï-cödé 🚆",
    "back\\slash",
    "\\u0060) //",
    "1",
]


@pytest.fixture
async def graph(settings: Settings) -> AsyncIterator[Graph]:
    graph = Graph(settings)
    yield graph
    await graph.close()


@pytest.fixture
async def scratch(scratch_settings: Settings) -> AsyncIterator[Graph]:
    graph = Graph(scratch_settings)
    yield graph
    await graph.close()


@pytest.fixture
def nothing(empty_neo4j_driver: neo4j.Driver) -> Iterator[neo4j.Driver]:
    """The scratch database without a node, index or constraint, before and after."""
    _empty(empty_neo4j_driver)
    yield empty_neo4j_driver
    _empty(empty_neo4j_driver)


def _empty(driver: neo4j.Driver) -> None:
    driver.execute_query("MATCH (n) DETACH DELETE n")
    for record in driver.execute_query("SHOW CONSTRAINTS YIELD name").records:
        driver.execute_query(f"DROP CONSTRAINT {quote(record['name'])}")
    for record in driver.execute_query("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN name").records:
        driver.execute_query(f"DROP INDEX {quote(record['name'])}")


def by_name(entries: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {entry[key]: entry for entry in entries}


async def test_the_sample_graph_is_described_as_it_is(graph: Graph) -> None:
    schema = await read_schema(graph, deadline=Deadline.after(30))
    airport = by_name(schema["nodes"], "label")["Airport"]
    assert airport["count"] > 1400
    properties = by_name(airport["properties"], "name")
    assert properties["location"]["types"] == ["POINT"]
    assert properties["faa"] == {"name": "faa", "types": ["STRING"], "always": True}
    route = by_name(schema["relationships"], "type")["ROUTE"]
    assert route["patterns"] == [{"from": ["Airport"], "to": ["Airport"]}]
    kinds = {index["type"] for index in schema["indexes"]}
    assert {"FULLTEXT", "VECTOR"} <= kinds
    vector = next(index for index in schema["indexes"] if index["type"] == "VECTOR")
    assert vector["dimensions"] == 24
    assert vector["similarity"].lower() == "cosine"
    assert any(constraint["properties"] == ["faa"] for constraint in schema["constraints"])


async def test_an_empty_database_has_an_empty_schema(scratch: Graph, nothing: neo4j.Driver) -> None:
    schema = await read_schema(scratch, deadline=Deadline.after(30))
    assert schema == {"nodes": [], "relationships": [], "indexes": [], "constraints": []}


async def test_names_that_need_quoting_are_found_like_any_other(scratch: Graph, nothing: neo4j.Driver) -> None:
    for name in AWKWARD_NAMES:
        nothing.execute_query(
            f"CREATE (a:{quote(name)} {{{quote(name)}: 1}})-[:{quote(name)} {{{quote(name)}: 'x'}}]->(a)"  # type: ignore[arg-type]
        )
    schema = await read_schema(scratch, deadline=Deadline.after(30))
    labels = by_name(schema["nodes"], "label")
    types = by_name(schema["relationships"], "type")
    assert set(labels) == set(types) == set(AWKWARD_NAMES)
    for name in AWKWARD_NAMES:
        assert labels[name]["properties"] == [{"name": name, "types": ["INTEGER"], "always": True}]
        assert types[name]["patterns"] == [{"from": [name], "to": [name]}]


async def test_a_property_that_only_some_have_is_not_always_there(scratch: Graph, nothing: neo4j.Driver) -> None:
    nothing.execute_query("CREATE (:P {a: 1, b: 'x'}), (:P {a: 1.5})")
    schema = await read_schema(scratch, deadline=Deadline.after(30))
    assert by_name(schema["nodes"], "label")["P"]["properties"] == [
        {"name": "a", "types": ["FLOAT", "INTEGER"], "always": True},
        {"name": "b", "types": ["STRING"], "always": False},
    ]


async def test_a_warm_schema_costs_no_look_at_the_database_until_a_refresh(settings: Settings) -> None:
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        graph = Graph(settings.model_copy(update={"neo4j_uri": proxy.uri}))
        cache = SchemaCache(graph, ttl=60)
        first = await cache.get(refresh=False, deadline=Deadline.after(30))
        await proxy.refuse()
        assert await cache.get(refresh=False, deadline=Deadline.after(1)) is first
        await proxy.accept()
        again = await cache.get(refresh=True, deadline=Deadline.after(30))
        assert again is not first
        assert again == first
        await graph.close()


async def test_calls_that_come_together_share_one_reading(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = 0

    async def counted(graph: Graph, *, deadline: Deadline) -> dict[str, Any]:
        nonlocal readings
        readings += 1
        return await read_schema(graph, deadline=deadline)

    monkeypatch.setattr("core.graph.schema.read_schema", counted)
    cache = SchemaCache(graph, ttl=60)
    await asyncio.gather(*(cache.get(refresh=False, deadline=Deadline.after(30)) for _ in range(10)))
    assert readings == 1
