"""``explain-cypher``: how the database would run a statement, without running it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.errors import NotReadOnly
from core.tools.advice import advised
from core.tools.answer import cut, success, within_bytes
from core.tools.declaration import ToolDeclaration
from core.tools.warnings import WARNINGS, useful_warnings
from core.values.parameters import check_parameters, check_statement

__all__ = ["EXPLAIN_CYPHER"]

_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "minLength": 1, "description": "One Cypher statement. It is planned, not run."},
        "params": {
            "type": "object",
            "description": "The values of the statement's $parameters, by name; they may be left out.",
            "additionalProperties": True,
        },
    },
    "required": ["query"],
    "additionalProperties": False,
}

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "readable": {"type": "boolean", "description": "Whether read-cypher would run the statement."},
        "refusal": {"type": "string", "description": "Why not, and what to do instead."},
        "plan": {
            "type": "array",
            "description": "The operators, the last to run first; an operator's inputs follow it, one deeper.",
            "items": {
                "type": "object",
                "properties": {
                    "depth": {"type": "integer"},
                    "operator": {"type": "string"},
                    "details": {"type": "string"},
                    "estimated_rows": {"type": ["number", "null"]},
                },
            },
        },
        "truncated": {"type": "boolean", "description": "Whether operators are left out."},
        "warnings": WARNINGS,
    },
    "required": ["readable", "plan", "truncated", "warnings"],
    "additionalProperties": False,
}

_LONGEST_DETAILS = 500
"""Characters of an operator's details: they repeat the statement's own texts."""


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    statement = check_statement(arguments["query"])
    parameters = check_parameters(arguments.get("params", {}))
    with advised():
        explanation = await call.guard.explain(statement, parameters, deadline=call.deadline)
    payload: dict[str, Any] = {"readable": True}
    try:
        await call.guard.require_read(statement, parameters, deadline=call.deadline, explanation=explanation)
    except NotReadOnly as error:
        payload |= {"readable": False, "refusal": str(error)}
    operators = list(_flat(explanation.plan))
    shown = within_bytes(operators[: call.settings.max_rows], call.settings.max_bytes)
    payload |= {
        "plan": shown,
        "truncated": len(operators) > len(shown),
        "warnings": await useful_warnings(call, statement, parameters, explanation.warnings, rows=None),
    }
    return success(payload, settings=call.settings)


def _flat(plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's operators in preorder, with their depth in the tree."""
    waiting = [(0, plan)]
    while waiting:
        depth, node = waiting.pop()
        arguments = node.get("args", {})
        yield {
            "depth": depth,
            "operator": str(node["operatorType"]).partition("@")[0],
            "details": cut(str(arguments.get("Details", "")), _LONGEST_DETAILS),
            "estimated_rows": arguments.get("EstimatedRows"),
        }
        waiting.extend((depth + 1, child) for child in reversed(node.get("children", ())))


EXPLAIN_CYPHER = ToolDeclaration(
    name="explain-cypher",
    title="Explain a Cypher statement",
    description=(
        "How the database would run a Cypher statement, without running it: operators with estimated rows, warnings, "
        "and whether read-cypher would accept it. Use it when a statement is slow or refused."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    handler=_handle,
)
