r"""The lexical structure of a Cypher statement: enough to know which names it calls and which commands it contains.

Not a parser. It finds where comments, strings and quoted names begin and end, exactly as the database does, so code is
never taken for text, nor text for code. Where the database's own reading could differ, the statement is refused: this
lexer does not guess.

Sources: the lexers of Neo4j itself, ``Cypher25Lexer.g4`` and ``UnicodeEscapeReplacementReader`` in
https://github.com/neo4j/neo4j, with which this one was compared token by token, and
https://neo4j.com/docs/cypher-manual/current/syntax/parsing/ . What follows from them:

* ``\uXXXX`` is decoded before anything else is read, in strings, names, comments and between them. The server's decoder
  accepts more than the usual hexadecimal digits: ``\u+027`` is a quote, and so is ``\u００27``.
* A ``//`` comment ends at a carriage return, too. A ``/*`` that is not closed is not a comment.
* A ``$`` within a word is part of it in Cypher 5, and begins a parameter in Cypher 25.
* Cypher 25 has strings with code in them: ``s'{ … }'`` computes what stands in the braces.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from core.errors import NotReadOnly

__all__ = ["Token", "dotted_calls", "place", "tokenize"]


@dataclass(frozen=True, slots=True)
class Token:
    """One lexical unit. ``text`` of a name or quoted name is the name itself, unquoted; of a string what stands
    between its quotes, as it is written. ``at`` and ``end`` are its place in the statement, its escapes decoded."""

    kind: Literal["name", "quoted", "string", "number", "symbol"]
    text: str
    at: int = field(default=-1, compare=False)
    end: int = field(default=-1, compare=False)

    def is_word(self, *words: str) -> bool:
        """Whether this is one of the keywords ``words`` (lower case), written without quotes."""
        return self.kind == "name" and self.text.lower() in words

    def is_symbol(self, *symbols: str) -> bool:
        """Whether this is one of ``symbols``."""
        return self.kind == "symbol" and self.text in symbols


_ESCAPE = re.compile(r"\\(?P<high>u[Dd][89ABab]..\\u[Dd][C-Fc-f]..)|\\u(?P<unit>.{0,4})|\\(?P<other>.)", re.DOTALL)
"""What a backslash begins. A backslash after a backslash begins nothing, so the two are taken together."""

_FOUR_DIGITS = re.compile(r"[0-9A-Fa-f]{4}")

_MAY_BE_DIGITS = re.compile(r"u(?:[0-9A-Fa-f+\-]|[^\x00-\x7f]){4}")
"""What a more lenient reader could take for an escape."""

_SHIFTS_BOUNDARIES = frozenset("'\"`\\/*{}().:;$ \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\ufffe\uffff")
"""Characters that must not be written as an escape: they could end a string or a comment, or join two tokens.

Others, such as ``\\u0000``, end nothing inside of a string; outside of one they are refused as they are.
"""

_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
"""Spaces beyond ASCII that every reader of Neo4j takes for a space, in Cypher 5 and 25 and before the first clause."""

_LINE_ENDS = frozenset("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
"""Characters that some readers take for the end of a line, and so of a ``//`` comment, besides the line feed."""

_TOKEN = re.compile(
    rf"""
      (?P<space>[ \t\n{_SPACES}]+|\r\n)
    | (?P<comment>//[^\n]*|/\*.*?\*/)
    | (?P<open>/\*)
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<interpolated>[sS]['"])
    | (?P<quoted>`(?:[^`]|``)*`)
    | (?P<joined>\w++\$)
    | (?P<number>\d\w*(?:\.\d\w*)?)
    | (?P<name>[^\W\d]\w*)
    | (?P<symbol>\.\.|[!\#$%&()*+,\-./:;<=>?@\[\]^{{|}}~])
    """,
    re.VERBOSE | re.DOTALL,
)

_UNCERTAIN = {"open": "a comment that is not closed", "joined": "a $ that touches the word before it"}

_NOT_CLOSED = {"'": "a ' that is not closed", '"': 'a " that is not closed', "`": "a ` that is not closed"}

