"""The Lambda function as a Lambda target of an AgentCore Gateway: ``aws_lambda.gateway.handler``.

The gateway sends only the tool's arguments, and names the tool in the client context. It names no caller: every call
counts as one of the principal in ``NEO4J_M2M_GATEWAY_PRINCIPAL``, by which the policy knows the gateway. Whoever may
invoke this function is that principal, so only the gateway's role should be allowed to.

Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/gateway-add-target-lambda.html .
"""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolRequestParams

from aws_lambda.app import MARGIN, application, logger, loop, refused, report, settings
from aws_lambda.payload import LARGEST_PAYLOAD, payload_size
from core.access.limits import TooManyCalls
from core.application import NOT_ADMITTED, TOO_LARGE, Application
from core.deadline import Deadline
from core.errors import SettingsError
from core.http import MCP_PATH, Request
from core.identity.principal import Principal
from core.misconfigured import Misconfigured
from core.server import run_tool

__all__ = ["handler"]

_NAME = "bedrockAgentCoreToolName"
_DELIMITER = "___"
"""Stands between the target's name and the tool's name."""

_server: Application | Misconfigured = application
if settings.gateway_principal is None and not isinstance(application, Misconfigured):
    _server = Misconfigured(
        SettingsError(
            "NEO4J_M2M_GATEWAY_PRINCIPAL is not set: set it to the name by which the policy knows the gateway."
        )
    )

_PRINCIPAL = Principal(
    platform="aws",
    kind="service_principal",
    id=settings.gateway_principal or "",
    name="AgentCore Gateway",
    proved_by="lambda invoke permission",
    issuer="aws lambda",
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Run the tool that the client context names with the arguments in ``event``.

    Returns the tool's structured content; of a failed call ``{"isError": true, "message": …}``.
    """
    try:
        if isinstance(_server, Misconfigured):
            request = Request("INVOKE", MCP_PATH, (), b"", context.aws_request_id)
            return _failed(refused(_server, request).body.decode().strip())
        return loop.run_until_complete(_answer(_server, event, context))
    finally:
        report()


async def _answer(application: Application, event: Any, context: Any) -> dict[str, Any]:
    custom = getattr(getattr(context, "client_context", None), "custom", None) or {}
    name = str(custom.get(_NAME, "")).rpartition(_DELIMITER)[2]
    with application.audit.record(context.aws_request_id) as record:
        record.asked("tools/call")
        grant = application.admit(_PRINCIPAL, record)
        if grant is None:
            return _failed(NOT_ADMITTED)
        tool = application.tools.get(name)
        if tool is None or not isinstance(event, dict):
            record.answered("unknown_tool")
            return _failed("This server has no such tool, or it was called without arguments.")
        deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - MARGIN)
        request_id = context.aws_request_id
        try:
            with application.counted(_PRINCIPAL, grant, record) as used:
                call = application.open_call(_PRINCIPAL, grant, request_id, record, deadline, database_time=used)
                result = await run_tool(tool, call, CallToolRequestParams(name=name, arguments=event))
        except TooManyCalls as refusal:
            return _failed(str(refusal))
        text = "\n".join(part.text for part in result.content if part.type == "text")
        answer = _failed(text) if result.is_error else dict(result.structured_content or {})
        size = payload_size(answer)
        if size > LARGEST_PAYLOAD:
            record.answered("too_large")
            answer = _failed(TOO_LARGE)
            size = payload_size(answer)
        record.sent(size)
        return answer


def _failed(message: str) -> dict[str, Any]:
    return {"isError": True, "message": message}
