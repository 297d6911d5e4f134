"""The tools' schemas for a Lambda target of an AgentCore Gateway: ``python -m aws_lambda.gateway_schema``.

It prints the array for ``toolSchema.inlinePayload`` of CreateGatewayTarget; with ``--cloudformation``, for
``ToolSchema.InlinePayload`` of ``AWS::BedrockAgentCore::GatewayTarget``; with ``--tool NAME``, which may be repeated,
only these tools.

The gateway's dialect knows only type, properties, required, items and description. Anything else is left out, so a
schema here accepts all that the server's own accepts: `aws_lambda.gateway` checks arguments against the server's own.
Source: https://docs.aws.amazon.com/bedrock-agentcore-control/latest/APIReference/API_SchemaDefinition.html .
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from core.tools import ALL_TOOLS, ToolDeclaration

__all__ = ["cloudformation", "main", "reduced", "tool_definitions"]

_TYPES = frozenset({"string", "number", "object", "array", "boolean", "integer"})
_TYPE_OF = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_REFERENCES = frozenset({"$ref", "$dynamicRef", "allOf"})
"""These can hold most of a schema: without them, an agent would learn almost nothing."""

_FAILURE = {
    "isError": {
        "type": "boolean",
        "description": "True if the call failed; then there is a message, and nothing else.",
    },
    "message": {"type": "string", "description": "Why the call failed, and what to do instead."},
}


def tool_definitions(tools: Iterable[ToolDeclaration] = ALL_TOOLS) -> list[dict[str, Any]]:
    """A ToolDefinition of each of ``tools``.

    Raises:
        ValueError: A schema has something that cannot be left out.
    """
    return [_definition(tool) for tool in tools]


def _definition(tool: ToolDeclaration) -> dict[str, Any]:
    definition = {"name": tool.name, "description": tool.description, "inputSchema": reduced(tool.input_schema)}
    if tool.output_schema is not None:
        output = reduced(tool.output_schema)
        # Nothing is required at the top: a failed call answers with the error instead.
        output.pop("required", None)
        output["properties"] = {**output.get("properties", {}), **_FAILURE}
        definition["outputSchema"] = output
    return definition


def reduced(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` in the gateway's dialect; whatever is valid by ``schema`` is valid by the result, too.

    The values of an enumeration go into the description. A property that may be null is left out altogether.

    Raises:
        ValueError: ``schema`` refers to others, or has no single type.
    """
    if _REFERENCES & schema.keys():
        raise ValueError(f"the gateway's dialect has no {', '.join(sorted(_REFERENCES & schema.keys()))}")
    told: dict[str, Any] = {"type": _type(schema)}
    if description := _description(schema):
        told["description"] = description
    if told["type"] == "object" and "properties" in schema:
        properties = {name: one for name, one in schema["properties"].items() if not _may_be_null(one)}
        told["properties"] = {name: reduced(one) for name, one in properties.items()}
        if required := [name for name in schema.get("required", ()) if name in properties]:
            told["required"] = required
    if told["type"] == "array" and "items" in schema and not _may_be_null(schema["items"]):
        told["items"] = reduced(schema["items"])
    return told


def _values(schema: Mapping[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    """The types that ``schema`` allows: those that it names, or those of the values that it lists."""
    if "type" in schema:
        named = schema["type"]
        return {named} if isinstance(named, str) else set(named)
    return {_TYPE_OF.get(type(value), "unknown") for value in _values(schema)}


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    return "null" in _kinds(schema)


def _type(schema: Mapping[str, Any]) -> str:
    kinds = _kinds(schema)
    if len(kinds) != 1 or not kinds <= _TYPES:
        raise ValueError("the gateway's dialect needs exactly one type for each value, and null does not count")
    return kinds.pop()


def _description(schema: Mapping[str, Any]) -> str:
    said = [schema["description"]] if schema.get("description") else []
    if schema.get("enum"):
        said.append(f"One of: {', '.join(str(one) for one in schema['enum'])}.")
    return " ".join(said)


def cloudformation(told: Any) -> Any:
    """``told`` with CloudFormation's names for the same keys; names of properties stay as they are."""
    if isinstance(told, list):
        return [cloudformation(one) for one in told]
    if not isinstance(told, dict):
        return told
    spelled = {}
    for name, value in told.items():
        inner = (
            {key: cloudformation(one) for key, one in value.items()} if name == "properties" else cloudformation(value)
        )
        spelled[name[0].upper() + name[1:]] = inner
    return spelled


def main(arguments: list[str] | None = None) -> None:
    """Print the definitions as one JSON array."""
    parser = argparse.ArgumentParser(
        prog="python -m aws_lambda.gateway_schema", description="The gateway's tool schema."
    )
    parser.add_argument("--cloudformation", action="store_true", help="spell it as CloudFormation does")
    parser.add_argument(
        "--tool", action="append", choices=[tool.name for tool in ALL_TOOLS], help="print this tool only"
    )
    asked = parser.parse_args(arguments)
    # What a policy must name is told to a gateway only if its operator names it here, too.
    told: Any = tool_definitions(
        tool for tool in ALL_TOOLS if (tool.name in asked.tool if asked.tool else not tool.by_name_only)
    )
    json.dump(cloudformation(told) if asked.cloudformation else told, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
