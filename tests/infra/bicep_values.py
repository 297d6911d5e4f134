"""Values of Bicep's expressions: what Resource Manager would make of a file's parameters and variables.

Only as much of the language as `infra` uses, for there is no compiler here: texts with ``${…}`` in them, arrays,
objects, calls, lambdas, ``?:``, ``&&``, ``||``, ``==``, ``!=``, ``+``, ``!`` and member access. Names are looked up
when they are needed, as Resource Manager does.

Source: https://learn.microsoft.com/azure/azure-resource-manager/bicep/operators .
"""

from __future__ import annotations

import functools
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.infra.bicep_source import Source

__all__ = ["Failed", "Template"]


class Failed(Exception):
    """Resource Manager refuses the deployment; the text is the reason."""


_TOKEN = re.compile(r"\s*(?://[^\n]*\n\s*)*(?P<token>[A-Za-z_]\w*|\d+|&&|\|\||==|!=|=>|[?:!.,+()\[\]{}'])")

_DECLARATION = re.compile(
    r"^(?:param (?P<param>\w+) \w+(?: = (?P<default>.+?))?|var (?P<var>\w+) = (?P<value>.+?))$"
    r"(?=\n*(?:\n@|\nparam |\nvar |\nresource |\nmodule |\noutput |\n//|\n\n|\Z))",
    re.MULTILINE | re.DOTALL,
)


@functools.cache
def _read(path: Path) -> Source:
    return Source.read(path)


