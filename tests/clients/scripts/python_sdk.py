"""The official Python SDK, from its second major version on."""

import asyncio
import os
import sys

URL = sys.argv[1]
HEADERS = {"X-API-Key": os.environ["GRAPH_KEY"]}


async def main() -> None:
    import httpx2
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(headers=HEADERS) as http,
        Client(streamable_http_client(URL, http_client=http)) as client,
    ):
        await client.list_tools()


asyncio.run(main())
