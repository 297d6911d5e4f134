"""What the text of a statement proves alone. Nothing here asks a database: `test_guard_alone` runs what is let pass."""

from __future__ import annotations

import pytest

from core.errors import NotReadOnly
from core.guard.allow_lists import READ_FUNCTIONS
from core.guard.commands import forbidden_command
from core.guard.guard import AllowList
from core.guard.lexer import tokenize
from core.guard.proof import proves_reading
from tests.core.guard import corpus

ALLOWED = AllowList()


def proved(statement: str) -> bool:
    try:
        tokens = tokenize(statement)
    except NotReadOnly:
        return False
    if forbidden_command(tokens) is not None:
        return False
    return proves_reading(tokens, may_call=ALLOWED.has_procedure, has_function=ALLOWED.has_function)


def test_nothing_hostile_is_proved_to_read() -> None:
    assert [statement for statement in corpus.hostile() if proved(statement)] == []


def test_most_that_is_harmless_needs_no_plan() -> None:
    harmless = list(corpus.harmless())
    assert sum(map(proved, harmless)) > 0.8 * len(harmless)


@pytest.mark.parametrize(
    "statement",
    [
        "MATCH (a:Airport {faa: $faa}) RETURN a.name AS name",
        "MATCH (n) WHERE n.name CONTAINS 'x' AND NOT n:Foo RETURN n {.name, .x} ORDER BY n.name DESC SKIP 1 LIMIT 5",
        "MATCH (a)-[r:ROUTE*1..3]->(b) WHERE exists((a)-->()) WITH a, count(DISTINCT b) AS c RETURN a.set, c",
        "MATCH p = shortestPath((a)-[*..5]-(b)) RETURN [n IN nodes(p) | n.create], date().year",
        "MATCH (n:Delete)-[:SET]->(:Load {csv: $merge}) RETURN n",
        "OPTIONAL MATCH (a) RETURN count(*) AS c UNION ALL UNWIND [1, 2] AS c RETURN c",
        "MATCH (a) CALL (a) { MATCH (a)--(b) RETURN collect(b.x) AS xs } RETURN xs",
        "CALL db.index.fulltext.queryNodes('names', $text) YIELD node, score RETURN node, score",
        "CYPHER 25 runtime=slotted RETURN EXISTS { MATCH (n) WHERE n.a > 1 } AS e",
    ],
)
def test_what_agents_ask_most_is_proved(statement: str) -> None:
    assert proved(statement)


CLAUSES = (
    "CREATE (:H)",
    "SET n.x = 1",
    "DELETE n",
    "DETACH DELETE n",
    "REMOVE n.x",
    "MERGE (:H)",
    "LOAD CSV FROM 'file:///etc/passwd' AS line",
    "USE system",
    "SHOW SETTINGS",
    "CALL dbms.killConnection('bolt-1')",
    "CALL { CREATE (:H) }",
    "FOREACH (i IN [1] | CREATE (:H))",
    "INSERT (:H)",
    "CLAUSEOFTOMORROW (n)",
    "CLAUSEOFTOMORROW n",
    "CLAUSEOFTOMORROW {a: 1}",
)


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_clause_that_acts_or_that_nobody_knows_is_never_proved_wherever_it_stands(clause: str) -> None:
    plain = (text for text in corpus.harmless() if not any(mark in text for mark in ("'", '"', "`", "/")))
    statements = [statement for statement in plain if proved(statement)][:60]
    assert len(statements) > 40
    tried = 0
    for statement in statements:
        words = statement.split(" ")
        for at in range(len(words) + 1):
            tried += 1
            text = " ".join((*words[:at], clause, *words[at:]))
            # A word after a dot, a colon or a dollar sign is a name, so it does not begin a clause.
            before = words[at - 1][-1:] if at else ""
            assert before in (".", ":", "$", "&", "!") or not proved(text), text
    assert tried > 500


@pytest.mark.parametrize(
    "statement",
    [
        "RETURN apoc.load.json('x')",
        "RETURN `apoc`.`load`('x')",
        "RETURN file()",
        "RETURN unheardof(1)",
        "CALL apoc.load.json('x') YIELD value RETURN value",
        "CALL unheardof()",
        "RETURN `count`(1)",
        "RETURN graph.byName('x')",
        "MATCH (n) WHERE n:% RETURN n",
        "RETURN 1; RETURN 2",
        "WHEN true THEN CREATE (n)",
        "RETURN CASE WHEN true THEN create ELSE 1 END",
        "",
        "5",
    ],
)
def test_what_is_not_known_for_certain_gets_its_plan(statement: str) -> None:
    assert not proved(statement)


@pytest.mark.parametrize("name", sorted(READ_FUNCTIONS))
def test_built_in_functions_with_a_namespace_are_known(name: str) -> None:
    assert proved(f"RETURN {name}(1) AS x")
