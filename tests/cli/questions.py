"""A question that clients ask a server on this machine."""

from __future__ import annotations

from typing import Any

from mcp.client.client import Client

QUESTION = {"query": "MATCH (a:Airport {faa: $faa}) RETURN a.name AS name", "params": {"faa": "LGA"}}


async def ask(client: Client) -> Any:
    result = await client.call_tool("read-cypher", QUESTION)
    assert not result.is_error
    return result.structured_content["rows"]
