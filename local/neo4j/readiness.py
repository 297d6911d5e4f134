"""Whether the database answers a login, sent only to this program's own JVM."""

from __future__ import annotations

import enum
import socket

import psutil
from pydantic import SecretStr

from local.neo4j.data_directory import USERNAME

__all__ = ["LoginResult", "free_port", "is_port_free", "try_login"]

_LOGIN_SECONDS = 10.0


class LoginResult(enum.Enum):
    """The result of an attempt to log in."""

    NOT_YET = enum.auto()
    ANSWERED = enum.auto()
    REFUSED = enum.auto()


def try_login(jvm_pid: int, port: int, password: SecretStr) -> LoginResult:
    """Log in to the database on ``port`` of loopback, if the process ``jvm_pid`` listens there.

    The password is never sent to another process that happens to have the port.
    """
    if not _listens(jvm_pid, port):
        return LoginResult.NOT_YET
    import neo4j
    from neo4j.exceptions import AuthError, DriverError, Neo4jError

    try:
        with neo4j.GraphDatabase.driver(
            f"bolt://127.0.0.1:{port}",
            auth=(USERNAME, password.get_secret_value()),
            connection_timeout=_LOGIN_SECONDS,
            connection_acquisition_timeout=_LOGIN_SECONDS,
            telemetry_disabled=True,
        ) as driver:
            driver.verify_connectivity()
    except AuthError:
        return LoginResult.REFUSED
    except (DriverError, Neo4jError):
        return LoginResult.NOT_YET
    return LoginResult.ANSWERED


def is_port_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _listens(pid: int, port: int) -> bool:
    """Whether the process ``pid`` listens on ``port``. First it checks whether any process does: that is cheaper."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return False
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        for connection in connections
    )
