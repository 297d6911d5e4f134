from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import neo4j
import pytest

from core.deadline import Deadline
from core.errors import DeadlineExceeded, WriteUncertain
from core.graph.database import Database
from core.graph.results import Limits
from core.settings import Settings
from tests.core.tools.conftest import Ask
from tests.support.tcp_proxy import TcpProxy

LIMITS = Limits(rows=10, bytes=100_000)


@pytest.fixture(autouse=True)
def nothing_is_left(empty_neo4j_driver: neo4j.Driver) -> Iterator[None]:
    yield
    empty_neo4j_driver.execute_query("MATCH (n:Written) DETACH DELETE n")


def count(driver: neo4j.Driver) -> int:
    return int(driver.execute_query("MATCH (n:Written) RETURN count(n)").records[0][0])


async def test_a_write_answers_what_was_changed(ask_writer: Ask, empty_neo4j_driver: neo4j.Driver) -> None:
    query = "UNWIND $names AS name CREATE (n:Written {name: name}) RETURN n.name AS name"
    result = await ask_writer("write-cypher", {"query": query, "params": {"names": ["a", "b"]}})
    answer = result["structuredContent"]
    assert answer["counters"] == {"nodes_created": 2, "labels_added": 2, "properties_set": 2}
    assert (answer["columns"], answer["rows"], answer["truncated"]) == (["name"], [["a"], ["b"]], False)
    assert count(empty_neo4j_driver) == 2


async def test_changes_are_made_in_full_when_the_answer_is_cut(
    scratch_settings: Settings, empty_neo4j_driver: neo4j.Driver
) -> None:
    graph = Database(scratch_settings)
    statement = "UNWIND range(1, 500) AS i CREATE (n:Written {i: i}) RETURN i"
    result = await graph.write(statement, {}, limits=LIMITS, deadline=Deadline.after(20))
    assert (len(result.rows), result.cut_by) == (10, "rows")
    assert result.counters["nodes_created"] == 500
    assert count(empty_neo4j_driver) == 500
    await graph.close()


async def test_a_write_that_fails_halfway_changes_nothing(ask_writer: Ask, empty_neo4j_driver: neo4j.Driver) -> None:
    query = "UNWIND [1, 0] AS i CREATE (n:Written {i: 1 / i}) RETURN i"
    result = await ask_writer("write-cypher", {"query": query})
    assert result["isError"] is True
    assert count(empty_neo4j_driver) == 0


async def test_a_write_that_runs_too_long_changes_nothing(
    scratch_settings: Settings, empty_neo4j_driver: neo4j.Driver
) -> None:
    graph = Database(scratch_settings)
    slow = "CREATE (n:Written) WITH n UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN max(a * b) AS x"
    with pytest.raises(DeadlineExceeded):
        await graph.write(slow, {}, limits=LIMITS, deadline=Deadline.after(1))
    assert count(empty_neo4j_driver) == 0
    await graph.close()


async def test_a_connection_lost_before_the_commit_is_no_second_try(
    scratch_settings: Settings, empty_neo4j_driver: neo4j.Driver
) -> None:
    async with TcpProxy.to(scratch_settings.neo4j_uri) as proxy:
        graph = Database(scratch_settings.model_copy(update={"neo4j_uri": proxy.uri}))
        await graph.read("RETURN 1 AS x", {}, limits=LIMITS, deadline=Deadline.after(10))
        proxy.drop_all()
        with pytest.raises(Exception, match="cannot be reached"):
            await graph.write("CREATE (n:Written)", {}, limits=LIMITS, deadline=Deadline.after(10))
        assert count(empty_neo4j_driver) == 0
        await graph.close()


async def test_a_connection_lost_during_the_commit_is_called_uncertain(
    scratch_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TcpProxy.to(scratch_settings.neo4j_uri) as proxy:
        graph = Database(scratch_settings.model_copy(update={"neo4j_uri": proxy.uri}))
        original = neo4j.AsyncTransaction.commit

        async def commit(transaction: Any) -> None:
            proxy.drop_all()
            await original(transaction)

        monkeypatch.setattr(neo4j.AsyncTransaction, "commit", commit)
        with pytest.raises(WriteUncertain, match="may have been made, or not"):
            await graph.write("CREATE (n:Written)", {}, limits=LIMITS, deadline=Deadline.after(10))
        await graph.close()


@pytest.mark.parametrize(
    "query",
    [
        "CREATE INDEX hostile FOR (n:Written) ON (n.x)",
        "CREATE USER hostile SET PASSWORD 'hostile-hostile'",
        "SHOW TRANSACTIONS",
        "LOAD CSV FROM 'file:///etc/passwd' AS line CREATE (n:Written {x: line})",
        "CREATE (n:Written {x: [i IN [1] | COLLECT { LOAD CSV FROM 'file:///x' AS l RETURN l[0] }][0]})",
        "CALL dbms.listConfig() YIELD name CREATE (n:Written {x: name})",
        "UNWIND [1] AS i CALL (i) { CREATE (n:Written) } IN TRANSACTIONS",
        "PROFILE CREATE (n:Written)",
    ],
)
async def test_what_is_no_change_of_data_is_refused(
    ask_writer: Ask, empty_neo4j_driver: neo4j.Driver, query: str
) -> None:
    result = await ask_writer("write-cypher", {"query": query})
    assert result["isError"] is True
    assert count(empty_neo4j_driver) == 0


async def test_a_caller_who_only_reads_may_not_write(ask: Ask) -> None:
    result = await ask("write-cypher", {"query": "CREATE (n:Written)"})
    assert result["isError"] is True
    assert "may not use write-cypher" in result["content"][0]["text"]
