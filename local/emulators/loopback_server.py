"""An ASGI app on a port of the loopback interface, in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from core.errors import LocalError

__all__ = ["listening", "served"]

_START_SECONDS = 10.0


@contextlib.contextmanager
def listening(port: int, *, name: str) -> Iterator[socket.socket]:
    """A socket bound to ``port`` of the loopback interface, 0 for any free one, for what is called ``name``.

    Raises:
        LocalError: The port is taken.
    """
    # The protocol is named, since asyncio turns Nagle's algorithm off only if it can see that it is TCP.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise LocalError(f"Port {port} for {name} is not available: {error.strerror}.") from None
        yield listener


@contextlib.contextmanager
def served(
    app: Any,
    *,
    name: str,
    port: int = 0,
    bound: Callable[[str], None] | None = None,
    certificate: Path | None = None,
) -> Iterator[str]:
    """Serve ``app`` on ``port`` of the loopback interface, 0 for any free one, while the context lasts.

    Yields its origin, such as ``http://127.0.0.1:49152``; ``bound`` is called with it before the first request.
    ``name`` names the app in errors. With ``certificate``, a PEM file that also holds the key, it is served over TLS.

    Raises:
        LocalError: The port is taken, or the server does not start.
    """
    with listening(port, name=name) as listener:
        url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{listener.getsockname()[1]}"
        if bound is not None:
            bound(url)
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            ssl_certfile=certificate,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=name, daemon=True)
        thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        if not server.started:
            raise LocalError(f"The server of {name} did not start.")
        try:
            yield url
        finally:
            if certificate is not None:
                # A client that has left does not say goodbye in TLS, and the server would wait for that, and give up.
                server.servers[0].get_loop().call_soon_threadsafe(_cut, server)
            server.should_exit = True
            thread.join(_START_SECONDS)


def _cut(server: uvicorn.Server) -> None:
    for connection in list(server.server_state.connections):
        transport: Any = getattr(connection, "transport", None)
        if transport is not None:
            # Python 3.11.2 (Debian 12) cannot abort a TLS connection that was closed twice; none is left then.
            with contextlib.suppress(AttributeError):
                transport.abort()
