"""The door on a port of the loopback interface, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from core.errors import LocalError
from local.emulators.loopback_server import listening
from tests.support.bolt_front.connection import FrontConnection
from tests.support.bolt_front.rules import Backend, FrontRules, Logins

__all__ = ["RunningBoltFront", "running_bolt_front"]

_START_SECONDS = 10.0
_STOP_SECONDS = 2.0


class RunningBoltFront:
    """A door that is open: ``uri`` leads to it, ``logins`` counts who came.

    ``uri`` is ``bolt://127.0.0.1:PORT``. With ``neo4j://`` a driver would ask for a routing table, and that names the
    database behind.
    """

    def __init__(self, rules: FrontRules, backend: Backend, port: int) -> None:
        self.rules = rules
        self.backend = backend
        self.logins = Logins()
        self.uri = f"bolt://127.0.0.1:{port}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def drop_connections(self) -> None:
        """Cut every client's connection at once; those that were open are gone when this returns.

        Raises:
            LocalError: It took too long.
        """
        if self._loop is None or self._loop.is_closed():
            return
        try:
            asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(_STOP_SECONDS)
        except TimeoutError:
            raise LocalError("The Bolt front did not drop its connections in time.") from None

    def stop(self) -> None:
        """Close the door."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _cut(self) -> None:
        cut = list(self._tasks)
        for task in cut:
            task.cancel()
        await asyncio.gather(*cut, return_exceptions=True)

    async def run(self, listener: socket.socket, ready: threading.Event) -> None:
        """Serve on ``listener`` until stopped."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, sock=listener)
        ready.set()
        await self._stop.wait()
        server.close()
        await self._cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.logins.count_connection()
        try:
            await FrontConnection((reader, writer), self.rules, self.backend, self.logins).serve()
        except asyncio.CancelledError:
            # Not raised again: asyncio's own callback would take it for a failure.
            writer.transport.abort()  # a client that does not read must not keep it open
        finally:
            self._tasks.discard(task)
            writer.close()


@contextlib.contextmanager
def running_bolt_front(backend: Backend, rules: FrontRules, *, port: int = 0) -> Iterator[RunningBoltFront]:
    """Keep the door open on ``port`` of the loopback interface, 0 for any that is free, while the context lasts.

    Raises:
        LocalError: The port is taken, or the door does not open.
    """
    with listening(port, name="the Bolt front") as listener:
        front = RunningBoltFront(rules, backend, listener.getsockname()[1])
        ready = threading.Event()
        thread = threading.Thread(
            target=lambda: asyncio.run(front.run(listener, ready)), name="bolt front", daemon=True
        )
        thread.start()
        if not ready.wait(_START_SECONDS):
            raise LocalError("The Bolt front did not start.")
        try:
            yield front
        finally:
            front.stop()
            thread.join(_STOP_SECONDS)
