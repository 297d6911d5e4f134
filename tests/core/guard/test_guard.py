"""The guard in front of a database as it should be: nothing hostile runs, and nothing harmless is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from core.deadline import Deadline
from core.errors import DeadlineExceeded, NotReadOnly, StatementError, ToolError
from core.graph.database import Database
from core.graph.results import Limits
from core.guard.guard import AllowList, Guard
from core.settings import Settings
from tests.core.guard import corpus

LIMITS = Limits(rows=5, bytes=100_000)


@pytest.fixture
def guard(graph: Database) -> Guard:
    return Guard(graph, AllowList(), longest=20_000)


async def read(
    guard: Guard,
    graph: Database,
    statement: str,
    *,
    seconds: float = 20,
    parameters: Mapping[str, Any] = corpus.PARAMETERS,
) -> None:
    """What the tool read-cypher does with a statement."""
    deadline = Deadline.after(seconds)
    await guard.require_read(statement, parameters, deadline=deadline)
    await graph.read(statement, parameters, limits=LIMITS, deadline=deadline)


async def count(graph: Database) -> list[Any]:
    statement = "MATCH (n) WITH count(n) AS nodes OPTIONAL MATCH ()-[r]->() RETURN nodes, count(r)"
    return (await graph.read(statement, {}, limits=LIMITS, deadline=Deadline.after(20))).rows


async def test_nothing_hostile_runs_with_all_walls_up(guard: Guard, graph: Database) -> None:
    before = await count(graph)
    refusals: Counter[type[ToolError]] = Counter()
    ran = []
    for statement in corpus.hostile():
        try:
            await read(guard, graph, statement)
            ran.append(statement)
        except (NotReadOnly, StatementError) as error:
            refusals[type(error)] += 1
    assert ran == []
    assert refusals[NotReadOnly] > 2000
    assert await count(graph) == before


@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
async def test_nothing_harmless_is_refused(
    guard: Guard, graph: Database, capsys: pytest.CaptureFixture[str], everywhere: bool
) -> None:
    refused = []
    ran = 0
    for statement in corpus.harmless(everywhere=everywhere):
        try:
            await read(guard, graph, statement)
            ran += 1
        except (NotReadOnly, StatementError) as error:
            refused.append((statement, str(error)))
    with capsys.disabled():
        print(f"\nharmless statements: {ran} ran, {len(refused)} refused")
    assert refused == []
    assert ran > (600 if everywhere else 250)


class CountingGraph(Database):
    """A graph that counts how often a statement is planned."""

    explained = 0

    async def explain(self, statement: str, parameters: Mapping[str, Any], *, deadline: Deadline) -> Any:
        self.explained += 1
        return await super().explain(statement, parameters, deadline=deadline)


@pytest.fixture
async def counting(settings: Settings) -> AsyncIterator[CountingGraph]:
    graph = CountingGraph(settings)
    yield graph
    await graph.close()


async def test_a_verdict_is_remembered(counting: CountingGraph) -> None:
    guard = Guard(counting, AllowList(), longest=1000)
    for value in (1, 2, 3):
        await guard.require_read("MATCH (n) WHERE n.x = $value FINISH", {"value": value}, deadline=Deadline.after(20))
        await guard.require_read("RETURN $value AS proved_by_its_text", {"value": value}, deadline=Deadline.after(20))
    for _ in range(2):
        with pytest.raises(NotReadOnly):
            await guard.require_read("CREATE (n:Hostile)", {}, deadline=Deadline.after(20))
    assert counting.explained == 2


async def test_what_a_write_may_do_says_nothing_about_a_read(counting: CountingGraph) -> None:
    guard = Guard(counting, AllowList(), longest=1000)
    await guard.require_data_only("CREATE (n:Hostile)", {}, deadline=Deadline.after(20))
    with pytest.raises(NotReadOnly):
        await guard.require_read("CREATE (n:Hostile)", {}, deadline=Deadline.after(20))


async def test_a_name_that_differs_in_letter_case_is_another_verdict(guard: Guard) -> None:
    await guard.require_read("RETURN 'create' AS x", {}, deadline=Deadline.after(20))
    with pytest.raises(NotReadOnly):
        await guard.require_read("CREATE ({x: 'create'})", {}, deadline=Deadline.after(20))


async def test_memory_for_verdicts_is_bounded_and_none_goes_to_what_is_too_long(counting: CountingGraph) -> None:
    guard = Guard(counting, AllowList(), longest=60)
    for number in range(1100):
        with pytest.raises(NotReadOnly):
            await guard.require_read(f"SHOW USERS // {number}", {}, deadline=Deadline.after(20))
    kept = list(guard._verdicts)
    with pytest.raises(NotReadOnly, match="characters"):
        await guard.require_read("x" * 61, {}, deadline=Deadline.after(20))
    assert list(guard._verdicts) == kept
    assert len(kept) <= 1000
    assert all(len(digest) == 32 for digest, _ in kept)


PLANNED_FOR_EVER = [
    "RETURN " + " + ".join(["toUpper('a')"] * 200) + " AS x",
    "RETURN " + "[" * 2000 + "1" + "]" * 2000 + " AS x",
    "RETURN " + "(" * 5000 + "1" + ")" * 5000 + " AS x",
]


@pytest.mark.parametrize("statement", PLANNED_FOR_EVER)
async def test_a_statement_that_the_server_never_plans_ends_with_the_call(
    statement: str, guard: Guard, graph: Database
) -> None:
    with pytest.raises((DeadlineExceeded, StatementError)):
        await read(guard, graph, statement, seconds=1.5)
    await read(guard, graph, "RETURN 1")


async def test_a_plan_that_is_too_deep_is_an_error_of_the_call(guard: Guard, graph: Database) -> None:
    statement = " ".join(f"UNWIND [1] AS a{number}" for number in range(600)) + " RETURN 1 AS x"
    with pytest.raises(ToolError):
        await guard.explain(statement, {}, deadline=Deadline.after(20))
    await read(guard, graph, "RETURN 1")


@pytest.mark.parametrize("allowed", ["apoc.text.*", "apoc.text.join"])
def test_a_name_is_allowed_by_itself_or_by_how_it_begins(allowed: str) -> None:
    names = AllowList(functions=frozenset({allowed}))
    assert names.has_function("apoc.text.join")
    assert not names.has_function("apoc.Text.join")
    assert not names.has_function("apoc.load.json")
    assert not names.has_procedure("apoc.text.join")


def test_built_in_functions_are_allowed_in_any_letter_case_and_procedures_are_not() -> None:
    names = AllowList()
    assert names.has_function("DATE.Truncate")
    assert not names.has_function("graph.byName")
    assert names.has_procedure("db.labels")
    assert not names.has_procedure("DB.labels")
