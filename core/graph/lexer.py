"""The lexical structure of a Cypher statement: enough to know which names it calls and which commands it gives.

Not a parser. It finds where comments, strings and quoted names begin and end, exactly as the database does, so that
nothing that runs is taken for text and nothing that is text for something that runs. Where the database's own reading
could differ, the statement is refused instead of guessed at.

Source: https://neo4j.com/docs/cypher-manual/current/syntax/parsing/ and .../syntax/naming/ ; that ``\\uXXXX`` is
decoded before anything else is read, in Cypher 5 and 25 alike, was seen on the database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from core.errors import NotReadOnly

__all__ = ["Token", "dotted_calls", "tokenize"]


@dataclass(frozen=True, slots=True)
class Token:
    """One lexical unit. ``text`` of a name or quoted name is the name itself, unquoted; of a string it is empty."""

    kind: Literal["name", "quoted", "string", "number", "symbol"]
    text: str

    def is_word(self, *words: str) -> bool:
        """Whether this is one of the keywords ``words`` (lower case), written without quotes."""
        return self.kind == "name" and self.text.lower() in words

    def is_symbol(self, *symbols: str) -> bool:
        """Whether this is one of ``symbols``."""
        return self.kind == "symbol" and self.text in symbols


_UNICODE_ESCAPE = re.compile(r"\\u+([0-9A-Fa-f]{4})")

_SHIFTS_BOUNDARIES = frozenset("'\"`\\/*\n\r{}().:;$") | frozenset(map(chr, range(0x20)))
"""Characters that must not be written as an escape: they could end a string or a comment, or join two tokens."""

_LINE_ENDS = frozenset("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
"""Characters that some take for the end of a line, and so of a ``//`` comment, besides the line feed."""

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\n]+|\r\n)
    | (?P<comment>//[^\n]*|/\*.*?\*/)
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<quoted>`(?:[^`]|``)*`)
    | (?P<number>\d\w*(?:\.\d\w*)?)
    | (?P<name>[^\W\d]\w*)
    | (?P<symbol>[!\#$%&()*+,\-./:;<=>?@\[\]^{|}~])
    """,
    re.VERBOSE | re.DOTALL,
)


def tokenize(statement: str) -> list[Token]:
    """The tokens of ``statement``, comments and white space left out.

    Raises:
        NotReadOnly: It holds something whose reading is not certain: an escape that stands for a quote or the like,
            a quote or comment that does not end, a control character or unusual white space outside of a string.
    """
    text = _decode_escapes(statement)
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotReadOnly(_uncertain(text[position]))
        position = match.end()
        kind, found = match.lastgroup, match.group()
        if kind == "comment" and found.startswith("//") and _LINE_ENDS & set(found.removesuffix("\r")):
            raise NotReadOnly(_uncertain("an unusual line end in a comment"))
        if kind == "name":
            tokens.append(Token("name", found))
        elif kind == "quoted":
            tokens.append(Token("quoted", found[1:-1].replace("``", "`")))
        elif kind == "string":
            tokens.append(Token("string", ""))
        elif kind == "number":
            tokens.append(Token("number", found))
        elif kind == "symbol":
            tokens.append(Token("symbol", found))
    return tokens


def _decode_escapes(statement: str) -> str:
    def decoded(match: re.Match[str]) -> str:
        character = chr(int(match.group(1), 16))
        if character in _SHIFTS_BOUNDARIES or character.isspace() or not character.isprintable():
            raise NotReadOnly(
                f"The statement writes the character U+{match.group(1).upper()} as an escape, which can hide what the "
                "statement does, so it was not run. Pass the text that holds it as a $parameter."
            )
        return character

    return _UNICODE_ESCAPE.sub(decoded, statement)


def _uncertain(what: str) -> str:
    shown = what if what.isprintable() else f"U+{ord(what[0]):04X}" if len(what) == 1 else what
    hint = {"'": "a ' that is not closed", '"': 'a " that is not closed', "`": "a ` that is not closed"}.get(
        shown, shown
    )
    return (
        f"The statement cannot be read with certainty because of {hint}, so it was not run. "
        "Use plain spaces and line ends, close every quote and comment, and pass unusual text as $parameters."
    )


def dotted_calls(tokens: list[Token]) -> list[str]:
    """Every name with a namespace that is followed by ``(``: functions and procedures such as ``apoc.text.join``."""
    calls: list[str] = []
    for index, token in enumerate(tokens):
        if token.is_symbol("("):
            parts = _dotted_name_before(tokens, index)
            if len(parts) > 1:
                calls.append(".".join(parts))
    return calls


def _dotted_name_before(tokens: list[Token], index: int) -> list[str]:
    parts: list[str] = []
    at = index - 1
    while at >= 0 and tokens[at].kind in ("name", "quoted"):
        parts.insert(0, tokens[at].text)
        if at == 0 or not tokens[at - 1].is_symbol("."):
            return parts
        at -= 2
    # A dot with no name before it: nothing valid looks so, and no list has a name like this.
    return ["?", *parts] if parts else parts
