"""The guard against a database whose own protections are off: it imports any file, and every statement may write."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.deadline import Deadline
from core.errors import NotReadOnly, ToolError
from core.graph.database import Database
from core.guard.guard import AllowList, Guard
from local.console import Console
from local.neo4j import EmbeddedNeo4j
from tests.conftest import settings_for
from tests.core.guard import corpus
from tests.core.guard.plugin import build_plugin

pytestmark = pytest.mark.processes

GRAPH = """
UNWIND range(1, 20) AS i
CREATE (a:Airline {carrier: 'A' + i, name: 'Airline ' + i})-[:SERVES {flights: i}]->(p:Airport {faa: 'P' + i}),
  (p)-[:ROUTE {flights: i}]->(:Airport {faa: 'Q' + i}), (:Plane {tailNumber: 'N' + i, year: 2000 + i})
"""
"""What the statements ask for. They are about what is read and written at all, not about how much."""

SECRET = "what only a file of the host says"


@pytest.fixture(scope="module")
def open_database(tmp_path_factory: pytest.TempPathFactory, console: Console) -> Iterator[EmbeddedNeo4j]:
    """A database with a small graph, with a plugin that reads files, and with no wall of its own."""
    plugins = tmp_path_factory.mktemp("plugins")
    build_plugin(plugins)
    lax = {
        "dbms.security.allow_csv_import_from_file_urls": "true",
        "server.directories.plugins": str(plugins),
        "dbms.security.procedures.unrestricted": "*",
    }
    with EmbeddedNeo4j(tmp_path_factory.mktemp("open"), console=console, settings=lax) as database:
        with _driver(database) as driver:
            driver.execute_query(GRAPH)
        yield database


@pytest.fixture(scope="module")
def driver(open_database: EmbeddedNeo4j) -> Iterator[neo4j.Driver]:
    with _driver(open_database) as driver:
        yield driver


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the host that a read must not show."""
    path = tmp_path_factory.mktemp("host") / "secret.csv"
    path.write_text(SECRET)
    return path


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def graph(open_database: EmbeddedNeo4j, runner: asyncio.Runner) -> Iterator[Database]:
    graph = Database(settings_for(open_database))
    yield graph
    runner.run(graph.close())


def _driver(database: EmbeddedNeo4j) -> neo4j.Driver:
    auth = (database.username, database.password.get_secret_value())
    return neo4j.GraphDatabase.driver(
        database.uri, auth=auth, telemetry_disabled=True, warn_notification_severity="OFF"
    )


def rows(driver: neo4j.Driver, statement: str, **parameters: Any) -> list[list[Any]]:
    with driver.session(database="neo4j") as session:
        return [list(record.values()) for record in session.run(statement, parameters)]


def state(driver: neo4j.Driver) -> dict[str, list[list[Any]]]:
    """All of the database that a statement could change and that can be asked for."""
    statements = {
        "nodes": "MATCH (n) RETURN count(n)",
        "relationships": "MATCH ()-[r]->() RETURN count(r)",
        "names": "CALL db.labels() YIELD label RETURN label AS n UNION ALL CALL db.relationshipTypes() "
        "YIELD relationshipType RETURN relationshipType AS n UNION ALL CALL db.propertyKeys() YIELD propertyKey "
        "RETURN propertyKey AS n",
        "indexes": "SHOW INDEXES YIELD name, state RETURN name, state ORDER BY name",
        "constraints": "SHOW CONSTRAINTS YIELD name RETURN name ORDER BY name",
        "users": "SHOW USERS YIELD user, passwordChangeRequired, suspended RETURN *",
        "settings": "SHOW SETTINGS YIELD name, value RETURN name, value ORDER BY name",
        "database": "SHOW DATABASES YIELD name, access, currentStatus, defaultLanguage RETURN * ORDER BY name",
    }
    return {name: rows(driver, statement) for name, statement in statements.items()}


def refusal(runner: asyncio.Runner, guard: Guard, statement: str) -> str | None:
    """Who stopped the statement: ``guard``, ``database`` (it could not even be planned), or None if nobody did."""
    try:
        runner.run(guard.require_read(statement, corpus.PARAMETERS, deadline=Deadline.after(20)))
    except NotReadOnly:
        return "guard"
    except ToolError:
        return "database"
    return None


def test_the_walls_are_down(driver: neo4j.Driver, file: Path) -> None:
    statement = f"RETURN [each IN [1] | COLLECT {{ LOAD CSV FROM 'file://{file}' AS line RETURN line }}]"
    assert rows(driver, statement) == [[[[[SECRET]]]]]
    assert rows(driver, "RETURN reach.out.read($path)", path=str(file)) == [[SECRET]]


def test_the_guard_alone_stops_all_that_is_hostile(
    runner: asyncio.Runner, graph: Database, driver: neo4j.Driver, capsys: pytest.CaptureFixture[str]
) -> None:
    guard = Guard(graph, AllowList(), longest=20_000)
    before = state(driver)
    stopped: Counter[str | None] = Counter()
    passed = []
    for statement in corpus.hostile():
        by = refusal(runner, guard, statement)
        stopped[by] += 1
        if by is None:
            passed.append(statement)
        elif by == "database":  # it cannot be planned, so it must not run either, whoever asks
            with pytest.raises(neo4j.exceptions.Neo4jError):
                rows(driver, statement, **corpus.PARAMETERS)
    with capsys.disabled():
        print(f"\nhostile statements: {stopped['guard']} stopped by the guard, {stopped['database']} not even planned")
    assert passed == []
    assert stopped["guard"] > 2000
    assert state(driver) == before