_INSTEAD = {
    **dict.fromkeys("‘’‚‛′", "Write ' instead."),
    **dict.fromkeys("“”„‟″«»", "Write \" or ' instead."),
    **dict.fromkeys("‐‑‒–—―−", "Write - instead."),
    "\\": "A backslash belongs inside of a string: leave it out, and write a line break as a plain line break.",
    "…": "Write .. instead, or leave it out.",
    "→": "Write -> instead.",
    "←": "Write <- instead.",
    "≤": "Write <= instead.",
    "≥": "Write >= instead.",
    "≠": "Write <> instead.",
    "×": "Write * instead.",
    "÷": "Write / instead.",
}
"""What to write in place of characters that word processors and models put where Cypher has another."""

_TEXT = {quote: re.compile(rf"(?:[^{quote}\\{{}}]|\\.)*", re.DOTALL) for quote in "'\""}
"""The text of an interpolated string, up to its end or to code in braces."""


def tokenize(statement: str) -> list[Token]:
    """The tokens of ``statement``, without comments and white space. The time is proportional to the length.

    Code inside an interpolated string counts like any other code in braces.

    Raises:
        NotReadOnly: It holds something that cannot be read with certainty: an escape that stands for a quote or so,
            a quote or comment that does not end, a control character or unusual white space outside of a string.
    """
    text = _decode_escapes(statement)
    tokens: list[Token] = []
    inside = [""]  # code ("") or an interpolated string (its quote); the innermost is last
    position = 0
    while position < len(text):
        if inside[-1]:
            position = _read_interpolated(text, position, inside, tokens)
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            _refuse_character(statement, text, position)
        if match.lastgroup in _UNCERTAIN:
            _refuse_uncertain(f"{_UNCERTAIN[match.lastgroup]}{_place(statement, text, position)}")
        position = match.end()
        kind, found = match.lastgroup, match.group()
        if kind == "comment" and found.startswith("//") and not _LINE_ENDS.isdisjoint(found.removesuffix("\r")):
            _refuse_uncertain("an unusual line end in a comment")
        if kind == "interpolated":
            inside.append(found[1])
        elif found == "{":
            inside.append("")
        elif found == "}" and len(inside) > 1:
            inside.pop()
        if kind not in ("space", "comment"):
            tokens.append(_token(kind, found, match.start(), position))
    if any(inside):
        _refuse_uncertain(_NOT_CLOSED[next(quote for quote in inside if quote)])
    return tokens


def place(statement: str, at: int) -> str:
    """The place of a token that begins ``at``, such as ``at line 1, column 8``; empty if escapes hide where it is."""
    return _place(statement, "" if "\\u" in statement else statement, at).lstrip()


def _place(statement: str, text: str, at: int) -> str:
    if text != statement:
        return ""
    return f" at line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


def _token(kind: str | None, found: str, at: int, end: int) -> Token:
    match kind:
        case "name" | "number" | "symbol":
            return Token(kind, found, at, end)
        case "quoted":
            return Token(kind, found[1:-1].replace("``", "`"), at, end)
    return Token("string", found[1:-1], at, end)


def _read_interpolated(text: str, position: int, inside: list[str], tokens: list[Token]) -> int:
    """Read on in an interpolated string, to its end or into its next code; returns the position after that."""
    quote = inside[-1]
    match = _TEXT[quote].match(text, position)
    end = match.end() if match else position
    found = text[end : end + 1]
    if found == quote:
        inside.pop()
    elif found == "{":
        inside.append("")
        tokens.append(Token("symbol", "{", end, end + 1))
    else:
        _refuse_uncertain(f"a {found} in a text with code in it" if found else _NOT_CLOSED[quote])
    return end + 1


def _decode_escapes(statement: str) -> str:
    r"""``statement`` with ``\uXXXX`` decoded.

    Raises `NotReadOnly` for an escape that can be read in two ways, for one of a character that could end something,
    and for half a character.
    """
    text = _ESCAPE.sub(_decoded, statement)
    if any("\ud800" <= character <= "\udfff" for character in text):
        _refuse_uncertain("half of a surrogate pair")
    return text


