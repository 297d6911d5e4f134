from __future__ import annotations

import json

from core.http import Request
from core.settings import Settings
from tests.core.mcp_requests import application, nobody


async def test_health_is_open_to_anyone_and_tells_nothing_but_whether_the_database_answers(settings: Settings) -> None:
    app = application(settings, who=nobody)
    try:
        response = await app.handle(Request("GET", "/health", (), b"", "r"))
        assert response.status == 200
        assert json.loads(response.body) == {"status": "ok", "database": "up"}
        head = await app.handle(Request("HEAD", "/health", (), b"", "r"))
        assert (head.status, head.body) == (200, b"")
    finally:
        await app.close()


async def test_health_is_503_when_the_database_does_not_answer() -> None:
    nowhere = Settings.from_environ({"NEO4J_URI": "bolt://127.0.0.1:1", "NEO4J_PASSWORD": "canary-health"})
    app = application(nowhere)
    response = await app.handle(Request("GET", "/health", (), b"", "r"))
    await app.close()
    assert response.status == 503
    assert json.loads(response.body) == {"status": "degraded", "database": "down"}


async def test_health_takes_no_other_method() -> None:
    response = await application().handle(Request("POST", "/health", (), b"", "r"))
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")
