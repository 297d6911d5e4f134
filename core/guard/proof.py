"""What the text alone proves: that a statement only reads, so that a plan would show nothing that refuses it.

A plan costs a round trip for every new text. It is asked for wherever this proof fails, and the proof fails at anything
that is not known: it looks at where words stand, not at what a grammar makes of them.

A word that begins a clause or a command stands at the beginning, or after something that ends an expression or a
pattern: a bracket that closes, a name, a number, a string. There, only words of reading clauses are accepted. Anywhere
else an unknown word is a variable or a name, as long as what follows it is what may follow a variable: not another
name, and a bracket only if the word is a built-in function. Words of Neo4j's own acting clauses are not accepted
anywhere but as names of properties, labels and parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.guard.allow_lists import PLAIN_FUNCTIONS
from core.guard.lexer import Token

__all__ = ["proves_reading"]

_BEGIN = frozenset({"match", "optional", "unwind", "with", "return", "call"})
"""Words that may begin a statement."""

_GO_ON = frozenset(
    """
    match optional where return with unwind call yield as order by limit skip offset asc ascending desc descending
    distinct union all any none single and or xor not in is null starts ends contains case when then else end exists
    count collect reduce true false shortestpath allshortestpaths
    """.split()
)
"""Words of reading clauses and of expressions."""

_BEFORE_A_NAME = frozenset(
    """
    match where return with unwind yield as by limit skip offset distinct and or xor not in contains case when then
    else
    """.split()
)
"""Words of `_GO_ON` after which an expression or a variable begins."""

_ACTING = frozenset(
    """
    create insert merge set delete detach nodetach remove foreach load csv use show terminate drop alter grant deny
    revoke start stop enable disable deallocate reallocate rename dryrun explain profile transactions finish graph
    composite alias database user role server define let filter next for search on
    """.split()
)
"""Words of clauses and commands that act, or whose reading a plan has to tell."""

_A_NAME_FOLLOWS = frozenset({".", ":", "$", "&", "!"})
"""Symbols after which a word is the name of a property, a label, a type or a parameter."""

_AN_OPERAND_FOLLOWS = frozenset("( [ { , = < > + - * / ^ ~ | ..".split())

_UNCERTAIN = frozenset("; % # ? @".split())


def proves_reading(
    tokens: Sequence[Token], *, may_call: Callable[[str], bool], has_function: Callable[[str], bool]
) -> bool:
    """Whether these ``tokens``, in which no forbidden command was found, can only be a statement that reads.

    ``may_call`` and ``has_function`` know the procedures and the functions with a namespace that a read may call.
    """
    start = _after_options(tokens)
    if start >= len(tokens) or not tokens[start].is_word(*_BEGIN):
        return False
    return all(
        _is_known(tokens, index, may_call=may_call, has_function=has_function) for index in range(start, len(tokens))
    )


def _after_options(tokens: Sequence[Token]) -> int:
    """Where the first clause begins: after ``CYPHER 25 runtime=slotted``, whose options were looked at before."""
    index = 0
    if tokens and tokens[0].is_word("cypher"):
        index = 1
        if index < len(tokens) and tokens[index].kind == "number":
            index += 1
        while index + 2 < len(tokens) and tokens[index].kind == "name" and tokens[index + 1].is_symbol("="):
            index += 3
    return index


def _is_known(
    tokens: Sequence[Token],
    index: int,
    *,
    may_call: Callable[[str], bool],
    has_function: Callable[[str], bool],
) -> bool:
    token = tokens[index]
    if token.kind == "symbol":
        return token.text not in _UNCERTAIN
    if token.kind in ("number", "string"):
        return True
    if index and tokens[index - 1].is_symbol(*_A_NAME_FOLLOWS):
        return not _is_called(tokens, index) or _is_known_call(tokens, index, may_call, has_function)
    if token.kind == "quoted":
        return not _is_called(tokens, index)
    if token.is_word("call"):
        return _is_known_procedure(tokens, index + 1, may_call)
    if token.is_word(*_GO_ON) or (index and tokens[index - 1].is_word("call")):  # the name was looked at with CALL
        return True
    if token.is_word(*_ACTING):
        return _is_a_key(tokens, index)
    return _is_a_variable(tokens, index)


def _is_a_key(tokens: Sequence[Token], index: int) -> bool:
    """Whether the word at ``index`` is the key of a map: ``{csv: 1, load: 2}``."""
    return 0 < index < len(tokens) - 1 and tokens[index - 1].is_symbol("{", ",") and tokens[index + 1].is_symbol(":")


def _is_a_variable(tokens: Sequence[Token], index: int) -> bool:
    """Whether the unknown word at ``index`` stands where only a variable, a function or the key of a map may stand."""
    before = tokens[index - 1] if index else None
    if before is None:
        return False
    if before.kind == "symbol":
        if before.text not in _AN_OPERAND_FOLLOWS:
            return False
    elif not before.is_word(*_BEFORE_A_NAME):
        return False
    after = tokens[index + 1] if index + 1 < len(tokens) else None
    if before.is_symbol("{"):
        return after is not None and after.is_symbol(":")
    if after is None:
        return True
    if after.kind == "name":
        return after.is_word(*_GO_ON)
    if after.kind in ("quoted", "string", "number"):
        return False
    if after.is_symbol("("):
        return tokens[index].text.lower() in PLAIN_FUNCTIONS
    if after.is_symbol("{"):
        return index + 2 < len(tokens) and tokens[index + 2].is_symbol(".")
    return True


def _is_called(tokens: Sequence[Token], index: int) -> bool:
    return index + 1 < len(tokens) and tokens[index + 1].is_symbol("(")


def _is_known_call(
    tokens: Sequence[Token], index: int, may_call: Callable[[str], bool], has_function: Callable[[str], bool]
) -> bool:
    """Whether the name that ends at ``index``, before a bracket, is the end of ``a.b(`` with a known name."""
    parts = [tokens[index].text]
    at = index
    while at >= 2 and tokens[at - 1].is_symbol(".") and tokens[at - 2].kind == "name":
        at -= 2
        parts.append(tokens[at].text)
    name = ".".join(reversed(parts))
    if len(parts) < 2:
        return False
    if at and tokens[at - 1].is_word("call"):
        return may_call(name)
    return has_function(name)


def _is_known_procedure(tokens: Sequence[Token], index: int, may_call: Callable[[str], bool]) -> bool:
    """Whether what follows CALL is a subquery, or the name of a procedure that a read may call."""
    if index < len(tokens) and tokens[index].is_symbol("{", "("):
        return True
    parts = []
    while index < len(tokens) and tokens[index].kind == "name":
        parts.append(tokens[index].text)
        if index + 1 >= len(tokens) or not tokens[index + 1].is_symbol("."):
            break
        index += 2
    return len(parts) > 1 and may_call(".".join(parts))
