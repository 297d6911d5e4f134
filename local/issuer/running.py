"""The issuer on a port of the loopback interface, in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn

from core.errors import LocalError
from local.issuer.app import IssuerApp
from local.issuer.issuer import Issuer

__all__ = ["RunningIssuer", "running_issuer"]

_START_SECONDS = 10.0


@dataclass(frozen=True)
class RunningIssuer:
    """An issuer that is served: its origin ``url``, and the ``app``, which counts its requests."""

    issuer: Issuer
    app: IssuerApp

    @property
    def url(self) -> str:
        """The origin, such as ``http://127.0.0.1:49152``."""
        return self.issuer.url


@contextlib.contextmanager
def running_issuer(issuer: Issuer, *, port: int = 0) -> Iterator[RunningIssuer]:
    """Serve ``issuer`` on ``port`` of the loopback interface, 0 for any that is free, while the context lasts.

    Raises:
        LocalError: The port is taken, or the server does not start.
    """
    app = IssuerApp(issuer)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise LocalError(f"Port {port} for the token issuer cannot be had: {error.strerror}.") from None
        issuer.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="token issuer", daemon=True)
        thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        if not server.started:
            raise LocalError("The token issuer did not start.")
        try:
            yield RunningIssuer(issuer, app)
        finally:
            server.should_exit = True
            thread.join(_START_SECONDS)
