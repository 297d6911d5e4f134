"""Where strings, comments and names begin and end, as the database reads it."""

from __future__ import annotations

import contextlib
import time
import unicodedata

import neo4j
import pytest

from core.errors import NotReadOnly
from core.guard.lexer import dotted_calls, place, tokenize


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
        "RETURN '\\u0020'",
        "RETURN '\\u0085'",
        "RETURN '\\uffff'",
        "RETURN\\u00001",
        "RETURN\\u20281",
        "RETURN\u20281",
        "RETURN\x851",
        "RETURN 1 // a\\u2028RETURN 2",
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


@pytest.mark.parametrize("space", "\u00a0\u1680\u2000\u2007\u2009\u200a\u202f\u205f\u3000")
def test_spaces_beyond_ascii_divide_words(space: str) -> None:
    assert words(f"LOAD{space}CSV") == ["LOAD", "CSV"]
    assert words(f"LOAD\\u{ord(space):04x}CSV") == ["LOAD", "CSV"]


def test_every_space_that_divides_words_here_divides_them_for_the_database(neo4j_driver: neo4j.Driver) -> None:
    for code in range(0x80, 0x10000):
        character = chr(code)
        if unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cf"):
            statement = f"CYPHER{character}25{character}RETURN{character}1"
            if _is_read(statement):
                for language in ("5", "25"):
                    text = f"CYPHER {language}{character}RETURN{character}1 AS x"
                    assert neo4j_driver.execute_query(text).records[0]["x"] == 1, hex(code)


def _is_read(statement: str) -> bool:
    try:
        return bool(tokenize(statement))
    except NotReadOnly:
        return False


@pytest.mark.parametrize("code", ["0000", "0001", "001b", "007f", "00a0", "2028", "2029", "200b", "feff", "e000"])
def test_an_escape_that_can_end_nothing_is_text(code: str) -> None:
    (_, token) = tokenize(f"RETURN 'a\\u{code}b'")
    assert (token.kind, token.text) == ("string", f"a{chr(int(code, 16))}b")


def test_tokens_know_their_place() -> None:
    statement = "MATCH (a)\n RETURN 'x'"
    token = tokenize(statement)[-1]
    assert statement[token.at : token.end] == "'x'"
    assert place(statement, token.at) == "at line 2, column 9"
    assert place("RETURN '\\u0041', x", 10) == ""


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
