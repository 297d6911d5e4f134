"""langchain-mcp-adapters, with the hook that docs/clients.md shows."""

import asyncio
import os
import sys

import httpx
from langchain_mcp_adapters.client import MultiServerMCPClient


async def with_reason(response: httpx.Response) -> None:
    if response.is_error:
        await response.aread()
        raise RuntimeError(response.json()["error"]["message"])


def client(headers=None, timeout=None, auth=None) -> httpx.AsyncClient:
    return httpx.AsyncClient(headers=headers, timeout=timeout, auth=auth, event_hooks={"response": [with_reason]})


async def main() -> None:
    connection = {
        "transport": "streamable_http",
        "url": sys.argv[1],
        "headers": {"X-API-Key": os.environ["GRAPH_KEY"]},
        "httpx_client_factory": client,
    }
    await MultiServerMCPClient({"neo4j": connection}).get_tools()


asyncio.run(main())
