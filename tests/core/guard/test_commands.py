"""Commands that are told from names by what stands around them."""

from __future__ import annotations

import time

import pytest

from core.guard.commands import execution_mode, forbidden_command
from core.guard.lexer import tokenize


def refusal(statement: str) -> str | None:
    return forbidden_command(tokenize(statement))


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("LOAD CSV FROM 'x' AS l RETURN l", "LOAD CSV"),
        ("MATCH (n) WHERE n:% LOAD CSV FROM 'x' AS l RETURN l", "LOAD CSV"),
        ("RETURN s'{COUNT { load /* */ csv FROM \"x\" AS l RETURN l }}'", "LOAD CSV"),
        ("SHOW TRANSACTIONS", "SHOW"),
        ("SHOW ALL PRIVILEGES", "SHOW"),
        ("SHOW USER PRIVILEGES", "SHOW"),
        ("SHOW USERS", "SHOW"),
        ("SHOW CURRENT GRAPH TYPE", "SHOW"),
        ("MATCH (n) WHERE n:% SHOW SETTINGS YIELD name RETURN name", "SHOW"),
        ("SHOW INDEXES YIELD name RETURN name UNION SHOW SETTINGS YIELD name RETURN name", "SHOW"),
        ("TERMINATE TRANSACTION 'x'", "TERMINATE"),
        ("MATCH (n) WHERE n:% TERMINATE TRANSACTIONS 'x' YIELD message RETURN message", "TERMINATE"),
        ("RETURN COLLECT { USE system MATCH (n) RETURN n }", "USE"),
        ("RETURN COLLECT { WITH i USE `system` MATCH (n) RETURN n }", "USE"),
        ("{ USE (system) MATCH (n) RETURN n }", "USE"),
        ("CALL () { RETURN 1 } IN TRANSACTIONS OF 1 ROW", "IN TRANSACTIONS"),
        ("CALL () { RETURN 1 } IN 2 CONCURRENT TRANSACTIONS", "IN TRANSACTIONS"),
        ("DEFINE FUNCTION f(x) = x RETURN f(1)", "DEFINE"),
        ("EXPLAIN MATCH (n) RETURN n", "EXPLAIN"),
        ("/* x */ pRoFiLe MATCH (n) RETURN n", "EXPLAIN"),
        ("CYPHER 25 runtime=slotted PROFILE MATCH (n) RETURN n", "EXPLAIN"),
        ("CYPHER 5 CYPHER planner=dp EXPLAIN MATCH (n) RETURN n", "EXPLAIN"),
        ("PLAN RETURN 1", "EXPLAIN"),
        ("CYPHER 25runtime=slotted EXPLAIN RETURN 1", "unclear options"),
        ("CYPHER debug=tostring RETURN 1", "option 'debug'"),
        ("CYPHER runtime=slotted debug=ast RETURN 1", "option 'debug'"),
    ],
)
def test_commands_are_found(statement: str, says: str) -> None:
    refused = refusal(statement)
    assert refused is not None
    assert says in refused


@pytest.mark.parametrize(
    "statement",
    [
        "SHOW INDEXES",
        "SHOW ALL INDEXES YIELD name",
        "SHOW USER DEFINED FUNCTIONS",
        "SHOW BUILT IN FUNCTIONS EXECUTABLE BY neo4j",
        "SHOW RELATIONSHIP PROPERTY EXISTENCE CONSTRAINTS",
        "MATCH (n:SHOW|LOAD|USE) WHERE n.show = n.use RETURN n.load",
        "WITH 1 AS show, 2 AS use, 3 AS load, 4 AS csv RETURN show, use, load, csv",
        "WITH 7 AS show RETURN 1 % show AS x",
        "WITH 1 AS terminate, [1] AS transactions RETURN terminate IN transactions",
        "RETURN COLLECT { WITH 1 AS use RETURN use AS x }",
        "RETURN [use IN [1] | {use: use}]",
        "USE neo4j MATCH (n) RETURN n",
        "RETURN 1 AS x UNION USE neo4j RETURN 2 AS x",
        "RETURN 'LOAD CSV' /* SHOW USERS */ // TERMINATE TRANSACTION",
        "RETURN `load` `csv`",
        "WITH 1 AS explain RETURN explain",
        "CYPHER 5 RETURN 1",
        "CYPHER 25 runtime=slotted planner=cost RETURN 1",
    ],
)
def test_names_are_no_commands(statement: str) -> None:
    assert refusal(statement) is None


def test_the_opening_alone_can_be_looked_at() -> None:
    assert execution_mode(tokenize("CREATE (n) SET n.x = COUNT { SHOW SETTINGS }")) is None
    assert execution_mode(tokenize("CYPHER 25 EXPLAIN CREATE (n)")) is not None


@pytest.mark.parametrize("piece", ["show ", "{use ", "use {", "show all ", "cypher ", "load ", "in transactions "])
def test_time_is_in_proportion_to_length(piece: str) -> None:
    tokens = tokenize(piece * (200_000 // len(piece)))
    started = time.monotonic()
    forbidden_command(tokens)
    assert time.monotonic() - started < 5


def test_a_long_row_of_modifiers_costs_no_more_than_its_length() -> None:
    tokens = tokenize("show " + "show all " * 20_000)
    started = time.monotonic()
    forbidden_command(tokens)
    assert time.monotonic() - started < 5
