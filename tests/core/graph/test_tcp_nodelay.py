from __future__ import annotations

import socket

import pytest
from neo4j._async_compat.network import _bolt_socket

from core.credentials.sources import FixedCredential
from core.deadline import Deadline
from core.graph.pool import Pool
from core.graph.tcp_nodelay import send_at_once
from core.settings import Settings


async def test_the_drivers_connections_send_at_once(settings: Settings) -> None:
    """``send_at_once`` stands on a private name of the driver: this fails where another version does not have it."""
    pool = Pool(settings, FixedCredential(settings))
    async with pool.lease(Deadline.after(20), database=None) as lease:
        await (await lease.run("RETURN 1", {})).consume()  # type: ignore[arg-type]
    assert pool._connected is not None
    opened = [one for several in pool._connected.driver._pool.connections.values() for one in several]
    found = [one.socket._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in opened]
    await pool.close()
    assert found == [1]


def test_a_driver_that_makes_its_sockets_elsewhere_is_said_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(_bolt_socket, "socket")
    assert not send_at_once()
    assert "TCP_NODELAY" in caplog.text
    assert not hasattr(_bolt_socket, "socket")
