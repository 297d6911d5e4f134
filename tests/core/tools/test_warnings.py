from __future__ import annotations

from typing import Any

import pytest

from core.application import Application
from core.settings import Settings
from tests.core.mcp_requests import anybody
from tests.core.tools.conftest import Ask, asking
from tests.support.tcp_proxy import TcpProxy


async def warnings(ask: Ask, query: str, **params: Any) -> str:
    result = await ask("read-cypher", {"query": query, "params": params})
    assert result["isError"] is False, result["content"][0]["text"]
    return " ".join(each["text"] for each in result["structuredContent"].get("warnings", ()))


@pytest.mark.parametrize("schema_is_known", [True, False])
async def test_no_rows_for_a_misspelt_label_name_the_one_that_exists(ask: Ask, schema_is_known: bool) -> None:
    if schema_is_known:
        await ask("get-schema", {})
    text = await warnings(ask, "MATCH (a:Airprot) RETURN a")
    assert text == "The label `Airprot` does not exist. There is `Airport`."


async def test_a_count_of_nothing_is_explained_too(ask: Ask) -> None:
    assert "`Airport`" in await warnings(ask, "MATCH (a:AIRPORT) RETURN count(a) AS airports")


async def test_a_misspelt_relationship_type_or_property_names_the_one_that_exists(ask: Ask) -> None:
    await ask("get-schema", {})
    assert "`ROUTE`" in await warnings(ask, "MATCH (:Airport)-[r:ROUTES]->() RETURN r")
    text = await warnings(ask, "MATCH (a:Airport) WHERE a.nmae = 'x' RETURN a")
    assert "property `nmae` does not exist. There is `name`" in text


async def test_a_type_in_the_place_of_a_label_is_told(ask: Ask) -> None:
    assert "relationship type of that name" in await warnings(ask, "MATCH (a:ROUTE) RETURN a")


async def test_rows_of_nulls_from_a_misspelt_property_are_explained(ask: Ask) -> None:
    assert "`nmae`" in await warnings(ask, "MATCH (a:Airport) RETURN a.nmae AS name LIMIT 3")


async def test_a_name_that_resembles_nothing_is_only_said_not_to_exist(ask: Ask) -> None:
    assert await warnings(ask, "MATCH (a:Qzxqzx) RETURN a") == "The label `Qzxqzx` does not exist."


async def test_a_cartesian_product_is_told_where_it_found_nothing_and_only_there(ask: Ask) -> None:
    nothing = "MATCH (a:Airport {faa: 'QQQ'}), (b:Airport) RETURN a, b"
    assert "cartesian product" in await warnings(ask, nothing)
    assert await warnings(ask, "MATCH (a:Airport {faa: 'JFK'}), (b:Airline) RETURN a.faa, b.carrier LIMIT 3") == ""


async def test_an_answer_with_rows_has_no_warnings(ask: Ask) -> None:
    result = await ask("read-cypher", {"query": "MATCH (a:Airport) RETURN id(a) AS id, a.faa AS faa LIMIT 2"})
    assert "warnings" not in result["structuredContent"]


async def test_false_is_an_answer_and_not_nothing(ask: Ask) -> None:
    result = await ask("read-cypher", {"query": "MATCH (a:Airport), (b:Airline) RETURN false AS x LIMIT 1"})
    assert "warnings" not in result["structuredContent"]


@pytest.mark.parametrize(
    ("where", "params"),
    [
        ("d.date = '2013-07-04'", {}),
        ("d.date >= $from", {"from": "2013-07-04"}),
        ("'2014-01-01' < d.date", {}),
        ("$from < d.date", {"from": "2014-01-01"}),
        ("d.date STARTS WITH '2013-07'", {}),
        ("EXISTS { (:Day {date: '2013-07-04'}) }", {}),
    ],
)
async def test_a_date_compared_with_a_string_is_told_what_to_write(
    ask: Ask, where: str, params: dict[str, Any]
) -> None:
    await ask("get-schema", {})
    text = await warnings(ask, f"MATCH (d:Day) WHERE {where} RETURN d", **params)
    assert "`date` is DATE" in text
    assert "date($x)" in text


async def test_a_number_compared_with_a_string_is_told_what_to_write(ask: Ask) -> None:
    await ask("get-schema", {})
    assert "without quotes" in await warnings(ask, "MATCH (p:Plane) WHERE p.seats = '55' RETURN p")
    assert "in quotes" in await warnings(ask, "MATCH (a:Airport {faa: 7}) RETURN a")


async def test_a_comparison_that_can_hold_is_not_warned_of(ask: Ask) -> None:
    await ask("get-schema", {})
    assert await warnings(ask, "MATCH (d:Day) WHERE d.date = date('1900-01-01') RETURN d") == ""
    assert await warnings(ask, "MATCH (a:Airport {faa: 'QQQ'}) RETURN a") == ""


async def test_a_plan_names_what_exists_too(ask: Ask) -> None:
    result = await ask("explain-cypher", {"query": "MATCH (a:Airprot) RETURN a"})
    (warning,) = result["structuredContent"]["warnings"]
    assert (warning["code"], warning["severity"]) == ("01N50", "WARNING")
    assert "There is `Airport`" in warning["text"]


async def test_a_label_with_a_backtick_or_a_thousand_characters_is_no_trouble(ask: Ask) -> None:
    assert "`a`b`" in await warnings(ask, "MATCH (a:`a``b`) RETURN a")
    assert len(await warnings(ask, f"MATCH (a:{'L' * 1000}) RETURN a")) <= 300


async def test_warnings_cost_no_further_round_trip(settings: Settings) -> None:
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        application = Application(settings.model_copy(update={"neo4j_uri": proxy.uri}), anybody)
        query = "MATCH (a:Airport {faa: 'QQQ'}), (b:Airport) RETURN a, b"
        assert await warnings(asking(application), query)
        proxy.turns = 0
        assert await warnings(asking(application), query)
        assert proxy.turns == 1
        await application.close()
