"""The OpenAI Agents SDK."""

import asyncio
import os
import sys

from agents.mcp import MCPServerStreamableHttp


async def main() -> None:
    headers = {"X-API-Key": os.environ["GRAPH_KEY"]}
    async with MCPServerStreamableHttp(params={"url": sys.argv[1], "headers": headers}) as server:
        await server.list_tools()


asyncio.run(main())
