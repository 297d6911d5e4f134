"""Pydantic AI, from its second major version on."""

import asyncio
import os
import sys

from pydantic_ai.mcp import MCPToolset


async def main() -> None:
    async with MCPToolset(sys.argv[1], headers={"X-API-Key": os.environ["GRAPH_KEY"]}) as toolset:
        await toolset.list_tools()


asyncio.run(main())
