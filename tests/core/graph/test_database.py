from __future__ import annotations

import asyncio
import time

import neo4j
import pytest
from neo4j.exceptions import Neo4jError

from core.deadline import Deadline
from core.errors import DatabaseUnavailable, DeadlineExceeded, NotReadOnly, StatementError
from core.graph.database import Database
from core.graph.results import Limits
from core.settings import Settings
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import eventually, statements_with

PLENTY = Limits(rows=1000, bytes=1_000_000)


async def test_rows_come_in_the_order_of_the_columns(graph: Database) -> None:
    statement = "UNWIND range(1, $n) AS i RETURN i, i * i AS square, 'x' AS text"
    result = await graph.read(statement, {"n": 3}, limits=PLENTY, deadline=Deadline.after(10))
    assert result.columns == ["i", "square", "text"]
    assert result.rows == [[1, 1, "x"], [2, 4, "x"], [3, 9, "x"]]
    assert result.cut_by is None


async def test_a_statement_without_rows_still_has_its_columns(graph: Database) -> None:
    result = await graph.read("MATCH (n:Nothing) RETURN n.a AS a", {}, limits=PLENTY, deadline=Deadline.after(10))
    assert (result.columns, result.rows, result.cut_by) == (["a"], [], None)


@pytest.mark.parametrize(("available", "kept", "cut_by"), [(9, 9, None), (10, 10, None), (11, 10, "rows")])
async def test_rows_over_the_limit_are_left_out_and_it_is_said(
    graph: Database, available: int, kept: int, cut_by: str | None
) -> None:
    limits = Limits(rows=10, bytes=1_000_000)
    statement = "UNWIND range(1, $n) AS i RETURN i"
    result = await graph.read(statement, {"n": available}, limits=limits, deadline=Deadline.after(10))
    assert len(result.rows) == kept
    assert result.cut_by == cut_by


async def test_bytes_over_the_limit_are_left_out_and_it_is_said(graph: Database) -> None:
    statement = "UNWIND range(1, 100) AS i RETURN $text AS text"
    result = await graph.read(
        statement, {"text": "x" * 1000}, limits=Limits(rows=1000, bytes=10_500), deadline=Deadline.after(10)
    )
    assert len(result.rows) == 10
    assert result.cut_by == "bytes"


async def test_a_statement_that_runs_too_long_is_stopped_in_the_database_too(
    graph: Database, neo4j_driver: neo4j.Driver
) -> None:
    slow = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN max(a * b) AS marked_slow"
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="time was up"):
        await graph.read(slow, {}, limits=PLENTY, deadline=Deadline.after(1))
    assert time.monotonic() - started < 5
    assert await asyncio.to_thread(eventually, lambda: statements_with(neo4j_driver, "marked_slow") == 0)


async def test_a_write_is_refused_by_the_database_itself(graph: Database) -> None:
    with pytest.raises(NotReadOnly, match="would write"):
        await graph.read("CREATE (n:Nope) RETURN n", {}, limits=PLENTY, deadline=Deadline.after(10))


async def test_a_wrong_statement_comes_back_with_neo4js_code_and_place(graph: Database) -> None:
    with pytest.raises(StatementError, match=r"SyntaxError") as caught:
        await graph.read("MATCH (n RETURN n", {}, limits=PLENTY, deadline=Deadline.after(10))
    assert caught.value.code == "Neo.ClientError.Statement.SyntaxError"
    assert "line 1, column" in str(caught.value)


async def test_values_that_the_driver_cannot_represent_are_answered_exactly(graph: Database) -> None:
    statement = "RETURN date('-0044-03-15'), time('12:00:00+17:59:59'), datetime('2050-07-04T21:40:32[Europe/Paris]')"
    result = await graph.read(statement, {}, limits=PLENTY, deadline=Deadline.after(10))
    assert result.rows == [["-0044-03-15", "12:00:00+17:59:59", "2050-07-04T21:40:32+02:00[Europe/Paris]"]]


