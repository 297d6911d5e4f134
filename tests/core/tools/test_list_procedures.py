from __future__ import annotations

import json
from typing import Any

from core.application import Application
from core.settings import Settings
from tests.core.mcp_requests import anybody
from tests.core.tools.conftest import Ask, asking


async def listed(ask: Ask, **arguments: Any) -> dict[str, Any]:
    result = await ask("list-procedures", arguments)
    assert result["isError"] is False
    answer: dict[str, Any] = result["structuredContent"]
    return answer


async def test_what_a_read_may_call_is_listed_and_the_rest_is_counted(ask: Ask) -> None:
    answer = await listed(ask)
    names = [entry["name"] for entry in answer["listed"]]
    assert "db.labels" in names
    assert "db.index.vector.queryNodes" in names
    assert "dbms.listConfig" not in names
    assert answer["not_allowed"] > 10
    assert names == sorted(names, key=str.lower)


async def test_every_procedure_that_is_listed_does_run(ask: Ask) -> None:
    for name in ("db.labels", "db.info", "dbms.components"):
        result = await ask("read-cypher", {"query": f"CALL {name}()"})
        assert result["isError"] is False


async def test_functions_are_listed_when_asked_for(ask: Ask) -> None:
    names = [entry["name"] for entry in (await listed(ask, kind="functions"))["listed"]]
    assert {"toUpper", "date.truncate", "point.distance"} <= set(names)
    assert "graph.byName" not in names


async def test_a_pattern_narrows_the_list(ask: Ask) -> None:
    names = [entry["name"] for entry in (await listed(ask, pattern="FULLTEXT"))["listed"]]
    assert names
    assert all("fulltext" in name for name in names)


async def test_a_long_list_has_no_descriptions_and_says_how_to_get_them(ask: Ask) -> None:
    answer = await listed(ask, kind="functions")
    assert not any("description" in entry for entry in answer["listed"])
    assert answer["truncated"] is False
    assert "pattern" in answer["hint"]
    some = await listed(ask, kind="functions", pattern="date.")
    assert all(entry["description"] for entry in some["listed"])
    assert "hint" not in some


async def test_no_list_is_larger_than_an_answer_may_be(settings: Settings) -> None:
    application = Application(settings.model_copy(update={"max_bytes": 2048}), anybody)
    answer = await listed(asking(application), kind="functions")
    assert answer["truncated"] is True
    assert answer["listed"]
    assert len(json.dumps(answer["listed"], separators=(",", ":"))) <= 2048
    assert "only the first" in answer["hint"]
    await application.close()