NOISE = (
    *("'", '"', "`", "\\", "\\u0027", "\\u+027", "\\u000a", "\\u+00a", "/*", "*/", "//", "\n", "\r", "s'", 's"', "{"),
    *("}", "%", "n:%", "\\\\", "''", "``", "/**/", "// '\n", "/* ' */", "\u00a0", "..", "$", ";", "1", ")", "(", "x"),
)
OPENINGS = (
    *(
        "",
        "MATCH (n:Airline) ",
        "MATCH (n) WHERE n:% ",
        "UNWIND [1] AS i ",
        "WITH 1 AS i ",
        "OPTIONAL MATCH (n:Plane) ",
    ),
    *("MATCH (n:Airline) WHERE n.name = 'a' ", "CALL () { RETURN 1 AS i } "),
)
ACTS = (
    *("RETURN 1 AS x", "MATCH (m:Airline) RETURN m.name AS x", "UNWIND [1, 2] AS j RETURN j AS x", "RETURN 'a' AS x"),
    *("LOAD CSV FROM 'file://FILE' AS l RETURN l AS x", 'LOAD CSV FROM "file://FILE" AS l RETURN l AS x'),
    *("RETURN reach.out.read('FILE') AS x", "CALL reach.out.lines('FILE') YIELD line RETURN line AS x"),
    *("SHOW SETTINGS YIELD name RETURN name AS x", "SHOW INDEXES YIELD name RETURN name AS x"),
    *("CALL dbms.listConfig() YIELD name RETURN name AS x", "CREATE (h:Hostile) RETURN h AS x"),
    *("SET n.x = 1 RETURN 1 AS x", "MERGE (h:Hostile) RETURN h AS x", "DETACH DELETE n RETURN 1 AS x"),
    *("CALL (*) { CREATE (:Hostile) } RETURN 1 AS x", "CALL db.createLabel('Hostile') RETURN 1 AS x"),
)


@st.composite
def statements(draw: st.DrawFn) -> str:
    """A query in a place, some acts hidden in strings and comments, and noise thrown in."""
    query = draw(st.sampled_from(OPENINGS)) + draw(st.sampled_from(ACTS))
    place = draw(st.sampled_from([*corpus.PLACES.values(), *corpus.PLACES_IN_TEXT.values()]))
    hidden = draw(st.sampled_from(["", "'{}' AS a, ", "/* {} */ ", '"{}" AS a, ', "// {}\n", "s'{}' AS a, "]))
    text = place.format(query=query).replace(
        "RETURN ", "RETURN " + hidden.replace("{}", draw(st.sampled_from(ACTS))), draw(st.integers(0, 1))
    )
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.sampled_from([index for index, character in enumerate(text) if character in " '{}\"("] or [0]))
        text = text[:at] + draw(st.sampled_from(NOISE)) + text[at:]
    return draw(st.sampled_from(corpus.DIALECTS[:3])) + text


def test_what_the_guard_lets_pass_changes_nothing_and_shows_nothing_else(
    runner: asyncio.Runner, graph: Database, driver: neo4j.Driver, file: Path
) -> None:
    guard = Guard(graph, AllowList(), longest=20_000)
    ran = Counter[str]()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(statements())
    def check(template: str) -> None:
        statement = template.replace("FILE", str(file))
        if refusal(runner, guard, statement) is not None:
            return
        with driver.session(database="neo4j", default_access_mode=neo4j.WRITE_ACCESS) as session:
            transaction = session.begin_transaction(timeout=5)
            try:
                result = transaction.run(statement, corpus.PARAMETERS)
                shown = str([record.values() for record in result])
                counters = result.consume().counters
            except neo4j.exceptions.Neo4jError as error:
                shown, counters = str(error.message), None
            transaction.rollback()
        ran["well" if counters else "failed"] += 1
        assert counters is None or not (counters.contains_updates or counters.contains_system_updates), statement
        for told in (SECRET, "server.bolt.listen_address"):
            assert told not in shown, statement

    check()
    assert ran["well"] > 30


PLUGIN_CALLS = [
    "RETURN reach.out.read($path) AS x",
    "RETURN [each IN [1] | COLLECT { RETURN reach.out.read($path) AS x }][0][0] AS x",
    "RETURN `reach` . /* here */ `out`.read($path) AS x",
    "CALL reach.out.lines($path) YIELD line RETURN line AS x",
    "RETURN [each IN [1] | COLLECT { CALL reach.out.lines($path) YIELD line RETURN line }][0][0] AS x",
    "CYPHER 25 RETURN s'{reach.out.read($path)}' AS x",
]


@pytest.mark.parametrize("statement", PLUGIN_CALLS)
def test_what_a_plugin_brings_is_refused_until_it_is_allowed(
    statement: str, runner: asyncio.Runner, graph: Database, driver: neo4j.Driver, file: Path
) -> None:
    name = "reach.out.lines" if "lines" in statement else "reach.out.read"
    parameters = {"path": str(file)}

    def required(allowed: AllowList) -> None:
        guard = Guard(graph, allowed, longest=20_000)
        runner.run(guard.require_read(statement, parameters, deadline=Deadline.after(20)))

    for not_allowed in (AllowList(), AllowList(functions=frozenset({"reach.in.*", "apoc.*", name.upper()}))):
        with pytest.raises(NotReadOnly, match=name):
            required(not_allowed)
    for names in ({name}, {"reach.out.*"}):
        required(AllowList(procedures=frozenset(names), functions=frozenset(names)))
    assert rows(driver, statement, **parameters) == [[SECRET]]
