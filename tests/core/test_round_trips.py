"""How often a call waits for the database: each round trip is paid for with the distance to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from core.application import Application
from core.settings import Settings
from tests.core.mcp_requests import anybody
from tests.core.tools.conftest import Ask, asking
from tests.support.tcp_proxy import TcpProxy


@dataclass
class Counted:
    """A server on a database whose round trips are counted."""

    ask: Ask
    proxy: TcpProxy

    async def turns(self, tool: str, **arguments: Any) -> int:
        before = self.proxy.turns
        result = await self.ask(tool, arguments)
        assert not result.get("isError"), result["content"]
        return self.proxy.turns - before


@pytest.fixture
async def counted(settings: Settings) -> AsyncIterator[Counted]:
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        application = Application(settings.model_copy(update={"neo4j_uri": proxy.uri}), anybody)
        yield Counted(asking(application), proxy)
        await application.close()


def airport(faa: str) -> dict[str, str]:
    return {"query": f"MATCH (a:Airport {{faa: '{faa}'}}) RETURN a.name AS name"}


async def test_the_first_call_of_a_process_takes_three_a_statement_seen_before_and_a_new_one_one(
    counted: Counted,
) -> None:
    assert await counted.turns("read-cypher", **airport("JFK")) == 3
    assert await counted.turns("read-cypher", **airport("JFK")) == 1
    assert await counted.turns("read-cypher", **airport("LGA")) == 1


async def test_what_the_text_does_not_prove_costs_a_plan_once(counted: Counted) -> None:
    await counted.turns("read-cypher", **airport("JFK"))
    unproved = "MATCH p = SHORTEST 1 (a:Airport {faa: 'LEX'})-[:ROUTE]-+(b:Airport {faa: 'PSP'}) RETURN length(p) AS x"
    assert await counted.turns("read-cypher", query=unproved) == 2
    assert await counted.turns("read-cypher", query=unproved) == 1


async def test_a_schema_takes_four_and_none_while_it_is_remembered(counted: Counted) -> None:
    await counted.turns("read-cypher", **airport("JFK"))
    assert await counted.turns("get-schema") == 4
    assert await counted.turns("get-schema") == 0
