from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import neo4j
import pytest

from core.deadline import Deadline
from core.errors import StatementError
from core.graph.database import Database
from core.graph.results import Limits, ReadResult
from core.schema.cache import quote, read_schema
from core.schema.entries import mark_required
from core.settings import Settings

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
    "a|b",
    "*?[x]",
    "$(x)",
    "{}",
]

READING = "core.schema.reading"
PATTERNS = "core.schema.patterns"


class Refusing(Database):
    """A graph whose database user may not run statements that hold a certain text."""

    def __init__(self, settings: Settings, text: str) -> None:
        super().__init__(settings)
        self.text = text

    async def read(
        self, statement: str, parameters: Mapping[str, Any], *, limits: Limits, deadline: Deadline
    ) -> ReadResult:
        if self.text in statement:
            raise StatementError("not for you", "Neo.ClientError.Security.Forbidden")
        return await super().read(statement, parameters, limits=limits, deadline=deadline)


@pytest.fixture
async def scratch(scratch_settings: Settings) -> AsyncIterator[Database]:
    graph = Database(scratch_settings)
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


async def read(graph: Database, **options: Any) -> dict[str, Any]:
    return await read_schema(graph, deadline=Deadline.after(60), **options)


async def test_the_sample_graph_is_described_as_it_is(graph: Database) -> None:
    schema = await read(graph)
    airport = by_name(schema["nodes"], "label")["Airport"]
    assert airport["count"] > 1400
    properties = by_name(airport["properties"], "name")
    assert properties["location"]["types"] == ["POINT"]
    assert properties["faa"] == {"name": "faa", "types": ["STRING"], "always": True}
    route = by_name(schema["relationships"], "type")["ROUTE"]
    assert route["exact"] is True
    assert route["patterns"] == [{"from": ["Airport"], "to": ["Airport"], "count": route["count"]}]
    assert {"FULLTEXT", "VECTOR"} <= {index["type"] for index in schema["indexes"]}
    vector = next(index for index in schema["indexes"] if index["type"] == "VECTOR")
    assert (vector["dimensions"], vector["similarity"], vector["state"]) == (24, "COSINE", "ONLINE")
    fulltext = next(index for index in schema["indexes"] if index["type"] == "FULLTEXT")
    assert fulltext["analyzer"].startswith("standard")
    unique = next(constraint for constraint in schema["constraints"] if constraint["properties"] == ["faa"])
    assert unique["name"] in {index.get("constraint") for index in schema["indexes"]}
    assert schema["totals"]["nodes"] == sum(node["count"] for node in schema["nodes"])
    assert schema["totals"]["relationships"] == sum(entry["count"] for entry in schema["relationships"])


async def test_an_empty_database_has_an_empty_schema(scratch: Database, nothing: neo4j.Driver) -> None:
    assert await read(scratch) == {
        "totals": {"nodes": 0, "relationships": 0, "labels": 0, "types": 0},
        "nodes": [],
        "relationships": [],
        "indexes": [],
        "constraints": [],
        "notes": [],
        "hurried": False,
    }


async def test_names_that_nothing_bears_any_more_are_not_told(scratch: Database, nothing: neo4j.Driver) -> None:
    nothing.execute_query("CREATE (:Gone)-[:WENT]->(:Gone), (:Here)")
    nothing.execute_query("MATCH (n:Gone) DETACH DELETE n")
    nothing.execute_query("CREATE INDEX gone_name FOR (n:Gone) ON (n.name)")
    schema = await read(scratch)
    assert [node["label"] for node in schema["nodes"]] == ["Here"]
    assert schema["relationships"] == []
    assert [index["tokens"] for index in schema["indexes"]] == [["Gone"]]


