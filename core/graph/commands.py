"""Commands that no read of the graph needs, found in a statement's tokens wherever they stand.

A plan shows them only where they stand in the open. Inside a nested subquery expression it does not, so they are looked
for in the text; a variable, label or property that is merely called like one is told from it by what stands around it.
"""

from __future__ import annotations

from core.graph.lexer import Token

__all__ = ["forbidden_command"]

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
    foreach filter let finish using distinct group
    """.split()
)
"""Words that may follow a variable: after one of these, a word before it called SHOW was a name."""

_EXECUTION_MODES = ("explain", "profile")


def forbidden_command(tokens: list[Token]) -> str | None:
    """What is wrong with the statement of these ``tokens``, as the agent will read it; None if nothing is."""
    if any(token.is_word(*_EXECUTION_MODES) for token in _leading_words(tokens)):
        return (
            "The statement begins with EXPLAIN or PROFILE, and this tool returns rows, so it was not run. "
            "Leave the word out, or use the tool explain-cypher to see a plan."
        )
    for index, token in enumerate(tokens):
        if token.kind != "name" or _is_a_name(tokens, index):
            continue
        following = tokens[index + 1 :]
        if token.is_word("load") and following and following[0].is_word("csv"):
            return (
                "LOAD CSV reads files and network addresses, and this tool only reads the graph, so the statement was "
                "not run. Pass the data as a $parameter and UNWIND it."
            )
        if token.is_word("show") and not _shows_schema(following):
            return (
                "SHOW is allowed for INDEXES, CONSTRAINTS, PROCEDURES and FUNCTIONS only, so the statement was not "
                "run. A variable called so is written in backticks: `show`."
            )
        ends = token.is_word("terminate") and following and following[0].kind == "name"
        if ends and not following[0].is_word(*_AFTER_A_VARIABLE):
            return "TERMINATE ends the statements of others, and this tool only reads, so it was not run."
        if token.is_word("use") and _begins_a_subquery(tokens, index) and _names_a_graph(following):
            return (
                "USE leads to another graph, and this tool reads one database, so the statement was not run. "
                "Leave USE out."
            )
    return None


def _leading_words(tokens: list[Token]) -> list[Token]:
    """The words before the first clause's own: EXPLAIN, PROFILE, CYPHER and its options."""
    leading: list[Token] = []
    index = 0
    while index < len(tokens):
        if tokens[index].is_word(*_EXECUTION_MODES):
            leading.append(tokens[index])
            index += 1
        elif tokens[index].is_word("cypher"):
            index += 1
            while index < len(tokens) and (tokens[index].kind == "number" or _is_option(tokens, index)):
                index += 1 if tokens[index].kind == "number" else 3
        else:
            break
    return leading


def _is_option(tokens: list[Token], index: int) -> bool:
    return index + 2 < len(tokens) and tokens[index].kind == "name" and tokens[index + 1].is_symbol("=")


def _is_a_name(tokens: list[Token], index: int) -> bool:
    """Whether the word at ``index`` is a property, label, type or parameter: what stands before it says so."""
    return index > 0 and tokens[index - 1].is_symbol(".", ":", "$", "&", "|", "!", "%")


def _shows_schema(following: list[Token]) -> bool:
    """Whether SHOW with ``following`` lists part of the schema, or is no command at all."""
    if not following or following[0].kind != "name" or following[0].is_word(*_AFTER_A_VARIABLE):
        return True
    for position, token in enumerate(following):
        if token.is_word(*_SHOWN):
            return True
        next_is_defined = any(after.is_word("defined") for after in following[position + 1 : position + 2])
        if not (token.is_word(*_MODIFIERS, "defined") or (token.is_word("user") and next_is_defined)):
            return False
    return False


def _begins_a_subquery(tokens: list[Token], index: int) -> bool:
    """Whether a query inside braces may begin at ``index``. What stands in the open, the plan shows."""
    before = tokens[index - 1] if index else None
    if before is None or not (before.is_symbol("{", "}") or before.is_word("union", "all", "distinct")):
        return False
    opened = sum(token.is_symbol("{") for token in tokens[:index])
    return opened > sum(token.is_symbol("}") for token in tokens[:index])


def _names_a_graph(following: list[Token]) -> bool:
    return bool(following) and (following[0].kind in ("name", "quoted") or following[0].is_symbol("$", "("))
