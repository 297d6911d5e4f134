from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

import core.tools.pages as pages
from core.application import Application
from core.identity.principal import Principal
from core.settings import Settings
from core.tools.pages import continuation
from tests.core.mcp_requests import anybody
from tests.core.tools.conftest import Ask, asking

ORDERED = "MATCH (a:Airport) RETURN a.faa AS faa, a.name AS name ORDER BY name, faa"


@pytest.mark.parametrize(
    "statement",
    [
        "MATCH (a) RETURN a ORDER BY a",
        "MATCH (a) RETURN a.x, a.y AS z ORDER BY a.y DESC, a.x",
        "MATCH (a) RETURN a.x AS x, a.y AS y ORDER BY y, x ASC SKIP 3 LIMIT $n",
        "MATCH (a) RETURN a, a.x ORDER BY elementId(a);",
        "MATCH (a) RETURN DISTINCT a.x AS x ORDER BY x",
        "MATCH (a)--(b) RETURN a.x AS x, count(b) AS n, avg(b.y) AS y ORDER BY n DESC, x",
        "MATCH (a)--(b) WITH a, count(*) AS n ORDER BY n RETURN a.x AS x, n ORDER BY n, x OFFSET 2",
        "RETURN [x IN range(1, 3) | x] AS list ORDER BY list",
        "MATCH (a) CALL (a) { MATCH (a)--(b) RETURN b ORDER BY b.x LIMIT 1 } RETURN b.x AS x ORDER BY x",
    ],
)
def test_a_statement_whose_order_is_total_can_go_on(statement: str) -> None:
    assert continuation(statement).statement is not None


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("MATCH (a) RETURN a", "no ORDER BY"),
        ("MATCH (a) WITH a ORDER BY a.x RETURN a", "no ORDER BY"),
        ("MATCH (a) RETURN a.x, a.y ORDER BY a.x", "a . y"),
        ("MATCH (a) RETURN a ORDER BY a.x", "column a"),
        ("MATCH (a)--(b) RETURN a.x AS x, b.y AS y ORDER BY elementId(a)", "column y"),
        ("MATCH (a)--(b) RETURN a.x AS x, count(b) AS n ORDER BY n", "column x"),
        ("MATCH (a)--(b) RETURN a.x AS b, b.x AS c ORDER BY b", "column c"),
        ("MATCH (a) RETURN * ORDER BY a.x", "name the columns"),
        ("MATCH (a) RETURN a.x AS x ORDER BY x UNION MATCH (b) RETURN b.x AS x ORDER BY x", "UNION"),
        ("MATCH (a) RETURN a.x AS x, rand() AS y ORDER BY x, y", "random"),
        ("SHOW INDEXES", "no RETURN"),
        ("RETURN '\\u0041' AS x ORDER BY x", "escapes"),
        ("RETURN “", "cannot be read"),
    ],
)
def test_a_statement_whose_order_is_not_certain_says_why(statement: str, reason: str) -> None:
    found = continuation(statement)
    assert found.statement is None
    assert reason in (found.reason or "")


async def everything(ask: Ask, query: str, **arguments: Any) -> list[Any]:
    rows: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        result = await ask("read-cypher", {"query": query, **arguments, **cursor})
        assert result["isError"] is False, result["content"][0]["text"]
        answer = result["structuredContent"]
        rows += answer["rows"]
        if "next_cursor" not in answer:
            assert answer["truncated"] is False
            return rows
        assert answer["truncated"] is True
        cursor = {"cursor": answer["next_cursor"]}


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (ORDERED, {}),
        (f"{ORDERED} // done", {}),
        (f"{ORDERED};", {}),
        (f"CYPHER 25 {ORDERED} DESC SKIP 7 LIMIT 900", {}),
        (f"{ORDERED} SKIP $s LIMIT $l", {"s": 3, "l": 500}),
        ("MATCH (a:Airport)<-[:VISITED]-(p) RETURN a.faa AS faa, count(p) AS n ORDER BY n DESC, faa", {}),
    ],
)
async def test_pages_together_are_the_whole(ask: Ask, query: str, params: dict[str, Any]) -> None:
    whole = (await ask("read-cypher", {"query": query, "params": params}))["structuredContent"]["rows"]
    if len(whole) < 1000:
        assert await everything(ask, query, params=params, max_rows=100) == whole
    else:
        assert (await everything(ask, query, params=params))[:1000] == whole


