"""Commands that no read of the graph needs, found in a statement's tokens wherever they stand.

A plan shows them only at the top level, not inside a nested subquery expression. So this module looks for them in the
text. The tokens around a word tell a command from a variable, label or property of the same name.

Sources: the grammars ``Cypher25Parser.g4`` and ``CypherPreparser.g4`` of https://github.com/neo4j/neo4j, and
https://neo4j.com/docs/cypher-manual/current/planning-and-tuning/query-tuning/ for the options.
"""

from __future__ import annotations

import itertools
import re

from core.guard.lexer import Token, place

__all__ = ["execution_mode", "forbidden_command", "several_statements"]

_SHOWN = frozenset(
    """
    index indexes constraint constraints procedure procedures function functions
    """.split()
)
"""What SHOW may list: it is part of the schema."""

_MODIFIERS = frozenset(
    """
    all built in range fulltext text point lookup vector btree unique uniqueness node rel relationship property
    exist exists existence key type
    """.split()
)
"""Words that may stand between SHOW and what it lists."""

_AFTER_A_VARIABLE = frozenset(
    """
    as in is starts ends contains and or xor not then else end when asc ascending desc descending limit skip
    offset order return with match optional where unwind union call yield create merge set remove delete detach
    foreach filter let finish using distinct group next for insert search
    """.split()
)
"""Words that may follow a variable: where one of these follows SHOW, that SHOW is a name."""

_EXECUTION_MODES = ("explain", "profile")

_AFTER_EXPLAIN = ("plan", "scope")
"""Words that EXPLAIN takes as its own: if EXPLAIN is removed, the rest is another statement."""

_OPTIONS = frozenset(
    """
    planner runtime connectcomponentsplanner updatestrategy expressionengine operatorengine interpretedpipesfallback
    replan inferschemaparts statefulshortestplanningmode planvarexpandinto eageranalyzer parallelruntimesupport
    """.split()
)
"""Options of CYPHER that say how to plan. ``debug`` above all is left out."""

_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)?")

_NOT_COMMANDS = (
    "Leave EXPLAIN and PROFILE out, or use the tool explain-cypher to see a plan; CYPHER takes 5 or 25 and options "
    "such as runtime and planner."
)


def several_statements(statement: str, tokens: list[Token]) -> str | None:
    """What is wrong with a ``statement`` of these ``tokens`` that is more than one; None if it is one."""
    for token, after in itertools.pairwise(tokens):
        if token.is_symbol(";") and not after.is_symbol(";"):
            where = place(statement, after.at)
            return (
                f"There are several statements, and one call runs one: the second begins {where or 'after a ;'}. "
                "Nothing was run. Send each in a call of its own."
            )
    return None


def execution_mode(tokens: list[Token]) -> str | None:
    """What is wrong with the words before the first clause; None if nothing is.

    Wrong are EXPLAIN and PROFILE, and options of CYPHER that do more than say how to plan.
    """
    index = 0
    while _word(tokens, index, "cypher"):
        index += 1
        if index < len(tokens) and tokens[index].kind == "number":
            if not _VERSION.fullmatch(tokens[index].text):
                return f"The statement begins with unclear options, so it was not run. {_NOT_COMMANDS}"
            index += 1
        while index + 1 < len(tokens) and tokens[index + 1].is_symbol("="):
            if tokens[index].text.lower() not in _OPTIONS:
                return f"The statement has the option {tokens[index].text!r}, so it was not run. {_NOT_COMMANDS}"
            index += 3
    if _word(tokens, index, *_EXECUTION_MODES, *_AFTER_EXPLAIN):
        return (
            "The statement begins with EXPLAIN or PROFILE, and this tool returns rows, so it was not run. "
            "Leave the word out, or use the tool explain-cypher to see a plan."
        )
    return None


def forbidden_command(tokens: list[Token]) -> str | None:
    """What is wrong with the statement of these ``tokens``, as the agent will read it; None if nothing is."""
    opening = execution_mode(tokens)
    if opening is not None:
        return opening
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "symbol":
            depth += {"{": 1, "}": -1}.get(token.text, 0)
        elif token.kind == "name":
            refusal = _forbidden_pair(tokens, index) or _forbidden_clause(tokens, index, nested=depth > 0)
            if refusal is not None:
                return refusal
    return None


def _forbidden_pair(tokens: list[Token], index: int) -> str | None:
    """What is wrong with two adjacent words, whatever is around them: as names, they could never be neighbours."""
    if _word(tokens, index, "load") and _word(tokens, index + 1, "csv"):
        return (
            "LOAD CSV reads files and network addresses, and this tool only reads the graph, so the statement was "
            "not run. Pass the data as a $parameter and UNWIND it."
        )
    if _word(tokens, index, "terminate") and _word(tokens, index + 1, "transaction", "transactions"):
        return "TERMINATE ends the statements of others, and this tool only reads, so it was not run."
    if _word(tokens, index + 1, "transactions") and (
        _word(tokens, index, "concurrent")
        or (_word(tokens, index, "in") and index > 0 and tokens[index - 1].is_symbol("}"))
    ):
        return (
            "CALL { … } IN TRANSACTIONS opens transactions of its own; this tool runs a statement in one, so it was "
            "not run. Leave IN TRANSACTIONS out."
        )
    if _word(tokens, index, "define") and _word(tokens, index + 1, "function", "procedure"):
        return "DEFINE makes functions and procedures, which this tool does not know, so the statement was not run."
    return None


def _forbidden_clause(tokens: list[Token], index: int, *, nested: bool) -> str | None:
    """What is wrong with the word at ``index``, if it begins a clause and is not a name."""
    if _word(tokens, index, "show") and not _is_a_name(tokens, index) and not _shows_schema(tokens, index + 1):
        return (
            "SHOW is allowed for INDEXES, CONSTRAINTS, PROCEDURES and FUNCTIONS only, so the statement was not "
            "run. Write a variable of this name in backticks: `show`."
        )
    # At the top level, the plan shows them.
    if nested and _word(tokens, index, "use") and not _is_a_name(tokens, index) and _names_a_graph(tokens, index + 1):
        return (
            "USE leads to another graph, and this tool reads one database, so the statement was not run. "
            "Leave USE out. Write a variable of this name in backticks: `use`."
        )
    return None


def _word(tokens: list[Token], index: int, *words: str) -> bool:
    return index < len(tokens) and tokens[index].is_word(*words)


def _is_a_name(tokens: list[Token], index: int) -> bool:
    """Whether the word at ``index`` is a property, label, type or parameter: the token before it shows that.

    ``%``, which stands for any label, is not one of those tokens: it ends a label expression.
    """
    return index > 0 and tokens[index - 1].is_symbol(".", ":", "$", "&", "|", "!")


def _shows_schema(tokens: list[Token], start: int) -> bool:
    """Whether SHOW with what follows from ``start`` lists part of the schema, or is not a command at all."""
    if start >= len(tokens) or tokens[start].kind != "name" or tokens[start].is_word(*_AFTER_A_VARIABLE):
        return True
    for index in range(start, len(tokens)):
        if tokens[index].is_word(*_SHOWN):
            return True
        user_defined = _word(tokens, index, "user") and _word(tokens, index + 1, "defined")
        if not (tokens[index].is_word(*_MODIFIERS, "defined") or user_defined):
            return False
    return False


def _names_a_graph(tokens: list[Token], index: int) -> bool:
    if index >= len(tokens):
        return False
    token = tokens[index]
    if token.kind == "name":
        return not token.is_word(*_AFTER_A_VARIABLE)
    return token.kind == "quoted" or token.is_symbol("$", "(")