def _decoded(match: re.Match[str]) -> str:
    whole, pair, unit = match.group(), match.group("high"), match.group("unit")
    if pair is not None and _FOUR_DIGITS.fullmatch(pair, 1, 5) and _FOUR_DIGITS.fullmatch(pair, 7, 11):
        character = chr(0x10000 + ((int(pair[1:5], 16) & 0x3FF) << 10) + (int(pair[7:11], 16) & 0x3FF))
    elif pair is None and unit is not None and _FOUR_DIGITS.fullmatch(unit):
        character = chr(int(unit, 16))
    elif pair is not None or unit is not None:
        _refuse_uncertain("a \\u that four hexadecimal digits do not follow")
    else:
        if whole == "\\\\":
            _require_no_second_reading(match.string, match.end())
        return whole
    if character in _SHIFTS_BOUNDARIES:
        raise NotReadOnly(_escaped(character))
    return character


def _require_no_second_reading(text: str, position: int) -> None:
    r"""Refuse ``\\uXXXX`` if it matters whether a reader takes its second backslash for the start of an escape."""
    if _MAY_BE_DIGITS.match(text, position):
        digits = text[position + 1 : position + 5]
        if not _FOUR_DIGITS.fullmatch(digits):
            _refuse_uncertain("a \\u that four hexadecimal digits do not follow")
        if chr(int(digits, 16)) in _SHIFTS_BOUNDARIES:
            raise NotReadOnly(_escaped(chr(int(digits, 16))))


def _escaped(character: str) -> str:
    return (
        f"The statement writes the character U+{ord(character):04X} as an escape, which can hide what the statement "
        "does, so it was not run. Pass the text that holds it as a $parameter."
    )


def _refuse_character(statement: str, text: str, position: int) -> NoReturn:
    """Refuse the character at ``position``, outside of strings, and say what to write instead."""
    character, where = text[position], _place(statement, text, position)
    if character in _NOT_CLOSED:
        _refuse_uncertain(f"{_NOT_CLOSED[character]}, opened{where}" if where else _NOT_CLOSED[character])
    plain = unicodedata.normalize("NFKC", character)
    shown = f"{character} (U+{ord(character):04X})" if character.isprintable() else f"U+{ord(character):04X}"
    instead = _INSTEAD.get(character) or (f"Write {plain} instead." if plain.isascii() else "Leave it out.")
    raise NotReadOnly(
        f"The statement cannot be read with certainty because of the character {shown}{where}, outside of strings, so "
        f"it was not run. {instead} Pass text that holds it as a $parameter."
    )


def _refuse_uncertain(what: str) -> NoReturn:
    raise NotReadOnly(
        f"The statement cannot be read with certainty because of {what}, so it was not run. "
        "Use plain line ends, close every quote and comment, and pass unusual text as $parameters."
    )


def dotted_calls(tokens: list[Token]) -> list[str]:
    """Every name with a namespace that is called: functions and procedures such as ``apoc.text.join``.

    A call is a name before ``(`` and, parentheses or not, a name after CALL. A quoted name with a dot counts, too.
    """
    calls: list[str] = []
    for index, token in enumerate(tokens):
        if token.is_symbol("("):
            parts = _dotted_name_before(tokens, index)
        elif token.is_word("call"):
            parts = _dotted_name_after(tokens, index)
        else:
            continue
        if len(parts) > 1 or (parts and "." in parts[0]):
            calls.append(".".join(parts))
    return calls


def _dotted_name_before(tokens: list[Token], index: int) -> list[str]:
    parts: list[str] = []
    at = index - 1
    while at >= 0 and tokens[at].kind in ("name", "quoted"):
        parts.append(tokens[at].text)
        if at == 0 or not tokens[at - 1].is_symbol("."):
            return parts[::-1]
        at -= 2
    # A dot without a name before it: no valid statement has one, and no list has such a name.
    return ["?", *parts[::-1]] if parts else parts


def _dotted_name_after(tokens: list[Token], index: int) -> list[str]:
    parts: list[str] = []
    at = index + 1
    while at < len(tokens) and tokens[at].kind in ("name", "quoted"):
        parts.append(tokens[at].text)
        if at + 1 == len(tokens) or not tokens[at + 1].is_symbol("."):
            break
        at += 2
    return parts
