"""What one call carries on its way from the door to the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import SecretStr

    from core.audit import Line
    from core.deadline import Deadline
    from core.graph.connection import Graph
    from core.graph.guard import Guard
    from core.graph.schema import SchemaCache
    from core.identity.grant import Grant
    from core.identity.principal import Principal
    from core.settings import Settings

__all__ = ["Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call, with all that a tool's handler needs.

    ``request_id`` is the platform's own id of the request, for logs; ``line`` the call's line in the audit.
    ``subject_token`` is the token of the user on whose behalf the caller acts, if there is one.
    """

    principal: Principal
    grant: Grant
    graph: Graph
    guard: Guard
    schema: SchemaCache
    settings: Settings
    deadline: Deadline
    request_id: str
    line: Line
    subject_token: SecretStr | None = field(default=None, repr=False)
