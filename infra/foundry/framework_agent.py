"""An agent of Microsoft's Agent Framework that reads the graph as a service principal; it runs without Azure, too.

    pip install agent-framework-core "mcp<3" tenacity azure-identity
    python infra/foundry/framework_agent.py "Which airline flies to Honolulu?"

It reads MCP_URL, AUDIENCE, TENANT_ID, CLIENT_ID and CLIENT_SECRET, and for the emulated tenant AUTHORITY and
AUTHORITY_CA; `emulate azure` prints the values of all of them. A model is not part of it: `Scripted` stands in for one,
and does what a model would do with these tools. Put a chat client of the framework in its place.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import httpx2
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    MCPStreamableHTTPTool,
    Message,
)
from azure.identity import ClientSecretCredential

QUERY = (
    "MATCH (airline:Airline)-[serves:SERVES]->(:Airport {faa: $faa}) "
    "RETURN airline.name AS airline, serves.flights AS flights ORDER BY flights DESC LIMIT 3"
)


class EntraAuth(httpx2.Auth):
    """A token of Entra for each request; the credential remembers it, and gets another before it expires."""

    def __init__(self, credential: ClientSecretCredential, audience: str) -> None:
        self._credential, self._scope = credential, f"{audience}/.default"

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._credential.get_token(self._scope).token}"
        yield request


class Scripted(FunctionInvocationLayer, BaseChatClient):
    """In place of a model: it reads the schema, then the graph, and then says what it has read."""

    async def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **kwargs: Any
    ) -> ChatResponse:
        results = [each for message in messages for each in message.contents if each.type == "function_result"]
        offered = {tool.name for tool in options.get("tools") or ()}
        if not results:
            print(f"tools offered: {', '.join(sorted(offered))}", file=sys.stderr)
            content = Content.from_function_call("call-1", "get-schema", arguments={})
        elif len(results) == 1:
            arguments = {"query": QUERY, "params": {"faa": "HNL"}}
            content = Content.from_function_call("call-2", "read-cypher", arguments=arguments)
        else:
            content = Content.from_text(f"The graph says: {results[-1].result}")
        return ChatResponse(messages=[Message("assistant", [content])])


async def main(question: str) -> None:
    environ = os.environ
    more: dict[str, Any] = {}
    if "AUTHORITY" in environ:
        more = {
            "authority": environ["AUTHORITY"],
            "disable_instance_discovery": True,
            "connection_verify": environ["AUTHORITY_CA"],
        }
    credential = ClientSecretCredential(environ["TENANT_ID"], environ["CLIENT_ID"], environ["CLIENT_SECRET"], **more)
    async with (
        httpx2.AsyncClient(auth=EntraAuth(credential, environ["AUDIENCE"]), timeout=60) as http,
        MCPStreamableHTTPTool(
            "neo4j",
            environ["MCP_URL"],
            http_client=http,
            load_prompts=False,
            approval_mode="never_require",
            allowed_tools=["get-schema", "read-cypher", "explain-cypher"],
        ) as graph,
    ):
        agent = Agent(Scripted(), "Answer from the graph alone.", tools=[graph])
        answer = await agent.run(question)
        print(json.dumps({"answer": answer.text}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