@pytest.mark.parametrize("path", ["whole", "sampled", "dynamic", "no administrator", "no administrator, large"])
async def test_names_that_need_quoting_are_found_like_any_other(
    scratch_settings: Settings, nothing: neo4j.Driver, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    if path in ("sampled", "dynamic"):
        monkeypatch.setattr(f"{READING}._SHARES", (0,))
        monkeypatch.setattr(f"{READING}._SMALL", 0)
        monkeypatch.setattr(f"{PATTERNS}.WALKED", 0)
        monkeypatch.setattr(f"{READING}._SINGLY", 0 if path == "dynamic" else 1000)
    if path == "no administrator, large":
        monkeypatch.setattr("core.schema.census.SCANNED", 0)
    graph = Refusing(scratch_settings, "db.stats" if path.startswith("no") else "nothing is like this")
    nothing.execute_query(
        "UNWIND $names AS name CREATE (a:$(name))-[r:$(name)]->(a) SET a[name] = 1, r[name] = 'x'", names=AWKWARD_NAMES
    )
    schema = await read(graph)
    await graph.close()
    labels = by_name(schema["nodes"], "label")
    types = by_name(schema["relationships"], "type")
    assert set(labels) == set(types) == set(AWKWARD_NAMES)
    for name in AWKWARD_NAMES:
        assert types[name]["patterns"] == [{"from": [name], "to": [name], "count": 1}]
        assert labels[name]["count"] == types[name]["count"] == 1
        if path not in ("sampled", "dynamic"):
            assert labels[name]["properties"] == [{"name": name, "types": ["INTEGER"], "always": True}]
            assert types[name]["properties"] == [{"name": name, "types": ["STRING"], "always": True}]


async def test_a_property_that_only_some_have_is_not_always_there(scratch: Database, nothing: neo4j.Driver) -> None:
    nothing.execute_query("CREATE (:P {a: 1, b: 'x'}), (:P {a: 1.5}), (:Q)")
    schema = by_name((await read(scratch))["nodes"], "label")
    assert schema["P"] == {
        "label": "P",
        "count": 2,
        "sampled": 2,
        "properties": [
            {"name": "a", "types": ["FLOAT", "INTEGER"], "always": True},
            {"name": "b", "types": ["STRING"], "always": False},
        ],
    }
    assert schema["Q"] == {"label": "Q", "count": 1, "sampled": 1, "properties": []}


async def test_types_are_told_as_cypher_names_them(scratch: Database, nothing: neo4j.Driver) -> None:
    nothing.execute_query(
        "CREATE (:T {list: ['a'], point: point({x: 1, y: 2}), at: datetime(), none: []}), (:T {list: 'a', at: date()})"
    )
    ((entry,),) = ([node["properties"] for node in (await read(scratch))["nodes"]],)
    types = {found["name"]: found["types"] for found in entry}
    assert types == {
        "list": ["LIST<STRING>", "STRING"],
        "point": ["POINT"],
        "at": ["DATE", "ZONED DATETIME"],
        "none": ["LIST<NOTHING>"],
    }


async def test_nodes_with_several_labels_or_none_are_told_as_they_are(scratch: Database, nothing: neo4j.Driver) -> None:
    nothing.execute_query("CREATE (:A:B {x: 1})-[:R]->({y: 2})-[:S]->({z: 3}), (:A)-[:R]->(:B), ()")
    schema = await read(scratch)
    nodes = by_name(schema["nodes"], "label")
    assert {label: node["count"] for label, node in nodes.items()} == {"A": 2, "B": 2, None: 3}
    unlabelled = nodes[None]  # type: ignore[index]
    assert [found["name"] for found in unlabelled["properties"]] == ["y", "z"]
    types = by_name(schema["relationships"], "type")
    assert types["R"]["patterns"] == [
        {"from": ["A"], "to": ["B"], "count": 1},
        {"from": ["A", "B"], "to": [], "count": 1},
    ]
    assert types["S"]["patterns"] == [{"from": [], "to": [], "count": 1}]


@pytest.mark.parametrize("refused", ["nothing is like this", "db.stats"])
async def test_of_what_is_large_no_label_is_missed_and_a_sample_is_said_to_be_one(
    scratch_settings: Settings, nothing: neo4j.Driver, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    monkeypatch.setattr(f"{READING}._SHARES", (4, 4, 4))
    monkeypatch.setattr(f"{READING}._SMALL", 0)
    monkeypatch.setattr(f"{PATTERNS}._SAMPLED", 4)
    monkeypatch.setattr(f"{PATTERNS}._PROBE_SAMPLED", 4)
    for module in (PATTERNS, "core.schema.census"):
        monkeypatch.setattr(f"{module}.WALKED", 3)
    for module in (READING, "core.schema.census"):
        monkeypatch.setattr(f"{module}.SCANNED", 10)
    nothing.execute_query(
        "UNWIND range(1, 50) AS i CREATE (p:Person {number: i})-[:KNOWS]->(:Thing) "
        "WITH p, i WHERE i = 25 CREATE (p)-[:KNOWS {rare: true}]->(:Rare)<-[:FEW]-(p)"
    )
    nothing.execute_query("UNWIND range(1, 50) AS i CREATE (:Person {number: i})-[:KNOWS]->(:Thing)")
    nothing.execute_query("CREATE (), (), ()")
    nothing.execute_query("MATCH (p:Person) WITH p ORDER BY p LIMIT 1 SET p.first = 1")
    nothing.execute_query("MATCH (p:Person) WITH p ORDER BY p DESC LIMIT 1 SET p.last = 1")
    graph = Refusing(scratch_settings, refused)
    schema = await read(graph)
    await graph.close()
    nodes = by_name(schema["nodes"], "label")
    assert {label: node["count"] for label, node in nodes.items()} == {"Person": 100, "Thing": 100, "Rare": 1}
    assert nodes["Person"]["sampled"] == 4
    assert nodes["Person"]["properties"] == [
        {"name": "first", "types": ["INTEGER"], "always": False},
        {"name": "last", "types": ["INTEGER"], "always": False},
        {"name": "number", "types": ["INTEGER"], "always": True},
    ]
    knows = by_name(schema["relationships"], "type")["KNOWS"]
    assert knows["exact"] is False
    assert knows["patterns"] == [{"from": ["Person"], "to": ["Rare"]}, {"from": ["Person"], "to": ["Thing"]}]
    assert knows["starts"] == [{"label": "Person", "count": 101}]
    assert knows["ends"] == [{"label": "Thing", "count": 100}, {"label": "Rare", "count": 1}]
    few = by_name(schema["relationships"], "type")["FEW"]
    assert (few["exact"], few["patterns"]) == (True, [{"from": ["Person"], "to": ["Rare"], "count": 1}])
    assert schema["notes"] == ["At least 3 nodes have no label."]


@pytest.mark.parametrize(("since", "sampled"), [((2025, 8), 2), ((9999, 1), 5)], ids=["dynamic", "before dynamic"])
async def test_many_large_labels_are_looked_at_together(
    scratch: Database, nothing: neo4j.Driver, monkeypatch: pytest.MonkeyPatch, since: tuple[int, int], sampled: int
) -> None:
    monkeypatch.setattr(f"{READING}._SHARES", (2,))
    monkeypatch.setattr(f"{READING}._SMALL", 0)
    monkeypatch.setattr(f"{READING}._SINGLY", 0)
    monkeypatch.setattr(f"{READING}._DYNAMIC_SINCE", since)
    nothing.execute_query("UNWIND range(1, 5) AS i CREATE (:A {a: i})-[:R {r: i}]->(:B {b: i})")
    schema = await read(scratch)
    assert {node["label"]: (node["sampled"], node["properties"][0]["name"]) for node in schema["nodes"]} == {
        "A": (sampled, "a"),
        "B": (sampled, "b"),
    }
    assert [(entry["sampled"], entry["properties"][0]["name"]) for entry in schema["relationships"]] == [(sampled, "r")]


async def test_values_are_shown_only_where_they_may_be_and_are_few(scratch: Database, nothing: neo4j.Driver) -> None:
    nothing.execute_query(
        "UNWIND range(1, 40) AS i CREATE (:Order {state: ['open', 'paid'][i % 2], id: 'order ' + i, "
        "note: ['short', reduce(s = '', x IN range(1, 60) | s + 'x')][i % 2], n: i % 2})"
    )
    silent = (await read(scratch))["nodes"][0]["properties"]
    assert all(set(entry) == {"name", "types", "always"} for entry in silent)
    entries = by_name((await read(scratch, samples=True))["nodes"][0]["properties"], "name")
    assert entries["state"]["values"] == ["open", "paid"]
    assert not any("values" in entries[name] or "examples" in entries[name] for name in ("id", "note", "n"))


async def test_values_from_a_sample_are_called_examples(
    scratch: Database, nothing: neo4j.Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{READING}._SHARES", (10,))
    nothing.execute_query("UNWIND range(1, 40) AS i CREATE (:Order {state: 'open'})")
    (entry,) = (await read(scratch, samples=True))["nodes"][0]["properties"]
    assert entry["examples"] == ["open"]
    assert "values" not in entry


@pytest.mark.parametrize(("refused", "what"), [("SHOW INDEXES", "indexes"), ("SHOW CONSTRAINTS", "constraints")])
async def test_a_user_who_may_not_list_indexes_gets_the_rest(settings: Settings, refused: str, what: str) -> None:
    graph = Refusing(settings, refused)
    schema = await read(graph)
    await graph.close()
    assert schema[what] == []
    assert schema["notes"] == [f"The database user may not list {what}."]
    assert schema["nodes"]


async def test_labels_that_the_user_may_not_see_are_not_told_from_the_count_store(
    scratch_settings: Settings, nothing: neo4j.Driver
) -> None:
    class Narrow(Database):
        async def read(self, statement: str, *arguments: Any, **options: Any) -> ReadResult:
            result = await super().read(statement, *arguments, **options)
            if "db.labels" in statement:
                for row in result.rows:
                    row[0] = [label for label in row[0] if label != "Secret"]
            return result

    nothing.execute_query("CREATE (:Secret), (:Open)")
    graph = Narrow(scratch_settings)
    schema = await read(graph)
    await graph.close()
    assert [node["label"] for node in schema["nodes"]] == ["Open"]


async def test_with_little_time_the_counts_are_there_and_the_rest_is_said_to_be_missing(
    graph: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{READING}._SHARE_OF_TIME", 0.0)
    schema = await read(graph)
    assert by_name(schema["nodes"], "label")["Airport"]["count"] > 1400
    assert {node["sampled"] for node in schema["nodes"]} == {0}
    assert {entry["sampled"] for entry in schema["relationships"]} == {0}
    assert schema["hurried"] is True
    assert "Time ran short" in schema["notes"][0]


def test_what_a_constraint_makes_sure_is_told_even_of_what_no_sample_had() -> None:
    sampled = {"name": "a", "types": ["STRING"], "always": False}
    nodes = [{"label": "A", "count": 9, "sampled": 1, "properties": [sampled]}]
    types = [{"type": "A", "count": 9, "sampled": 0, "properties": []}]
    rule = {"name": "rule", "on": "node", "tokens": ["A"]}
    constraints = [
        {**rule, "type": "NODE_PROPERTY_EXISTENCE", "properties": ["a"]},
        {**rule, "type": "NODE_KEY", "properties": ["b"]},
        {**rule, "type": "NODE_PROPERTY_TYPE", "properties": ["b"], "property_type": "DATE | INTEGER"},
        {**rule, "type": "UNIQUENESS", "properties": ["c"]},
        {**rule, "type": "NODE_KEY", "tokens": ["Nobody"], "properties": ["d"]},
    ]
    mark_required(nodes, types, constraints)
    assert nodes[0]["properties"] == [
        {"name": "a", "types": ["STRING"], "always": True, "required": True},
        {"name": "b", "types": ["DATE", "INTEGER"], "always": True, "required": True},
    ]
    assert types[0]["properties"] == []