@pytest.mark.parametrize("depth", [150, 1000])
async def test_a_result_that_is_nested_too_deeply_says_so_and_harms_no_other(graph: Database, depth: int) -> None:
    statement = "RETURN reduce(list = [], i IN range(1, $depth) | [list]) AS deep"
    with pytest.raises(StatementError, match="nested"):
        await graph.read(statement, {"depth": depth}, limits=PLENTY, deadline=Deadline.after(10))
    result = await graph.read("RETURN 1 AS x", {}, limits=PLENTY, deadline=Deadline.after(10))
    assert result.rows == [[1]]


async def test_a_missing_parameter_is_named(graph: Database) -> None:
    with pytest.raises(StatementError) as caught:
        await graph.read("RETURN $nobody AS x", {}, limits=PLENTY, deadline=Deadline.after(10))
    assert "nobody" in (caught.value.detail or "")


async def test_nothing_is_opened_before_a_call_needs_it(settings: Settings) -> None:
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        graph = Database(settings.model_copy(update={"neo4j_uri": proxy.uri}))
        await asyncio.sleep(0.2)
        assert proxy.connections == 0
        await graph.read("RETURN 1 AS x", {}, limits=PLENTY, deadline=Deadline.after(10))
        assert proxy.connections == 1
        await graph.close()


async def test_a_connection_that_died_in_the_pool_costs_no_error(settings: Settings) -> None:
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        graph = Database(settings.model_copy(update={"neo4j_uri": proxy.uri}))
        await graph.read("RETURN 1 AS x", {}, limits=PLENTY, deadline=Deadline.after(10))
        proxy.drop_all()
        result = await graph.read("RETURN 2 AS x", {}, limits=PLENTY, deadline=Deadline.after(10))
        assert result.rows == [[2]]
        await graph.close()


async def test_a_connection_that_lay_idle_for_long_is_replaced_before_it_can_hang(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a NAT gateway forgets, or a function that was frozen, looks like this: the connection is open and mute.
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        graph = Database(settings.model_copy(update={"neo4j_uri": proxy.uri}))
        await graph.read("RETURN 1 AS x", {}, limits=PLENTY, deadline=Deadline.after(10))
        proxy.stall_all()
        real = time.time
        monkeypatch.setattr("core.graph.pool.time.time", lambda: real() + 300)
        started = time.monotonic()
        result = await graph.read("RETURN 2 AS x", {}, limits=PLENTY, deadline=Deadline.after(10))
        assert result.rows == [[2]]
        assert time.monotonic() - started < 3
        await graph.close()


async def test_a_warm_read_is_one_round_trip(settings: Settings) -> None:
    statement = "MATCH (a:Airport {faa: $faa}) RETURN a.name AS name"
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        graph = Database(settings.model_copy(update={"neo4j_uri": proxy.uri}))
        for _ in range(2):
            await graph.read(statement, {"faa": "JFK"}, limits=PLENTY, deadline=Deadline.after(10))
        proxy.turns = 0
        await graph.read(statement, {"faa": "LGA"}, limits=PLENTY, deadline=Deadline.after(10))
        assert proxy.turns == 1
        await graph.close()


async def test_a_transient_failure_is_waited_out(graph: Database) -> None:
    attempts = 0

    async def attempt() -> int:
        nonlocal attempts
        attempts += 1
        if attempts < 4:
            raise transient("Neo.TransientError.Cluster.ReplicationFailure")
        return attempts

    assert await graph._retried(attempt, Deadline.after(10)) == 4


async def test_a_failure_that_does_not_pass_is_given_up_before_the_deadline_is_over(graph: Database) -> None:
    async def attempt() -> int:
        raise transient("Neo.TransientError.Cluster.ReplicationFailure")

    started = time.monotonic()
    with pytest.raises(StatementError, match="ReplicationFailure"):
        await graph._retried(attempt, Deadline.after(1))
    assert time.monotonic() - started < 1


async def test_a_statement_that_needs_too_much_memory_is_not_tried_again(graph: Database) -> None:
    attempts = 0

    async def attempt() -> int:
        nonlocal attempts
        attempts += 1
        raise transient("Neo.TransientError.General.MemoryPoolOutOfMemoryError")

    with pytest.raises(StatementError, match="more memory"):
        await graph._retried(attempt, Deadline.after(5))
    assert attempts == 1


def transient(code: str) -> Neo4jError:
    return Neo4jError._hydrate_neo4j(code=code, message="for a test")


async def test_rows_so_large_that_they_are_cut_at_once_are_not_received_to_the_end(settings: Settings) -> None:
    statement = "UNWIND range(1, 10000000) AS i RETURN $text AS text"
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        graph = Database(settings.model_copy(update={"neo4j_uri": proxy.uri}))
        limits = Limits(rows=1000, bytes=262_144)
        result = await graph.read(statement, {"text": "x" * 1_000_000}, limits=limits, deadline=Deadline.after(20))
        assert (result.rows, result.cut_by) == ([], "bytes")
        assert proxy.received < 100_000_000
        again = await graph.read("RETURN 1 AS x", {}, limits=limits, deadline=Deadline.after(10))
        assert again.rows == [[1]]
        await graph.close()


async def test_a_database_that_is_down_is_said_at_once_and_one_that_is_back_is_used(settings: Settings) -> None:
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        graph = Database(settings.model_copy(update={"neo4j_uri": proxy.uri}))
        assert await graph.answers()
        await proxy.refuse()
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="cannot be reached") as caught:
            await graph.read("RETURN 1 AS x", {}, limits=PLENTY, deadline=Deadline.after(20))
        assert time.monotonic() - started < 10
        assert "127.0.0.1" not in str(caught.value)
        assert not await graph.answers()
        await proxy.accept()
        assert await graph.answers()
        await graph.close()


