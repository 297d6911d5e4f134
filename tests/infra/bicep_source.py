"""Bicep files, read as far as that can be done without the compiler, which comes as no Python package.

pycep knows the syntax and the structure; it takes a name and a text for the same. So names are looked at here: which
are declared, and which are used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pycep import BicepParser

FUNCTIONS = frozenset(
    "cidrSubnet concat contains empty environment fail filter guid join length loadJsonContent loadTextContent map "
    "replace resourceGroup split startsWith string subscription subscriptionResourceId tenant toLower trim union "
    "uniqueString".split()
)
"""Bicep's own, as far as they are used.

Source: https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions .
"""

_KEYWORDS = frozenset("true false null if existing for in".split())

_HEAD = re.compile(
    r"^(?:(?P<typed>param|output)\s+(?P<typed_name>\w+)\s+\w+"
    r"|(?P<plain>var|resource|module|metadata)\s+(?P<plain_name>\w+)"
    r"|extension\s+\w+"
    r"|targetScope)",
    re.MULTILINE,
)
_OWN = re.compile(r"\b(\w+)\s*=>|\bfor\s+(\w+)\s+in\b")
"""What a lambda or a loop names for itself."""

_KEY = re.compile(r"(?:^|[{,])\s*\w+\s*:", re.MULTILINE)
_NAME = re.compile(r"(?<![\w.@])[A-Za-z_]\w*")


@cache
def _parser() -> BicepParser:
    """One for the whole process: to make one takes half a second."""
    return BicepParser(cache=False)


def code_of(text: str) -> str:
    """``text`` without comments and without what stands in quotes, save the expressions in ``${…}``."""
    code: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith("//", at):
            at = _end(text, "\n", at)
        elif text[at] == "'":
            at = _quoted(text, at + 1, code)
        else:
            code.append(text[at])
            at += 1
    return "".join(code)


def _end(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found


def _quoted(text: str, at: int, code: list[str]) -> int:
    code.append("''")
    while text[at] != "'":
        if text[at] == "\\":
            at += 2
        elif text.startswith("${", at):
            close = _end(text, "}", at)
            code.append(f" {code_of(text[at + 2 : close])} ")
            at = close + 1
        else:
            at += 1
    return at + 1


@dataclass(frozen=True)
class Source:
    """One Bicep file."""

    text: str
    path: Path = field(default_factory=Path)

    @classmethod
    def read(cls, path: Path) -> Source:
        return cls(path.read_text(), path)

    @cached_property
    def parsed(self) -> dict[str, Any]:
        """What pycep makes of it.

        Raises:
            lark.exceptions.LarkError: Its syntax is wrong.
        """
        parsed: Any = _parser().parse(text=self.text)
        return dict(parsed)

    def part(self, name: str) -> dict[str, Any]:
        return dict(self.parsed.get(name, {}))

    @cached_property
    def code(self) -> str:
        return code_of(self.text)

    @cached_property
    def declared(self) -> dict[str, str]:
        """What this file declares and may use: the name, and whether it is a param, a var, a resource or a module."""
        heads = (
            match for match in _HEAD.finditer(self.code) if match["typed"] != "output" and match["plain"] != "metadata"
        )
        return {
            match["typed_name"] or match["plain_name"]: match["typed"] or match["plain"]
            for match in heads
            if match["typed"] or match["plain"]
        }

    @cached_property
    def used(self) -> set[str]:
        """Every name that is used where a value stands, Bicep's own functions among them."""
        values = _KEY.sub("", _HEAD.sub("", self.code))
        own = {name for found in _OWN.findall(values) for name in found}
        return set(_NAME.findall(values)) - _KEYWORDS - own

    @property
    def undeclared(self) -> set[str]:
        return self.used - set(self.declared) - FUNCTIONS

    def resources(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of the resources of a type."""
        resources = self.part("resources").values()
        return [body_of(each) for each in resources if each["type"] == kind and not each["existing"]]


def body_of(declaration: dict[str, Any]) -> dict[str, Any]:
    """The body of a resource or module, also of one that is deployed on a condition only."""
    config = declaration["config"]
    return dict(config["config"] if "condition" in config else config)
