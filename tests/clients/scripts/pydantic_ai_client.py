"""Pydantic AI."""

import asyncio
import os
import sys

import pydantic_ai.mcp as module

HEADERS = {"X-API-Key": os.environ["GRAPH_KEY"]}


async def main() -> None:
    if hasattr(module, "MCPServerStreamableHTTP"):
        async with module.MCPServerStreamableHTTP(sys.argv[1], headers=HEADERS) as server:
            await server.list_tools()
    else:
        async with module.MCPToolset(sys.argv[1], headers=HEADERS) as toolset:
            await toolset.list_tools()


asyncio.run(main())