async def test_pages_cut_by_bytes_go_on_where_they_were_cut(ask: Ask) -> None:
    rows = await everything(ask, f"{ORDERED} LIMIT 60", max_bytes=500)
    assert len(rows) == 60
    assert rows == sorted(rows, key=lambda row: (row[1], row[0]))


async def test_a_cut_answer_without_a_certain_order_says_why_there_is_no_cursor(ask: Ask) -> None:
    query = "MATCH (a:Airport) RETURN a.faa AS faa, a.name AS name ORDER BY name"
    answer = (await ask("read-cypher", {"query": query, "max_rows": 5}))["structuredContent"]
    assert "next_cursor" not in answer
    assert "does not decide about the column faa" in answer["hint"]


async def refused(ask: Ask, **arguments: Any) -> str:
    result = await ask("read-cypher", arguments)
    assert result["isError"] is True
    text: str = result["content"][0]["text"]
    return text


async def first_cursor(ask: Ask, **arguments: Any) -> str:
    answer = (await ask("read-cypher", {"query": ORDERED, "max_rows": 5, **arguments}))["structuredContent"]
    cursor: str = answer["next_cursor"]
    return cursor


async def test_a_cursor_is_for_one_statement_and_its_parameters(ask: Ask) -> None:
    cursor = await first_cursor(ask, params={"x": 1})
    assert "not valid" in await refused(ask, query=f"{ORDERED} ", params={"x": 1}, cursor=cursor)
    assert "not valid" in await refused(ask, query=ORDERED, params={"x": 2}, cursor=cursor)
    assert "not valid" in await refused(ask, query=ORDERED, cursor=cursor)


@pytest.mark.parametrize("at", [0, 3, 8, 12, 20, -2])
async def test_a_cursor_that_was_changed_is_refused(ask: Ask, at: int) -> None:
    cursor = await first_cursor(ask)
    other = "A" if cursor[at] != "A" else "B"
    forged = cursor[:at] + other + cursor[at + 1 :]
    assert "not valid" in await refused(ask, query=ORDERED, cursor=forged)


@pytest.mark.parametrize("cursor", ["nonsense", "ä", "=", "A" * 200, "5"])
async def test_what_is_no_cursor_is_refused_in_words(ask: Ask, cursor: str) -> None:
    assert "cursor" in await refused(ask, query=ORDERED, cursor=cursor)


async def test_a_cursor_expires(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = await first_cursor(ask)
    now = pages.time.time()
    monkeypatch.setattr("core.tools.pages.time.time", lambda: now + 16 * 60)
    assert "expired after 15 minutes" in await refused(ask, query=ORDERED, cursor=cursor)


async def test_a_cursor_of_another_caller_is_refused(settings: Settings) -> None:
    async def somebody_else(request: Any) -> Principal:
        return dataclasses.replace(await anybody(request), id="somebody-else")

    here, there = Application(settings, anybody), Application(settings, somebody_else)
    cursor = await first_cursor(asking(here))
    assert "not valid" in await refused(asking(there), query=ORDERED, cursor=cursor)
    await here.close()
    await there.close()


@pytest.fixture
async def instances(settings: Settings) -> AsyncIterator[list[Ask]]:
    """Two instances with the same key, and one with another."""
    keys = ["canary-cursor-key-" + "k" * 32] * 2 + ["canary-cursor-key-" + "q" * 32]
    running = [
        Application(Settings.model_validate({**settings.model_dump(), "cursor_key": key}), anybody) for key in keys
    ]
    yield [asking(application) for application in running]
    for application in running:
        await application.close()


async def test_a_cursor_goes_on_at_every_instance_with_the_same_key(instances: list[Ask]) -> None:
    first, second, other = instances
    cursor = await first_cursor(first)
    result = await second("read-cypher", {"query": ORDERED, "cursor": cursor, "max_rows": 5})
    assert result["isError"] is False
    assert "not valid" in await refused(other, query=ORDERED, cursor=cursor)


async def test_a_continued_statement_passes_the_guard_like_any_other(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = await first_cursor(ask)
    hostile = pages.Continuation("MATCH (a) DETACH DELETE a")
    monkeypatch.setattr("core.tools.read_cypher.continuation", lambda statement: hostile)
    assert "not run" in await refused(ask, query=ORDERED, cursor=cursor)
