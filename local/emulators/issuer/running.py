"""The issuer on a port of the loopback interface, in a thread of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from local.emulators.issuer.app import IssuerApp
from local.emulators.issuer.issuer import Issuer
from local.emulators.loopback_server import served

__all__ = ["RunningIssuer", "running_issuer"]


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
    """Serve ``issuer`` on ``port`` of the loopback interface, 0 for any free one, while the context lasts.

    Raises:
        LocalError: The port is taken, or the server does not start.
    """
    app = IssuerApp(issuer)
    with served(app, name="the token issuer", port=port, bound=lambda url: setattr(issuer, "url", url)):
        yield RunningIssuer(issuer, app)
