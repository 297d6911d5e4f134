"""``doctor``: what is wrong with this server, for an operator who calls it. A rule of the policy has to name it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mcp_types import CallToolResult, ToolAnnotations

from core.call import Call
from core.tools.answer import success
from core.tools.declaration import ToolDeclaration

__all__ = ["DOCTOR"]

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rule": {"type": "string", "description": "The rule of the policy that lets you call."},
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "link": {"type": "string"},
                    "state": {"enum": ["ok", "warning", "failed", "not reached"]},
                    "says": {"type": "string"},
                    "remedy": {"type": "string"},
                },
                "required": ["link", "state", "says", "remedy"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["rule", "findings"],
    "additionalProperties": False,
}


async def _handle(call: Call, arguments: dict[str, Any]) -> CallToolResult:
    findings = await call.examine(call.deadline) if call.examine is not None else []
    payload = {"rule": call.grant.rule, "findings": [asdict(finding) for finding in findings]}
    return success(payload, settings=call.settings)


DOCTOR = ToolDeclaration(
    name="doctor",
    title="Find out what is wrong with this server",
    description=(
        "For the operator of this server: looks at its settings, policy, identity, secret, the way to the database, "
        "the login, the rights of the database user and the guard, and says what is wrong and what mends it."
    ),
    input_schema={"type": "object", "properties": {}, "additionalProperties": False},
    output_schema=_OUTPUT,
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
    ),
    handler=_handle,
    by_name_only=True,
)
