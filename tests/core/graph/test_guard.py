from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from core.call import Deadline
from core.errors import NotReadOnly, StatementError
from core.graph.connection import Graph
from core.graph.guard import AllowList, Guard
from core.graph.results import Limits
from core.settings import Settings
from tests.core.graph import corpus

LIMITS = Limits(rows=5, bytes=100_000)


@pytest.fixture
async def graph(settings: Settings) -> AsyncIterator[Graph]:
    graph = Graph(settings)
    yield graph
    await graph.close()


@pytest.fixture
def guard(graph: Graph) -> Guard:
    return Guard(graph, AllowList(), longest=20_000)


async def refusal(guard: Guard, statement: str) -> str | None:
    """Who stopped the statement: ``guard``, ``database`` (it could not even be planned), or None if nobody did."""
    try:
        await guard.require_read(statement, corpus.PARAMETERS, deadline=Deadline.after(20))
    except NotReadOnly:
        return "guard"
    except StatementError:
        return "database"
    return None


async def test_nothing_hostile_passes_the_guard(guard: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    stopped: Counter[str | None] = Counter()
    passed = []
    for statement in corpus.hostile():
        by = await refusal(guard, statement)
        stopped[by] += 1
        if by is None:
            passed.append(statement)
    with capsys.disabled():
        print(f"\nhostile statements: {stopped['guard']} stopped by the guard, {stopped['database']} not even planned")
    assert passed == []
    assert stopped["guard"] > 1000


async def test_nothing_harmless_is_refused(guard: Guard, graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    refused = []
    ran = 0
    for statement in corpus.harmless():
        try:
            await guard.require_read(statement, corpus.PARAMETERS, deadline=Deadline.after(20))
            await graph.read(statement, corpus.PARAMETERS, limits=LIMITS, deadline=Deadline.after(20))
            ran += 1
        except (NotReadOnly, StatementError) as error:
            refused.append((statement, str(error)))
    with capsys.disabled():
        print(f"\nharmless statements: {ran} ran, {len(refused)} refused")
    assert refused == []
    assert ran > 300
