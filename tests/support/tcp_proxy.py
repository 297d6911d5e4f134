"""A TCP proxy between a driver and a database: it counts, delays, cuts, and says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Self
from urllib.parse import urlsplit


class TcpProxy:
    """``async with TcpProxy.to(uri) as proxy`` listens on a port of its own; ``proxy.uri`` leads through it.

    ``connections`` counts those that were opened, ``open`` those that are open, ``turns`` how often the client spoke
    after the server had, that is round trips, ``received`` the bytes that the server sent. ``delay`` is in seconds,
    each way. With ``swallow`` new connections are accepted and get no answer; with ``stall`` open ones are left open
    and carry nothing any more, as behind a NAT that has forgotten them. ``refused_logins`` counts the logins that the
    database refused, and ``locked_out`` those that it refused because there were too many. With ``tls`` clients must
    speak TLS, which ends here: the server gets what was inside.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target = (host, port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._client_spoke_last = False
        self.connections = 0
        self.turns = 0
        self.received = 0
        self.refused_logins = 0
        self.locked_out = 0
        self.delay = 0.0
        self.swallow = False
        self.stall: set[int] = set()

    @classmethod
    def to(cls, uri: str | None, *, tls: ssl.SSLContext | None = None) -> Self:
        parts = urlsplit(uri or "")
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(parts.hostname, parts.port, tls)

    @property
    def uri(self) -> str:
        return f"bolt://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()

    async def accept(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Stop listening and cut what is open: new connections are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def open(self) -> int:
        """How many connections are open."""
        return (len(self._tasks) + 1) // 2

    def drop_all(self) -> None:
        """Cut every connection that is open, without a word."""
        for writer in self._writers:
            if writer.transport is not None:
                # Python 3.11.2 (Debian 12) cannot abort a TLS connection that was closed twice; none is left then.
                with contextlib.suppress(AttributeError):
                    writer.transport.abort()
        self._writers.clear()

    def stall_all(self) -> None:
        """Leave every connection that is open now open, and carry nothing on it any more."""
        self.stall.update(range(self.connections + 1))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        if self.swallow:
            return
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        self._writers.add(upstream_writer)
        for source, sink, from_client in ((reader, upstream_writer, True), (upstream_reader, writer, False)):
            task = asyncio.create_task(self._pump(source, sink, number, from_client=from_client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, number: int, *, from_client: bool
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(self._send(queue, sink))
        loop = asyncio.get_running_loop()
        try:
            while data := await source.read(65536):
                if number in self.stall:
                    continue
                if from_client and not self._client_spoke_last:
                    self.turns += 1
                self._client_spoke_last = from_client
                if not from_client:
                    self.received += len(data)
                    self.refused_logins += data.count(b"Neo.ClientError.Security.Unauthorized")
                    self.locked_out += data.count(b"Neo.ClientError.Security.AuthenticationRateLimit")
                queue.put_nowait((loop.time() + self.delay, data))
        except (ConnectionError, OSError):
            pass
        finally:
            queue.put_nowait((loop.time() + self.delay, b""))
            await sending

    async def _send(self, queue: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        """Pass on what is in ``queue``, each piece when its time has come: a delay does not narrow the way."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                due, data = await queue.get()
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                if not data:
                    return
                sink.write(data)
                await sink.drain()
        except (ConnectionError, OSError):
            pass
        finally:
            sink.close()
