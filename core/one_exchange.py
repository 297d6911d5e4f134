"""The SDK's context of a request that is answered once, with no way back to the client meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.message import MessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import RequestId

__all__ = ["OneExchange"]

logger = logging.getLogger(__name__)

_TRANSPORT = TransportContext(kind="streamable-http", can_send_request=False)


@dataclass(slots=True)
class OneExchange:
    """The SDK's ``DispatchContext`` for a request that is answered once, with no way back to the client meanwhile."""

    request_id: RequestId | None
    transport: TransportContext = _TRANSPORT
    message_metadata: MessageMetadata = None
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)
    can_send_request: bool = False

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        logger.debug("dropped %s: the answer is one JSON message", method)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        logger.debug("dropped a progress notification: the answer is one JSON message")
