"""langchain-mcp-adapters."""

import asyncio
import os
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient


async def main() -> None:
    headers = {"X-API-Key": os.environ["GRAPH_KEY"]}
    client = MultiServerMCPClient({"neo4j": {"transport": "streamable_http", "url": sys.argv[1], "headers": headers}})
    await client.get_tools()


asyncio.run(main())
