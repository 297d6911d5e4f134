"""What one call carries on its way from the door to the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.stopwatch import Stopwatch

if TYPE_CHECKING:
    from mcp_types import CallToolResult
    from pydantic import SecretStr

    from core.access.grant import Grant
    from core.audit import AuditRecord
    from core.deadline import Deadline
    from core.finding import Finding
    from core.graph.database import Database
    from core.guard.guard import Guard
    from core.identity.principal import Principal
    from core.schema.cache import SchemaCache
    from core.settings import Settings

__all__ = ["Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call, with everything that a tool's handler needs.

    ``request_id`` is the platform's own id of the request, for logs; ``audit`` the call's record in the audit.
    ``subject_token`` is the token of the user on whose behalf the caller acts, if there is one. ``aside`` takes the
    tool's result where the transport writes it down itself: the SDK would copy a long one several times. ``examine``
    looks at every link from the server's settings to the rights of its database user, for the tool ``doctor``.
    ``database_time`` measures how long the call holds connections to the database.
    """

    principal: Principal
    grant: Grant
    database: Database
    guard: Guard
    schema: SchemaCache
    settings: Settings
    deadline: Deadline
    request_id: str
    audit: AuditRecord
    subject_token: SecretStr | None = field(default=None, repr=False)
    aside: list[CallToolResult] | None = field(default=None, repr=False)
    examine: Callable[[Deadline], Awaitable[list[Finding]]] | None = field(default=None, repr=False)
    database_time: Stopwatch = field(default_factory=Stopwatch, repr=False)
