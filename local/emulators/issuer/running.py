"""The issuer on a port of the loopback interface, in a thread of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.emulators.issuer.app import IssuerApp
from local.emulators.issuer.issuer import Issuer
from local.emulators.loopback_server import served

__all__ = ["RunningIssuer", "running_issuer", "secure_face"]


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
def secure_face(issuer: Issuer, certificate: Path) -> Iterator[str]:
    """Serve ``issuer`` over TLS, besides; yields the origin.

    Its metadata names this origin, for clients that take no other, such as azure-identity. Its tokens are the issuer's.
    ``certificate`` is a PEM file that also holds the key.

    Raises:
        LocalError: The server does not start.
    """
    app = IssuerApp(issuer)
    with served(
        app,
        name="the token issuer over TLS",
        bound=lambda url: setattr(app, "own_url", url),
        certificate=certificate,
    ) as url:
        yield url


@contextlib.contextmanager
def running_issuer(issuer: Issuer, *, port: int = 0) -> Iterator[RunningIssuer]:
    """Serve ``issuer`` on ``port`` of the loopback interface, 0 for any free one, while the context lasts.

    Raises:
        LocalError: The port is taken, or the server does not start.
    """
    app = IssuerApp(issuer)
    with served(app, name="the token issuer", port=port, bound=lambda url: setattr(issuer, "url", url)):
        yield RunningIssuer(issuer, app)
