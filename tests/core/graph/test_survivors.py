"""What becomes of a statement that the database cannot stop, and of its caller's next ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from core.deadline import Deadline
from core.errors import DeadlineExceeded, TooManySurvivors
from core.graph.database import Database
from core.graph.results import Limits
from core.graph.survivors import Survivors
from core.identity.principal import LOCAL_PRINCIPAL, Principal
from core.origin import Origin, asked_by
from core.settings import Settings

ALICE = Principal("azure", "managed_identity", "alice", tenant="contoso", issuer="https://one.example")


class Stand:
    """Stands in for a database in which the statements of ``running`` go on, or that does not answer."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.away = False
        self.noticed: list[Origin] = []
        self.survivors = Survivors(self.ask, most=2, noticed=self.noticed.append)

    async def ask(self, statement: str, parameters: dict[str, Any], until: Deadline) -> list[list[Any]]:
        if self.away:
            raise DeadlineExceeded("no answer")
        return [[request] for request in parameters["requests"] if request in self.running]


def origin(request: str, principal: Principal = ALICE) -> Origin:
    return Origin(principal, request, "read-cypher")


async def test_what_is_said_of_a_stopped_statement_is_what_was_seen() -> None:
    stand, over = Stand(), DeadlineExceeded("The call's time was up.")
    assert "The statement was stopped." in str(await stand.survivors.explained(over, origin("gone")))
    stand.running.add("endless")
    assert "it still runs there" in str(await stand.survivors.explained(over, origin("endless")))
    stand.away = True
    assert "was not seen" in str(await stand.survivors.explained(over, origin("unknown")))
    assert "was not seen" in str(await stand.survivors.explained(over, None))
    assert [found.request_id for found in stand.noticed] == ["endless"]


async def test_a_caller_is_told_which_of_their_requests_run_on_and_nobody_else_is() -> None:
    stand, over = Stand(), DeadlineExceeded("over")
    stand.running |= {"one", "two"}
    for request in ("one", "two"):
        await stand.survivors.explained(over, origin(request))
    assert await stand.survivors.left_by(ALICE.identity) == ["one", "two"]
    assert await stand.survivors.left_by(replace(ALICE, issuer="https://two.example").identity) == []


async def test_a_caller_with_too_many_is_refused_until_they_end_and_nobody_else_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.graph.survivors._LOOK_AGAIN_SECONDS", 0.0)
    stand, over = Stand(), DeadlineExceeded("over")
    for request in ("one", "two"):
        await stand.survivors.require_few(ALICE.identity)
        stand.running.add(request)
        await stand.survivors.explained(over, origin(request))
    with pytest.raises(TooManySurvivors, match="2 of your earlier statements still run"):
        await stand.survivors.require_few(ALICE.identity)
    stand.away = True
    with pytest.raises(TooManySurvivors):
        await stand.survivors.require_few(ALICE.identity)
    await stand.survivors.require_few(LOCAL_PRINCIPAL.identity)
    stand.away = False
    stand.running.clear()
    await stand.survivors.require_few(ALICE.identity)


@pytest.fixture
async def database(scratch_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr("core.graph.survivors._LOOK_SECONDS", 20.0)
    opened = Database(scratch_settings)
    yield opened
    await opened.close()


async def test_a_statement_that_the_database_can_stop_is_seen_to_be_stopped(database: Database) -> None:
    statement = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN count(a + b)"
    with asked_by(origin("stoppable")), pytest.raises(DeadlineExceeded, match="The statement was stopped"):
        await database.read(statement, {}, limits=Limits(1, 1000), deadline=Deadline.after(1))


@pytest.mark.exhaustive
async def test_a_statement_that_the_database_cannot_stop_is_said_to_run_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ends by itself after some seconds, so that it is not left to the tests that follow.
    statement = "RETURN any(x IN range(1, 400000000) WHERE x < 0)"
    monkeypatch.setattr("core.graph.survivors._LOOK_SECONDS", 3.0)
    with asked_by(origin("unstoppable")), pytest.raises(DeadlineExceeded, match="it still runs there"):
        await database.read(statement, {}, limits=Limits(1, 1000), deadline=Deadline.after(1))
    while await database._pool.survivors._running(["unstoppable"], Deadline.after(5)):
        await asyncio.sleep(0.5)
