"""A stand-in for a language model: it uses the tools in the order that the instructions ask for, and reads the answers.

It does not understand the question. What it writes rests on what the tools have answered, and on nothing else. As a
program it runs the example with itself as the model: ``python stub_model.py FOLDER-OF-THE-EXAMPLE URL QUESTION``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, Model, ModelResponse, Usage, set_tracing_disabled
from agents.mcp import MCPServerStreamableHttp
from agents.mcp.util import MCPUtil
from agents.run_context import RunContextWrapper
from databricks.sdk import WorkspaceClient
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText


class StubModel(Model):
    """Asks for the schema, counts the nodes of each label that the schema names, tries to write, and then answers."""

    async def get_response(self, system_instructions: Any, input: Any, *args: Any, **options: Any) -> ModelResponse:  # noqa: A002
        items = input if isinstance(input, list) else []
        outputs = [item["output"] for item in items if item.get("type") == "function_call_output"]
        steps = (self._ask_schema, self._count, self._write, self._say)
        return ModelResponse(output=[steps[len(outputs)](outputs)], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **options: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("the stand-in answers as a whole; use Runner.run")

    def _ask_schema(self, outputs: list[Any]) -> ResponseFunctionToolCall:
        return _call("get-schema", {})

    def _count(self, outputs: list[Any]) -> ResponseFunctionToolCall:
        labels = sorted(_labels(_document(outputs[0])))
        query = "MATCH (n) UNWIND labels(n) AS label WITH label WHERE label IN $labels RETURN label, count(*) AS nodes"
        return _call("read-cypher", {"query": query, "params": {"labels": labels}})

    def _write(self, outputs: list[Any]) -> ResponseFunctionToolCall:
        return _call("read-cypher", {"query": "CREATE (:Written) RETURN 1"})

    def _say(self, outputs: list[Any]) -> ResponseOutputMessage:
        rows = _document(outputs[1])["rows"]
        said = ", ".join(f"{nodes} {label}" for label, nodes in rows)
        text = f"The graph has {said}. A write was answered with: {_text(outputs[2])[:160]}"
        content = ResponseOutputText(text=text, type="output_text", annotations=[])
        return ResponseOutputMessage(
            id=uuid.uuid4().hex, content=[content], role="assistant", status="completed", type="message"
        )


def _call(name: str, arguments: dict[str, Any]) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        call_id=uuid.uuid4().hex, name=name, arguments=json.dumps(arguments), type="function_call"
    )


def _text(output: Any) -> str:
    """The text of a tool's answer, as the SDK hands it to a model."""
    if isinstance(output, list):
        return "".join(_text(part) for part in output)
    return str(output.get("text", output)) if isinstance(output, dict) else str(output)


def _document(output: Any) -> dict[str, Any]:
    """The JSON in a tool's answer, which marks it as untrusted data."""
    text = _text(output)
    if "{" not in text:
        raise RuntimeError(f"the tool answered: {text[:300]}")
    document: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return document


def _labels(schema: Any) -> set[str]:
    """The labels of nodes in an answer of get-schema."""
    return {str(node["label"]) for node in schema["nodes"]}


async def _strict_tools(url: str, auth: Any) -> dict[str, bool]:
    """Which tools the SDK can give a strict schema, when it is told to."""
    async with MCPServerStreamableHttp(params={"url": url, "auth": auth}, client_session_timeout_seconds=60) as graph:
        agent = Agent(name="Graph", mcp_servers=[graph])
        tools = await MCPUtil.get_all_function_tools([graph], True, RunContextWrapper(context=None), agent)
        return {tool.name: tool.strict_json_schema for tool in tools}


if __name__ == "__main__":
    folder, url, question = sys.argv[1:]
    sys.path.insert(0, folder)
    from agent import WorkspaceAuth, answer

    set_tracing_disabled(True)  # traces go to OpenAI, which wants a key
    workspace = WorkspaceClient(auth_type="oauth-m2m")
    said = asyncio.run(answer(question, url, workspace, StubModel()))
    strict = asyncio.run(_strict_tools(url, WorkspaceAuth(workspace)))
    print(json.dumps({"answer": said, "strict": strict}))
