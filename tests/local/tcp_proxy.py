"""A TCP proxy between a driver and a database, to count connections, to cut them and to say nothing."""

from __future__ import annotations

import asyncio
from typing import Self
from urllib.parse import urlsplit


class TcpProxy:
    """``async with TcpProxy.to(uri) as proxy`` listens on a port of its own; ``proxy.uri`` leads through it."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.swallow = False

    @classmethod
    def to(cls, uri: str | None) -> Self:
        parts = urlsplit(uri or "")
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(parts.hostname, parts.port)

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
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
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

    def drop_all(self) -> None:
        """Cut every connection that is open, without a word."""
        for writer in self._writers:
            if writer.transport is not None:
                writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        if self.swallow:
            return
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        self._writers.add(upstream_writer)
        for source, sink in ((reader, upstream_writer), (upstream_reader, writer)):
            task = asyncio.create_task(_pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except (ConnectionError, OSError):
        pass
    finally:
        sink.close()
