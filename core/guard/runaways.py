"""Statements that are known to run away: what they do cannot be ended by the database, or takes all of its memory.

The database looks seldom, or never, whether it was told to stop while it evaluates a list comprehension, a predicate
over a list or a regular expression, and counts little of the memory that they take: docs/guard.md has what was
measured. So what their text and parameters show to be endless is refused: a comprehension over a giant range, a
reduce() that doubles a text or list with every item, and a pattern whose repetitions are nested. A list whose length
only the graph knows is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.guard.lexer import Token

__all__ = ["Endless", "Loop", "endless"]

MOST_ITEMS = 2_000_000
"""Items that comprehensions may go through, nested ones multiplied: some seconds of one processor, some 100 MB."""

_OVER_A_LIST = frozenset({"any", "all", "none", "single", "foreach"})

_ENDS_A_SUM = ("case", "when", "then", "else", "end", "and", "or", "xor", "not", "in", "is")

_NUMBER = re.compile(r"[0-9][0-9_]*|0x[0-9A-Fa-f_]+|0o[0-7_]+")

_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


@dataclass(frozen=True, slots=True)
class Loop:
    """One comprehension over ``range()``: its bounds and step, numbers or names of parameters, and how many brackets
    surround it; ``inside`` is the loop in whose brackets it stands.
    """

    bounds: tuple[int | str, ...]
    inside: Loop | None = None

    def items(self, parameters: Mapping[str, Any]) -> int:
        """How many items it goes through, with those of the loops around it; 1 where that is not known."""
        around = 1 if self.inside is None else self.inside.items(parameters)
        values = [parameters.get(bound) if isinstance(bound, str) else bound for bound in self.bounds]
        numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        if len(numbers) != len(values):
            return around
        first, last, step = (*numbers, 1)[:3]
        return around * max(1, (last - first) // step + 1) if step else around


@dataclass(frozen=True, slots=True)
class Endless:
    """What of a statement may not end: its loops, whether one doubles what it has, and its patterns, literal ones and
    names of parameters.
    """

    loops: tuple[Loop, ...] = ()
    doubles: bool = False
    patterns: tuple[str, ...] = ()
    pattern_parameters: tuple[str, ...] = ()

    def refusal(self, parameters: Mapping[str, Any]) -> str | None:
        """Why the statement is refused with ``parameters``, as the agent will read it; None if it ends."""
        worst = max((loop.items(parameters) for loop in self.loops), default=0)
        if worst > MOST_ITEMS:
            return (
                f"A list comprehension, predicate or reduce() of the statement would go through {worst} items, and the "
                f"database cannot be stopped while it does; at most {MOST_ITEMS} are accepted, so it was not run. "
                "UNWIND the range instead, or take a smaller one."
            )
        if self.doubles:
            return (
                "A reduce() of the statement adds the text or list that it has to itself, so it doubles with every "
                "item and soon fills the memory of the database; it was not run. Add each item once."
            )
        given = (parameters.get(name) for name in self.pattern_parameters)
        patterns = (*self.patterns, *(value for value in given if isinstance(value, str)))
        if any(_repeats_a_repetition(pattern) for pattern in patterns):
            return (
                "A pattern after =~ repeats a repetition, such as (a+)+, which can keep the database busy for hours, "
                "so the statement was not run. Write the pattern without the outer or the inner repetition."
            )
        return None


def endless(tokens: Sequence[Token]) -> Endless:
    """What of the statement of these ``tokens`` may not end.

    A repetition within a repetition, ``(a+)+``, can take time that doubles with every character.
    Source: https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS .
    """
    patterns, names = [], []
    for index in range(len(tokens) - 2):
        if tokens[index].is_symbol("=") and tokens[index + 1].is_symbol("~"):
            after = tokens[index + 2]
            if after.kind == "string":
                # In the text of a string literal a backslash is written twice.
                patterns.append(after.text.replace("\\\\", "\\"))
            elif after.is_symbol("$") and index + 3 < len(tokens):
                names.append(tokens[index + 3].text)
    return Endless(tuple(_loops(tokens)), _doubles(tokens), tuple(patterns), tuple(names))


def _doubles(tokens: Sequence[Token]) -> bool:
    """Whether a reduce() adds what it has to itself. One that begins with a number cannot fill the memory."""
    return any(
        token.is_word("reduce")
        and tokens[index + 1].is_symbol("(")
        and tokens[index + 3].is_symbol("=")
        and tokens[index + 4].kind != "number"
        and _adds_to_itself(tokens, index + 2)
        for index, token in enumerate(tokens[:-5])
    )


def _adds_to_itself(tokens: Sequence[Token], at: int) -> bool:
    """Whether the variable at ``at``, a reduce()'s, stands twice in one sum, such as ``s + ',' + s``."""
    variable, depth, times, plus = tokens[at].text, 1, 0, False
    for token in tokens[at + 1 :]:
        if token.kind == "symbol":
            depth += _BRACKETS.get(token.text, 0)
            if depth == 0:
                break
        if token.is_symbol("+"):
            plus = True
        elif token.kind in ("name", "quoted") and token.text == variable:
            times += 1
        elif token.is_symbol(",", "|", "=", "<", ">") or token.is_word(*_ENDS_A_SUM):
            times, plus = 0, False
        if plus and times > 1:
            return True
    return False


