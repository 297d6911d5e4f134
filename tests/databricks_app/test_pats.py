from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from core.errors import IssuerUnavailable, Unauthenticated
from databricks_app.pats import PatVerifier
from local.emulators.databricks.api import WorkspaceApp
from local.emulators.loopback_server import served as serve
from tests.databricks_app.conftest import ADA, AGENT

CANARY = "dapi" + "canary-pat-31d7-a0b1c2d3e4f5"
ASKED = ("GET", "/api/2.0/preview/scim/v2/Me")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_what_the_workspace_said_is_remembered_for_a_minute_and_then_asked_for_again(
    served: WorkspaceApp,
) -> None:
    clock, pat = Clock(), SecretStr(CANARY)
    served.workspace.keep_pat(pat, AGENT.id)
    pats = PatVerifier(served.workspace.url, clock=clock)
    for _ in range(3):
        assert (await pats.verify(CANARY)).id == AGENT.id
    assert served.requests == [ASKED]
    served.workspace.withdraw_pat(pat)
    clock.now += 59
    await pats.verify(CANARY)
    clock.now += 2
    with pytest.raises(Unauthenticated, match="does not know"):
        await pats.verify(CANARY)
    assert len(served.requests) == 2
    served.workspace.keep_pat(pat, ADA.name)
    with pytest.raises(Unauthenticated):
        await pats.verify(CANARY)
    assert len(served.requests) == 2
    clock.now += 11
    assert (await pats.verify(CANARY)).kind == "user_on_behalf"
    clock.now -= 500
    await pats.verify(CANARY)
    assert len(served.requests) == 4


@pytest.mark.parametrize("token", ["dapi", "dapi1234", "dapi" + "x" * 200, "dapi12345678901234567890/../Me"])
async def test_what_has_another_form_is_not_asked_about(served: WorkspaceApp, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await PatVerifier(served.workspace.url).verify(token)
    assert served.requests == []


class Saying:
    """Answers every request in one way, with what it was asked with."""

    def __init__(self, status: int, document: Any) -> None:
        self.status, self.body = status, document if isinstance(document, bytes) else json.dumps(document).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"location", b"http://127.0.0.1:9/")] if self.status == 302 else []
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (401, {}, Unauthenticated),
        (403, {"message": CANARY}, Unauthenticated),
        (200, {"userName": "ada@example.com", "active": False}, Unauthenticated),
        (500, {}, IssuerUnavailable),
        (429, {}, IssuerUnavailable),
        (302, {}, IssuerUnavailable),
        (200, b"<html>", IssuerUnavailable),
        (200, [], IssuerUnavailable),
        (200, {"userName": ""}, IssuerUnavailable),
        (200, {"userName": "a\nb"}, IssuerUnavailable),
        (200, {"userName": ["x"]}, IssuerUnavailable),
    ],
)
async def test_an_answer_that_names_nobody_lets_nobody_in(status: int, document: Any, kind: type[Exception]) -> None:
    with serve(Saying(status, document), name="a workspace") as url, pytest.raises(kind) as caught:
        await PatVerifier(url).verify(CANARY)
    assert "canary" not in str(caught.value)
    assert "workspace" in str(caught.value)


async def test_a_workspace_that_is_away_is_told() -> None:
    with pytest.raises(IssuerUnavailable, match="cannot be asked"):
        await PatVerifier("http://127.0.0.1:9").verify(CANARY)