async def test_a_database_that_accepts_and_never_answers_costs_no_more_than_the_deadline(settings: Settings) -> None:
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        proxy.swallow = True
        graph = Database(settings.model_copy(update={"neo4j_uri": proxy.uri}))
        started = time.monotonic()
        with pytest.raises((DeadlineExceeded, DatabaseUnavailable)):
            await graph.read("RETURN 1 AS x", {}, limits=PLENTY, deadline=Deadline.after(1))
        assert time.monotonic() - started < 3
        await graph.close()


async def test_a_refused_login_is_explained_without_the_credential(settings: Settings) -> None:
    wrong = Settings(neo4j_uri=settings.neo4j_uri, neo4j_username="nobody", neo4j_password="canary-wrong-password")
    graph = Database(wrong)
    with pytest.raises(DatabaseUnavailable, match="refused this server's own login") as caught:
        await graph.read("RETURN 1 AS x", {}, limits=PLENTY, deadline=Deadline.after(10))
    assert "canary-wrong-password" not in str(caught.value)
    await graph.close()


async def test_without_a_database_configured_a_call_says_what_is_missing() -> None:
    with pytest.raises(DatabaseUnavailable, match="NEO4J_URI"):
        await Database(Settings()).read("RETURN 1", {}, limits=PLENTY, deadline=Deadline.after(1))


async def test_a_cancelled_call_leaves_a_graph_that_still_works(graph: Database, neo4j_driver: neo4j.Driver) -> None:
    slow = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN max(a * b) AS cancelled_soon"
    task = asyncio.create_task(graph.read(slow, {}, limits=PLENTY, deadline=Deadline.after(20)))
    assert await asyncio.to_thread(eventually, lambda: statements_with(neo4j_driver, "cancelled_soon") > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    result = await graph.read("RETURN 1 AS x", {}, limits=PLENTY, deadline=Deadline.after(10))
    assert result.rows == [[1]]


@pytest.mark.parametrize("way", ["read", "write"])
async def test_an_error_too_long_to_read_is_an_error_and_no_answer_without_rows(graph: Database, way: str) -> None:
    statement = "UNWIND range(1, 400000) AS i WITH collect('xxxxxxxxxxxxxxxx') AS l RETURN toInteger(l)"
    run = getattr(graph, way)
    with pytest.raises(StatementError, match="too long to read"):
        await run(statement, {}, limits=Limits(10, 10_000), deadline=Deadline.after(30))
    one = await graph.read("RETURN 1", {}, limits=Limits(10, 10_000), deadline=Deadline.after(30))
    assert one.rows == [[1]]