class Template:
    """One file, with ``given`` for its parameters; ``known`` are names whose values come from elsewhere.

    Raises:
        Failed: A parameter is missing, or its decorators do not allow its value.
    """

    def __init__(self, path: Path, given: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> None:
        self._source = _read(path)
        self._folder = path.parent
        self._texts: dict[str, str] = {}
        self._values: dict[str, Any] = dict(known or {})
        parameters = self._source.part("parameters")
        for name in given:
            if name not in parameters:
                raise Failed(f"there is no parameter {name}")
        for found in _DECLARATION.finditer(self._source.text):
            name = found["param"] or found["var"]
            text = found["default"] if found["param"] else found["value"]
            if found["param"] and name in given:
                self._values[name] = given[name]
            elif text is not None:
                self._texts[name] = text
            else:
                raise Failed(f"the parameter {name} has no value")
        for name, parameter in parameters.items():
            _check(name, self.value(name), parameter)

    def value(self, name: str) -> Any:
        """The value of a parameter or a variable.

        Raises:
            Failed: An expression that it needs fails.
        """
        if name not in self._values:
            if name not in self._texts:
                raise Failed(f"the name {name} does not exist")
            self._values[name] = self.evaluated(self._texts[name])
        return self._values[name]

    def evaluated(self, text: str, names: Mapping[str, Any] | None = None) -> Any:
        """The value of the expression ``text``."""
        expression = _Expression(text)
        made = expression.conditional()
        return made(_Scope(self, names or {}))

    def call(self, name: str, arguments: list[Any]) -> Any:
        if name == "fail":
            raise Failed(arguments[0])
        if name in ("loadTextContent", "loadJsonContent"):
            content = (self._folder / arguments[0]).read_text()
            return content if name == "loadTextContent" else json.loads(content)
        return _FUNCTIONS[name](*arguments)


def _check(name: str, value: Any, parameter: dict[str, Any]) -> None:
    kind = {"string": str, "array": list, "object": dict, "int": int, "bool": bool}[parameter["type"]]
    if not isinstance(value, kind):
        raise Failed(f"{name} is to be of type {parameter['type']}")
    limits = {each["type"]: each.get("argument") for each in parameter["decorators"]}
    if "allowed" in limits and value not in limits["allowed"]:
        raise Failed(f"{name} is to be one of {limits['allowed']}")
    if "min_length" in limits and len(value) < limits["min_length"]:
        raise Failed(f"{name} is too short")
    if "max_length" in limits and len(value) > limits["max_length"]:
        raise Failed(f"{name} is too long")
    if "min_value" in limits and value < limits["min_value"]:
        raise Failed(f"{name} is too small")
    if "max_value" in limits and value > limits["max_value"]:
        raise Failed(f"{name} is too large")


class _Scope:
    def __init__(self, template: Template, names: Mapping[str, Any]) -> None:
        self.template, self.names = template, names

    def __getitem__(self, name: str) -> Any:
        return self.names[name] if name in self.names else self.template.value(name)

    def with_name(self, name: str, value: Any) -> _Scope:
        return _Scope(self.template, {**self.names, name: value})


_Made = Callable[[_Scope], Any]


def _constant(value: Any) -> _Made:
    return lambda scope: value


def _joined(join: Callable[[Callable[[], Any], Callable[[], Any]], Any], left: _Made, right: _Made) -> _Made:
    return lambda scope: join(lambda: left(scope), lambda: right(scope))


def _element(whole: _Made, index: _Made) -> _Made:
    return lambda scope: _indexed(whole(scope), index(scope))


class _Expression:
    """A parser by recursive descent; each method returns what computes the value."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def _peek(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        return found["token"] if found else ""

    def _take(self, *wanted: str) -> str:
        found = _TOKEN.match(self._text, self._at)
        if found is None or (wanted and found["token"] not in wanted):
            raise SyntaxError(f"expected {wanted} at {self._text[self._at : self._at + 40]!r}")
        self._at = found.end()
        return found["token"]

    def conditional(self) -> _Made:
        condition = self._either()
        if self._peek() != "?":
            return condition
        self._take("?")
        yes = self.conditional()
        self._take(":")
        no = self.conditional()
        return lambda scope: yes(scope) if condition(scope) else no(scope)

    def _either(self) -> _Made:
        left = self._both()
        while self._peek() == "||":
            self._take()
            left = _joined(lambda a, b: a() or b(), left, self._both())
        return left

    def _both(self) -> _Made:
        left = self._compared()
        while self._peek() == "&&":
            self._take()
            left = _joined(lambda a, b: a() and b(), left, self._compared())
        return left

    def _compared(self) -> _Made:
        left = self._added()
        if self._peek() not in ("==", "!="):
            return left
        equal, right = self._take() == "==", self._added()
        return lambda scope: (left(scope) == right(scope)) is equal

    def _added(self) -> _Made:
        left = self._negated()
        while self._peek() == "+":
            self._take()
            left = _joined(lambda a, b: a() + b(), left, self._negated())
        return left

    def _negated(self) -> _Made:
        if self._peek() != "!":
            return self._member()
        self._take()
        inner = self._negated()
        return lambda scope: not inner(scope)

    def _member(self) -> _Made:
        value = self._primary()
        while self._peek() in (".", "[", "!") and self._text[self._at] in ".[!":
            mark = self._take()
            if mark == "!":  # says that what stands before it is there, and does nothing
                continue
            if mark == ".":
                value = _element(value, _constant(self._take()))
            else:
                value = _element(value, self.conditional())
                self._take("]")
        return value

    def _primary(self) -> _Made:
        token = self._take()
        if token == "'":
            return self._string()
        if token == "[":
            return self._array()
        if token == "{":
            return self._object()
        if token == "(":
            inner = self.conditional()
            self._take(")")
            return inner
        if token.isdigit():
            return lambda scope: int(token)
        if token in ("true", "false", "null"):
            return lambda scope: {"true": True, "false": False, "null": None}[token]
        if self._peek() == "(" and self._text[self._at] == "(":
            return self._call(token)
        if self._peek() == "=>":
            self._take()
            body = self.conditional()
            return lambda scope: lambda value: body(scope.with_name(token, value))
        return lambda scope: scope[token]

    def _call(self, name: str) -> _Made:
        self._take("(")
        arguments: list[_Made] = []
        while self._peek() != ")":
            arguments.append(self.conditional())
            if self._peek() == ",":
                self._take()
        self._take(")")
        return lambda scope: scope.template.call(name, [each(scope) for each in arguments])

    def _array(self) -> _Made:
        items: list[_Made] = []
        while self._peek() != "]":
            items.append(self.conditional())
            if self._peek() == ",":
                self._take()
        self._take("]")
        return lambda scope: [each(scope) for each in items]

    def _object(self) -> _Made:
        items: dict[str, _Made] = {}
        while self._peek() != "}":
            key = self._take()
            self._take(":")
            items[key] = self.conditional()
            if self._peek() == ",":
                self._take()
        self._take("}")
        return lambda scope: {key: each(scope) for key, each in items.items()}

    def _string(self) -> _Made:
        parts: list[str | _Made] = [""]
        while self._text[self._at] != "'":
            if self._text[self._at] == "\\":
                escape = self._text[self._at + 1]
                parts.append({"n": "\n", "'": "'", "\\": "\\", "$": "$"}[escape])
                self._at += 2
            elif self._text.startswith("${", self._at):
                self._at += 2
                parts.append(self.conditional())
                self._take("}")
            else:
                parts.append(self._text[self._at])
                self._at += 1
        self._at += 1
        return lambda scope: "".join(part if isinstance(part, str) else _text(part(scope)) for part in parts)


def _indexed(value: Any, index: Any) -> Any:
    try:
        return value[index]
    except (IndexError, KeyError):
        raise Failed(f"there is no element {index}") from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _union(*values: Any) -> Any:
    if isinstance(values[0], dict):
        return {key: value for each in values for key, value in each.items()}
    found: list[Any] = []
    for value in (value for each in values for value in each):
        if value not in found:
            found.append(value)
    return found


def _subnet(network: str, bits: int, index: int) -> str:
    return str(list(ipaddress.ip_network(network).subnets(new_prefix=bits))[index])


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cidrSubnet": _subnet,
    "concat": lambda *arrays: [value for each in arrays for value in each],
    "contains": lambda whole, part: part in whole,
    "empty": lambda value: not value,
    "filter": lambda values, keep: [value for value in values if keep(value)],
    "join": lambda values, mark: mark.join(values),
    "length": len,
    "map": lambda values, make: [make(value) for value in values],
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda text, mark: text.split(mark),
    "startsWith": lambda text, start: text.lower().startswith(start.lower()),
    "string": _text,
    "toLower": str.lower,
    "trim": str.strip,
    "union": _union,
    "uniqueString": lambda *values: "abcdefghijklm",
    "environment": lambda: {"authentication": {"loginEndpoint": "https://login.microsoftonline.com/"}},
    "resourceGroup": lambda *named: {"id": "/subscriptions/s/resourceGroups/g", "name": "g", "location": "westeurope"},
    "subscription": lambda: {"subscriptionId": "s"},
    "tenant": lambda: {"tenantId": "0f8fad5b-d9cb-469f-a165-70867728950e"},
}
