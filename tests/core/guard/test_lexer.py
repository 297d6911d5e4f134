"""Where strings, comments and names begin and end, as the database reads it."""

from __future__ import annotations

import contextlib
import time

import pytest

from core.errors import NotReadOnly
from core.guard.lexer import dotted_calls, tokenize


def words(statement: str) -> list[str]:
    """The names in ``statement``, those in quotes in quotes."""
    return [
        f"`{token.text}`" if token.kind == "quoted" else token.text
        for token in tokenize(statement)
        if token.kind in ("name", "quoted")
    ]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("RETURN 'a b' AS x", ["RETURN", "AS", "x"]),
        ("RETURN 'it\\'s' AS x", ["RETURN", "AS", "x"]),
        ("RETURN '\\\\' AS x", ["RETURN", "AS", "x"]),
        ('RETURN "\'" AS x', ["RETURN", "AS", "x"]),
        ("RETURN /* a */ x // b", ["RETURN", "x"]),
        ("RETURN x // b\nAS y", ["RETURN", "x", "AS", "y"]),
        ("RETURN x // b\r\nAS y", ["RETURN", "x", "AS", "y"]),
        ("RETURN /* /* */ x", ["RETURN", "x"]),
        ("RETURN `a``b // c` AS x", ["RETURN", "`a`b // c`", "AS", "x"]),
        ("RETURN 1LOAD, 1.5CSV, 0xLOAD", ["RETURN"]),
        ("L\\u004fAD", ["LOAD"]),
        ("größe", ["größe"]),
        ("RETURN 'a\\\\u0041'", ["RETURN"]),
        ("RETURN 'C:\\\\users'", ["RETURN"]),
        ("RETURN '\\ud83d\\ude00'", ["RETURN"]),
    ],
)
def test_words_are_told_from_text(statement: str, expected: list[str]) -> None:
    assert words(statement) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("s'a {b} c' d", ["b", "d"]),
        ('S"a {b} {c}"', ["b", "c"]),
        ("s'{ {k: s\"{v}\"} } t' u", ["k", "v", "u"]),
        ("s'\\'{a}\\{b' c", ["a", "c"]),
        ("s'// {a} /* ' b", ["a", "b"]),
        ("names 'a {b}'", ["names"]),
        ("'s' 'a {b}'", []),
        ("[s, 'a {b}']", ["s"]),
    ],
)
def test_code_in_interpolated_text_is_code(statement: str, expected: list[str]) -> None:
    assert words(statement) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "RETURN 'a",
        'RETURN "a',
        "RETURN `a",
        "RETURN /* a",
        "RETURN s'a",
        "RETURN s'a {b'",
        "RETURN s'a } b'",
        "RETURN '\\u0027'",
        "RETURN '\\u000a'",
        "RETURN '\\u+027'",
        "RETURN '\\u-027'",
        "RETURN '\\u\uff10\uff1027'",
        "RETURN '\\u'",
        "RETURN '\\u12'",
        "RETURN '\\uu0041'",
        "RETURN '\\\\u0027'",
        "RETURN '\\\\u+027'",
        "RETURN '\\ud83d'",
        "RETURN '\\ude00\\ud83d'",
        "RETURN '\ud83d'",
        "RETURN \\u004cOAD\\u0020CSV",
        "RETURN 1 // a\rRETURN 2",
        "RETURN 1 // a\u2028RETURN 2",
        "RETURN\u00a01",
        "RETURN\u200b1",
        "RETURN \\x",
        "\ufeffRETURN 1",
        "RETURN \x00",
        "RETURN a$b",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(statement: str) -> None:
    with pytest.raises(NotReadOnly, match=r"cannot be read with certainty|as an escape"):
        tokenize(statement)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("RETURN apoc.text.join(['a'], ',')", ["apoc.text.join"]),
        ("RETURN `apoc` . /* x */ `text`.join (1)", ["apoc.text.join"]),
        ("RETURN a\\u0070oc.text.join(1)", ["apoc.text.join"]),
        ("RETURN `apoc.text.join`(1)", ["apoc.text.join"]),
        ("CALL dbms.listConfig", ["dbms.listConfig"]),
        ("CALL dbms.listConfig YIELD name RETURN name", ["dbms.listConfig"]),
        ("OPTIONAL CALL `dbms`.listConfig()", ["dbms.listConfig", "dbms.listConfig"]),
        ("RETURN s'{a.b(1)}'", ["a.b"]),
        ("RETURN 1 .b(1)", ["?.b"]),
        ("RETURN size([1])", []),
        ("RETURN [1, 2][0..size([1])]", []),
        ("MATCH (n) WHERE n.x IN (n.y) AND n.z XOR (n.w) RETURN n", []),
        ("RETURN 'a.b(1)' /* a.b(1) */ // a.b(1)", []),
        ("WITH 1 AS call RETURN call.name, call + 1", []),
    ],
)
def test_names_that_are_called(statement: str, expected: list[str]) -> None:
    assert dotted_calls(tokenize(statement)) == expected


@pytest.mark.parametrize(
    "piece", ["/*", "/**/", "//", "'", "`", "``", "s'{", "{", "a.", "a.(", "\\u0041", "\\\\u00", "1.", "x", "$", "a$"]
)
def test_time_is_in_proportion_to_length(piece: str) -> None:
    statement = piece * (200_000 // len(piece))
    started = time.thread_time()  # other processes do not count
    with contextlib.suppress(NotReadOnly):
        dotted_calls(tokenize(statement))
    assert time.thread_time() - started < 5
