"""Small messages to the database go out at once, instead of waiting until the one before was acknowledged."""

from __future__ import annotations

import importlib
import logging
import socket
from typing import Any

__all__ = ["send_at_once"]

logger = logging.getLogger(__name__)


def send_at_once() -> bool:
    """Let every connection that the driver opens from now on have TCP_NODELAY; returns whether that is possible.

    Opening a connection, above all with TLS, is a series of small messages. asyncio sets TCP_NODELAY only on sockets
    that were made with the protocol TCP by name, and the asynchronous driver (6.4) makes its own without. Its
    synchronous side sets the option itself. After the driver has opened a connection it is too late: the TLS handshake
    is over.

    The driver has no public place for this: a private name, in this function alone. A test says whether it still holds.
    """
    try:
        place: Any = importlib.import_module("neo4j._async_compat.network._bolt_socket")
    except ImportError:
        place = None
    if getattr(place, "socket", None) not in (socket.socket, _tcp_socket):
        logger.warning("this version of the driver does not let TCP_NODELAY be set; opening a connection takes longer")
        return False
    place.socket = _tcp_socket
    return True


def _tcp_socket(family: socket.AddressFamily) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
