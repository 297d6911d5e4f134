"""What a tool is: its description for clients, and the function that does its work."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jsonschema
from jsonschema.protocols import Validator
from mcp_types import CallToolResult, Tool, ToolAnnotations

from core.call import Call
from core.errors import InvalidArguments
from core.tools.arguments import understood

__all__ = ["ToolDeclaration", "ToolHandler"]

ToolHandler = Callable[[Call, dict[str, Any]], Awaitable[CallToolResult]]
"""Answers one call with validated arguments. Raises `core.errors.ToolError` for what the agent should be told."""


@dataclass(frozen=True)
class ToolDeclaration:
    """One tool: its name and texts, its JSON schemas (2020-12), its annotations and its handler.

    ``annotations`` are all four hints of the specification, so that no client has to assume the cautious default.
    ``by_name_only``: a caller may use it only if a rule of the policy names it.
    """

    name: str
    title: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    annotations: ToolAnnotations
    handler: ToolHandler
    by_name_only: bool = False

    @cached_property
    def listed(self) -> Tool:
        """The entry of ``tools/list``."""
        return Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input_schema,
            output_schema=self.output_schema,
            annotations=self.annotations,
        )

    @cached_property
    def listed_without_output(self) -> Tool:
        """The same without the output schema, for answers that are text alone."""
        return self.listed.model_copy(update={"output_schema": None})

    @property
    def read_only(self) -> bool:
        """Whether it leaves the graph unchanged, so that every grant may allow it."""
        return self.annotations.read_only_hint is True

    @property
    def takes_cypher(self) -> bool:
        """Whether its ``query`` is a Cypher statement and its ``params`` the statement's parameters."""
        return "params" in self.input_schema.get("properties", {})

    @cached_property
    def _validator(self) -> Validator:
        return jsonschema.Draft202012Validator(self.input_schema)

    def understood(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """``arguments`` in the form that the input schema asks for, as far as it is clear what is meant."""
        return understood(arguments, self.input_schema)

    def validate(self, arguments: dict[str, Any]) -> None:
        """Check ``arguments`` against the input schema, as the specification requires of a server.

        Raises:
            InvalidArguments: They do not fit; the text names each argument and what is wrong with it.
        """
        found = list(itertools.islice(self._validator.iter_errors(arguments), _PROBLEMS_SHOWN + 1))
        if found:
            problems = sorted(f"{_where(error)}: {_brief(error)}" for error in found[:_PROBLEMS_SHOWN])
            more = ["and more"] if len(found) > _PROBLEMS_SHOWN else []
            known = ", ".join(self.input_schema.get("properties", {})) or "none"
            raise InvalidArguments(
                f"The arguments of {self.name} are wrong. {'; '.join(problems + more)}. It takes: {known}."
            )


_PROBLEMS_SHOWN = 5
_LONGEST_PROBLEM = 200
_LONGEST_PLACE = 60


def _where(error: jsonschema.ValidationError) -> str:
    place = ".".join(str(step) for step in error.absolute_path) or "arguments"
    return place if len(place) <= _LONGEST_PLACE else f"{place[:_LONGEST_PLACE]}…"


def _brief(error: jsonschema.ValidationError) -> str:
    """The validator's sentence; a long value in it is shortened."""
    message = error.message
    return message if len(message) <= _LONGEST_PROBLEM else f"{message[:_LONGEST_PROBLEM]}…"
