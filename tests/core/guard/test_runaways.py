from __future__ import annotations

from typing import Any

import pytest

from core.guard.lexer import tokenize
from core.guard.runaways import MOST_ITEMS, endless


def refusal(statement: str, **parameters: Any) -> str | None:
    return endless(tokenize(statement)).refusal(parameters)


@pytest.mark.parametrize(
    "statement",
    [
        "RETURN any(x IN range(1,100000000000) WHERE x<0)",
        "RETURN size([x IN range(1,100000000) | toString(x)+'aaaaaaaaaaaaaaaaaaaaaaaaa'])",
        "RETURN [x in RANGE ( 0 , 1_000_000_000 ) | x]",
        "RETURN all(`x` IN range(-100000000, -1) WHERE true)",
        "RETURN reduce(total = 0, x IN range(0x0, 0xFFFFFFF) | total + x)",
        "RETURN [x IN range(1, 5000) | [y IN range(1, 5000) | x * y]]",
        "RETURN none(x IN range(1, 3000) WHERE any(y IN range(1, 3000) WHERE x = y))",
        "RETURN [x IN range(100000000, 1, -1) | x]",
        "MATCH (n) RETURN [x IN range(1, 100000000) /* a comment */ | x][0]",
        "FOREACH (x IN range(1, 100000000) | CREATE (:N))",
    ],
)
def test_a_loop_over_a_giant_range_is_refused(statement: str) -> None:
    assert "UNWIND the range instead" in (refusal(statement) or "")


@pytest.mark.parametrize(
    "statement",
    [
        "RETURN size(reduce(s = 'a', x IN range(1, 40) | s + s))",
        "RETURN reduce(s = '', x IN $names | s + ',' + x + s)",
        "RETURN reduce(l = [1], x IN [1, 2] | l + (l))",
        "RETURN reduce(`s` = $t, x IN range(1, 40) | CASE WHEN x > 1 THEN `s` + toUpper(`s`) ELSE `s` END)",
        "MATCH (n) WITH n.name AS t RETURN REDUCE ( s = t , x IN range(1, 40) | (s) + (s) )",
    ],
)
def test_a_reduce_that_doubles_what_it_has_is_refused(statement: str) -> None:
    assert "doubles with every item" in (refusal(statement) or "")


@pytest.mark.parametrize(
    "statement",
    [
        "RETURN reduce(s = '', x IN $names | s + ', ' + x)",
        "RETURN reduce(s = '', x IN $names | s + CASE WHEN s = '' THEN x ELSE ', ' + x END)",
        "RETURN reduce(l = [], x IN $names | CASE WHEN x IN l THEN l ELSE l + x END)",
        "RETURN reduce(total = 0.0, x IN $numbers | total + total * x)",
        "RETURN reduce(m = $first, x IN $numbers | CASE WHEN x > m THEN x ELSE m END)",
        "MATCH (s) RETURN s.a + s.b, reduce(t = '', x IN s.l | t + x) + s.c",
    ],
)
def test_a_reduce_that_adds_each_item_once_is_not(statement: str) -> None:
    assert refusal(statement) is None


def test_the_same_range_by_parameters_is_refused_with_these_parameters_only() -> None:
    statement = "RETURN size([x IN range($first, $last, $step) | x])"
    assert refusal(statement, first=1, last=10**9, step=1) is not None
    assert refusal(statement, first=1, last=10**9, step=10**6) is None
    assert refusal(statement, first=1, last=10, step=0) is None
    assert refusal(statement) is None
    assert refusal(statement, first=1, last="many", step=True) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UNWIND range(1, 1000000000) AS x RETURN count(x)",
        "MATCH (n) WHERE n.year IN range(1, 1000000000) RETURN n",
        "MATCH (n) WHERE (n.year IN range(1, 1000000000)) RETURN n",
        "RETURN size(range(1, 1000000000))",
        "RETURN [x IN range(1, 1000) | x], [y IN range(1, 1000000) | y]",
        f"RETURN [x IN range(1, {MOST_ITEMS}) | x]",
        "RETURN [x IN nodes | x], 'any(x IN range(1, 100000000000) WHERE x < 0)'",
        "MATCH (any) WHERE any.x = 1 RETURN [x IN range(1, size(any.list)) | x]",
        "RETURN [x IN range(1, 10",
    ],
)
def test_what_ends_is_let_pass(statement: str) -> None:
    assert refusal(statement) is None


@pytest.mark.parametrize("pattern", ["(a+)+b", "([a-z]+)*", r"(\\w+\\s?)*x", "((ab*)c?)+", "(x{2,})*", "(?:a|b+)+"])
def test_a_pattern_that_repeats_a_repetition_is_refused_as_text_and_as_a_parameter(pattern: str) -> None:
    assert "repeats a repetition" in (refusal(f"MATCH (n) WHERE n.name =~ '{pattern}' RETURN n") or "")
    assert refusal("MATCH (n) WHERE n.name =~ $pattern RETURN n", pattern=pattern.replace("\\\\", "\\")) is not None


@pytest.mark.parametrize(
    "pattern", [".*foo.*", "(?i).*a(b|c)+.*", "(a{1,3})+", r"\\(a+\\)+", "[(a+)]+", "(ab)+c*", "a+", "(", "[", r"\\"]
)
def test_an_ordinary_pattern_is_let_pass(pattern: str) -> None:
    assert refusal("MATCH (n) WHERE n.name =~ $pattern RETURN n", pattern=pattern.replace("\\\\", "\\")) is None
