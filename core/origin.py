"""On whose behalf a statement runs: known to everything in a call, and reported to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.stopwatch import Stopwatch

if TYPE_CHECKING:
    from pydantic import SecretStr

    from core.identity.principal import Principal

__all__ = ["Origin", "asked_by", "current_origin"]

_LONGEST = 256
"""Maximum characters of one value that is reported to the database."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who called, with which tool, in which request of the platform.

    ``subject_token`` is the token of the calling user, for databases that are logged in to on behalf of users.
    ``database_time`` measures how long statements hold a connection.
    """

    principal: Principal
    request_id: str
    tool: str
    subject_token: SecretStr | None = field(default=None, repr=False)
    database_time: Stopwatch = field(default_factory=Stopwatch, repr=False, compare=False)

    def metadata(self) -> dict[str, str]:
        """What the transaction reports about itself in ``SHOW TRANSACTIONS`` and in the query log.

        Source: https://neo4j.com/docs/operations-manual/current/monitoring/logging/#attach-metadata-tx .
        A caller cannot change it: no statement that is allowed may call ``tx.setMetaData``.
        """
        said = {
            "app": "neo4j-m2m",
            "principal": self.principal.id,
            "principal_kind": self.principal.kind,
            "platform": self.principal.platform,
            "request_id": self.request_id,
            "tool": self.tool,
        }
        return {name: value[:_LONGEST] for name, value in said.items()}


_ORIGIN: ContextVar[Origin | None] = ContextVar("origin", default=None)


def current_origin() -> Origin | None:
    """On whose behalf the current task works; None for the server's own work, such as a health check."""
    return _ORIGIN.get()


@contextmanager
def asked_by(origin: Origin) -> Iterator[None]:
    """Whatever runs inside runs on behalf of ``origin``."""
    token = _ORIGIN.set(origin)
    try:
        yield
    finally:
        _ORIGIN.reset(token)