def _loops(tokens: Sequence[Token]) -> list[Loop]:
    """Every comprehension, predicate over a list or reduce() of ``tokens`` that goes through a ``range()``."""
    found: list[Loop] = []
    around: list[tuple[int, Loop]] = []  # the loops whose brackets are open, and at what depth they opened
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "symbol":
            depth += _BRACKETS.get(token.text, 0)
            while around and depth < around[-1][0]:
                around.pop()
        elif token.is_word("in") and _is_loop(tokens, index):
            bounds = _range_after(tokens, index)
            if bounds:
                loop = Loop(bounds, around[-1][1] if around else None)
                found.append(loop)
                around.append((depth, loop))
    return found


def _is_loop(tokens: Sequence[Token], index: int) -> bool:
    """Whether the IN at ``index`` follows the variable of a loop: ``[x IN``, ``any(x IN``, ``reduce(a = 0, x IN``."""
    before = tokens[index - 2] if index >= 2 else None
    if before is None or tokens[index - 1].kind not in ("name", "quoted"):
        return False
    if before.is_symbol("[", ","):
        return True
    return before.is_symbol("(") and index >= 3 and tokens[index - 3].is_word(*_OVER_A_LIST)


def _range_after(tokens: Sequence[Token], index: int) -> tuple[int | str, ...]:
    """The bounds and the step of the ``range()`` that follows ``index``; none if another list does."""
    if index + 2 >= len(tokens) or not tokens[index + 1].is_word("range") or not tokens[index + 2].is_symbol("("):
        return ()
    bounds: list[int | str] = []
    at = index + 3
    while at < len(tokens):
        negative = tokens[at].is_symbol("-")
        at += negative
        if at + 1 >= len(tokens):
            return ()
        if tokens[at].is_symbol("$"):
            at += 1
            bound: int | str = tokens[at].text
        elif tokens[at].kind == "number" and _NUMBER.fullmatch(tokens[at].text):
            bound = _integer(tokens[at].text)
            bound = -bound if negative else bound
        else:
            return ()
        bounds.append(bound)
        at += 1
        if at < len(tokens) and tokens[at].is_symbol(","):
            at += 1
            continue
        return tuple(bounds) if at < len(tokens) and tokens[at].is_symbol(")") and len(bounds) in (2, 3) else ()
    return ()


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    base = {"0x": 16, "0o": 8}.get(digits[:2].lower(), 10)
    return int(digits, base)


_REPETITION = re.compile(r"[*+]|\{\d+,\}")


def _repeats_a_repetition(pattern: str) -> bool:
    open_groups = [False]  # whether the group, the innermost last, has a repetition without an upper limit in it
    closed: bool | None = None  # of the group that has just ended
    at = 0
    while at < len(pattern):
        character = pattern[at]
        repetition = _REPETITION.match(pattern, at)
        if character == "\\":
            at, closed = at + 2, None
        elif character == "[":
            end = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL).match(pattern, at)
            at, closed = (end.end() if end else len(pattern)), None
        elif character == "(":
            open_groups.append(False)
            at, closed = at + 1, None
        elif character == ")" and len(open_groups) > 1:
            closed = open_groups.pop()
            open_groups[-1] = open_groups[-1] or closed
            at += 1
        elif repetition:
            if closed:
                return True
            open_groups[-1] = True
            at, closed = repetition.end(), None
        else:
            at, closed = at + 1, None
    return False
