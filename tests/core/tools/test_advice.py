"""What an agent is told about a statement that cannot run: where the fault is, and what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.tools.conftest import Ask


async def told(ask: Ask, query: str, tool: str = "read-cypher", **arguments: Any) -> str:
    result = await ask(tool, {"query": query, **arguments})
    assert result["isError"] is True, result["structuredContent"]
    text: str = result["content"][0]["text"]
    return text


TOOLS = pytest.mark.parametrize("tool", ["read-cypher", "explain-cypher"])


@TOOLS
@pytest.mark.parametrize(
    ("query", "place", "instead"),
    [
        ("RETURN 'a' = “b”", "“ (U+201C) at line 1, column 14", "Write \" or ' instead"),
        ("MATCH (a)\nRETURN a ORDER BY a.x – 1", "– (U+2013) at line 2, column 23", "Write - instead"),
        ("MATCH (a) WHERE a.x ≠ 1 RETURN a", "line 1, column 21", "Write <> instead"),
        ("RETURN 1 \\\nAS x", "line 1, column 10", "leave it out"),
        ("RETURN\u200b1", "U+200B at line 1, column 7", "Leave it out"),
        ("RETURN （1）", "line 1, column 8", "Write ( instead"),
        ("RETURN 1\nAS x, 'open", "opened at line 2, column 7", "close every quote"),
        ("RETURN 1 /* x", "at line 1, column 10", "close every quote and comment"),
    ],
)
async def test_a_stray_character_is_told_with_its_place_and_what_to_write(
    ask: Ask, tool: str, query: str, place: str, instead: str
) -> None:
    text = await told(ask, query, tool)
    assert place in text
    assert instead in text


@TOOLS
@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("RETURN 1; RETURN 2", "line 1, column 11"),
        ("MATCH (a) RETURN a LIMIT 1;\n\nMATCH (b) RETURN b;", "line 3, column 1"),
        ("RETURN 1;;; RETURN 2;", "line 1, column 13"),
    ],
)
async def test_several_statements_are_told_where_the_second_begins(ask: Ask, tool: str, query: str, place: str) -> None:
    text = await told(ask, query, tool)
    assert "several statements" in text
    assert place in text


@pytest.mark.parametrize("query", ["RETURN 1 AS x;", "RETURN 1 AS x ; ;\n", "RETURN ';' AS x; // done"])
async def test_a_semicolon_at_the_end_is_no_second_statement(ask: Ask, query: str) -> None:
    result = await ask("read-cypher", {"query": query})
    assert "several" not in result["content"][0]["text"]


@TOOLS
async def test_an_offset_is_one_of_the_callers_own_text(ask: Ask, tool: str) -> None:
    text = await told(ask, "MATCH (a:Airport)\nRETURN a.name, foo(a)", tool)
    assert "line 2, column 16" in text
    assert "EXPLAIN" not in text


@pytest.mark.parametrize(
    ("query", "instead"),
    [
        ("CALL db.indexes()", "SHOW INDEXES"),
        ("CALL db.constraints() YIELD name RETURN name", "SHOW CONSTRAINTS"),
        ("CALL apoc.meta.schema()", "get-schema"),
        ("RETURN toInt('1')", "toInteger(x)"),
        ("MATCH (d:Day) RETURN year(d.date)", "x.year"),
        ("RETURN date('2013-07-04').dayOfWeek()", "date(x).year"),
        ("RETURN $missing", "in params"),
    ],
)
async def test_what_was_renamed_or_never_existed_names_what_does(ask: Ask, query: str, instead: str) -> None:
    assert instead in await told(ask, query)


async def test_a_method_on_a_value_names_itself(ask: Ask) -> None:
    text = await told(ask, "MATCH (d:Day) RETURN date(d.date).dayOfWeek()")
    assert ".dayOfWeek()" in text
    assert "?" not in text


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u3000", "\u202f"])
async def test_spaces_that_neo4j_takes_for_spaces_are_spaces(ask: Ask, space: str) -> None:
    result = await ask("read-cypher", {"query": f"MATCH (a:Airport){space}RETURN{space}count(a)\n{space}> 0 AS x"})
    assert result["structuredContent"]["rows"] == [[True]]


@pytest.mark.parametrize("code", ["0000", "2028", "00a0", "200b", "0001", "e000"])
@pytest.mark.parametrize("language", ["CYPHER 5", "CYPHER 25"])
async def test_an_escape_that_can_end_nothing_is_read_as_the_database_reads_it(
    ask: Ask, code: str, language: str
) -> None:
    result = await ask("read-cypher", {"query": f"{language} RETURN 'a\\u{code}b' AS x"})
    assert result["structuredContent"]["rows"] == [[f"a{chr(int(code, 16))}b"]]
