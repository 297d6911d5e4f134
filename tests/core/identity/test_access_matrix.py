"""Keys that are no longer good, and callers who want more than was granted, at the real door of a real graph."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.access.policy import parse_policy
from core.application import Application
from core.http import Request, Response
from core.identity.api_keys import ApiKeyVerifier, hash_of, key_id, new_key
from core.identity.bearer import BearerDoor
from core.settings import Settings
from core.tools import ALL_TOOLS
from tests.core.mcp_requests import JSON, legacy

NOW = datetime.now(UTC)
POLICY = """
[[rule]]
name = "the reader reads a little"
kind = "api_key"
role = "reads"
tools = ["get-schema", "read-cypher"]
max_rows = 2
timeout = 5
"""


def entry(key: str, **changed: Any) -> dict[str, Any]:
    """What the ring holds for ``key``."""
    created = (NOW - timedelta(days=1)).isoformat()
    common = {"id": key_id(key), "name": "reader", "hash": hash_of(key), "created": created, "roles": ["reads"]}
    return {**common, "expires": None, "revoked": None, "tenant": "", **changed}


KEYS = {name: new_key().text.get_secret_value() for name in ("good", "expired", "revoked", "no rule", "unknown")}
RING = {
    "keys": [
        entry(KEYS["good"]),
        entry(KEYS["expired"], expires=(NOW - timedelta(seconds=1)).isoformat()),
        entry(KEYS["revoked"], revoked=(NOW - timedelta(seconds=1)).isoformat()),
        entry(KEYS["no rule"], roles=[]),
    ]
}

CALLERS: list[tuple[str, dict[str, str], int]] = [
    ("no credential", {}, 401),
    ("expired key", {"x-api-key": KEYS["expired"]}, 401),
    ("revoked key", {"x-api-key": KEYS["revoked"]}, 401),
    ("unknown key", {"x-api-key": KEYS["unknown"]}, 401),
    ("truncated key", {"x-api-key": KEYS["good"][:-1]}, 401),
    ("key with another's secret", {"x-api-key": KEYS["good"][:15] + KEYS["unknown"][15:]}, 401),
    ("key by Basic", {"authorization": f"Basic {KEYS['good']}"}, 401),
    ("two credentials", {"x-api-key": KEYS["good"], "authorization": f"Bearer {KEYS['good']}"}, 401),
    ("key that no rule admits", {"x-api-key": KEYS["no rule"]}, 403),
    ("good key", {"x-api-key": KEYS["good"]}, 200),
    ("good key as a bearer token", {"authorization": f"Bearer {KEYS['good']}"}, 200),
]

WANTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("a tool that was not granted", "explain-cypher", {"query": "RETURN 1"}, "may not use explain-cypher"),
    ("the writing tool", "write-cypher", {"query": "CREATE (n:Taken)"}, "may not use write-cypher"),
    ("a write through the reading tool", "read-cypher", {"query": "CREATE (n:Taken)"}, "writes"),
    ("another database", "read-cypher", {"query": "USE system MATCH (n) RETURN n"}, "system"),
    ("other callers' statements", "read-cypher", {"query": "SHOW TRANSACTIONS"}, "SHOW is allowed for"),
    ("an hour", "read-cypher", {"query": "RETURN 1 AS x", "timeout_seconds": 3600}, ""),
    ("a million rows", "read-cypher", {"query": "UNWIND range(1, 9) AS i RETURN i", "max_rows": 1000000}, ""),
]


@pytest.fixture
async def application(settings: Settings) -> AsyncIterator[Application]:
    async def load() -> str:
        return json.dumps(RING)

    door = BearerDoor(None, api_keys=ApiKeyVerifier(load, platform="local"))
    policy = parse_policy(POLICY, source="policy.toml", tools=ALL_TOOLS)
    application = Application(settings, door.authenticate, grant_for=policy.grant_for)
    yield application
    await application.close()


async def send(application: Application, headers: dict[str, str], message: dict[str, Any]) -> Response:
    body = json.dumps(message).encode()
    version = ("mcp-protocol-version", "2025-11-25")
    return await application.handle(Request("POST", "/mcp", (*JSON, version, *headers.items()), body, "r"))


async def test_only_a_good_key_that_a_rule_admits_gets_in(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    for name, headers, expected in CALLERS:
        response = await send(application, headers, legacy("ping"))
        assert response.status == expected, name
        assert not any(key.encode() in response.body for key in KEYS.values())
        lines.append(f"  {response.status}  {name:<40} {response.body.decode()[:70].strip()}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))


async def test_a_caller_gets_no_more_than_it_was_granted(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"x-api-key": KEYS["good"]}
    lines = []
    for name, tool, arguments, refusal in WANTS:
        response = await send(application, good, legacy("tools/call", {"name": tool, "arguments": arguments}))
        result = json.loads(response.body)["result"]
        assert result["isError"] is bool(refusal), name
        text = result["content"][0]["text"]
        assert refusal in text, name
        if not refusal:
            assert result["structuredContent"]["row_count"] <= 2
        lines.append(f"  {'refused' if refusal else 'lowered':<8} {name:<34} {text[:70].splitlines()[0]}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
