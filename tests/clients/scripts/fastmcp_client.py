"""FastMCP."""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def main() -> None:
    transport = StreamableHttpTransport(sys.argv[1], headers={"X-API-Key": os.environ["GRAPH_KEY"]})
    async with Client(transport) as client:
        await client.list_tools()


asyncio.run(main())
