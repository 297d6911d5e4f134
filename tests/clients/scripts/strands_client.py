"""Strands Agents."""

import os
import sys

from mcp.client import streamable_http
from strands.tools.mcp import MCPClient

HEADERS = {"X-API-Key": os.environ["GRAPH_KEY"]}


def transport():
    if hasattr(streamable_http, "streamablehttp_client"):
        return streamable_http.streamablehttp_client(sys.argv[1], headers=HEADERS)
    import httpx

    return streamable_http.streamable_http_client(sys.argv[1], http_client=httpx.AsyncClient(headers=HEADERS))


with MCPClient(transport) as client:
    client.list_tools_sync()
