from __future__ import annotations

import asyncio

import neo4j
import pytest
from neo4j.exceptions import AuthError, ClientError

from core.graph.login_gate import LoginGate, LoginWithheld
from local.neo4j import EmbeddedNeo4j
from tests.support.tcp_proxy import TcpProxy


class Watch:
    """The largest number of sessions that try to log in at once."""

    def __init__(self) -> None:
        self.trying = self.most = 0

    async def session(self, gate: LoginGate, *, let_in: bool, seconds: float = 0.01) -> None:
        async with gate.entered() as entry:
            self.trying += 1
            self.most = max(self.most, self.trying)
            await asyncio.sleep(seconds)
            self.trying -= 1
            if let_in:
                entry.logged_in()
                await asyncio.sleep(seconds)


async def test_until_one_is_let_in_one_at_a_time_tries() -> None:
    gate, watch = LoginGate(), Watch()
    await asyncio.gather(*(watch.session(gate, let_in=False) for _ in range(8)))
    assert watch.most == 1


async def test_after_one_was_let_in_two_at_a_time_open_connections() -> None:
    gate, watch = LoginGate(), Watch()
    await asyncio.gather(*(watch.session(gate, let_in=True) for _ in range(8)))
    assert watch.most == 2


async def test_sessions_for_which_there_are_connections_do_not_wait() -> None:
    gate, watch = LoginGate(), Watch()
    await asyncio.gather(*(watch.session(gate, let_in=True, seconds=0.05) for _ in range(6)))
    watch.most = 0
    await asyncio.gather(*(watch.session(gate, let_in=True) for _ in range(2)))
    assert watch.most == 2
    assert gate.sessions == 0


async def test_one_that_gives_up_waiting_leaves_the_turn_to_the_others() -> None:
    gate = LoginGate()
    async with gate.entered():
        waiting = [asyncio.ensure_future(Watch().session(gate, let_in=True)) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [task.cancelled() for task in waiting] == [True, False, False]
    assert gate.sessions == 0


async def test_under_suspicion_one_at_a_time_tries_again() -> None:
    gate, watch = LoginGate(), Watch()
    async with gate.entered() as held:
        held.logged_in()
        gate.suspect()
        await asyncio.gather(*(watch.session(gate, let_in=False) for _ in range(5)))
    assert watch.most == 1


async def test_after_the_first_pause_of_a_lockout_the_next_ones_are_long_and_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("core.graph.login_gate.time.monotonic", lambda: now)
    error = ClientError("locked out")
    firsts, nexts = set(), set()
    for _ in range(20):
        gate = LoginGate()
        gate.lock_out(error)
        firsts.add(gate.quiet_until - now)
        until = gate.quiet_until
        gate.lock_out(error)
        assert gate.quiet_until == until
        now = until
        gate.lock_out(error)
        nexts.add(gate.quiet_until - now)
    assert {round(first, 6) for first in firsts} == {1.5}
    assert len(nexts) > 15
    assert 3.4 < min(nexts) < max(nexts) < 6.6


async def test_what_the_driver_opens_is_counted_and_a_refused_login_is_not_presented_again(
    scratch_database: EmbeddedNeo4j,
) -> None:
    """``guard`` stands on a private name of the driver: this fails where another version does not have it."""
    async with (
        TcpProxy.to(scratch_database.uri) as proxy,
        neo4j.AsyncGraphDatabase.driver(proxy.uri, auth=("nobody", "canary-nobodys-61ba")) as driver,
    ):
        assert LoginGate().guard(driver, constant=True)

        async def attempt() -> None:
            async with driver.session() as session:
                await session.run("RETURN 1")

        ends = await asyncio.gather(*(attempt() for _ in range(12)), return_exceptions=True)
        assert {type(end) for end in ends} == {AuthError, LoginWithheld}
        assert proxy.refused_logins == 2
        with pytest.raises(LoginWithheld):
            await attempt()
        assert proxy.refused_logins == 2
