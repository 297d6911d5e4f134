"""One JSON-RPC message in a POST body, in either era of the protocol, served by the SDK one request at a time.

Up to 2025-11-25 a connection begins with a handshake; since 2026-07-28 every request carries an envelope and stands
alone. The ``MCP-Protocol-Version`` header says which rules a request follows; without one it is 2025-03-26, as
https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#protocol-version-header says. Both are
answered without a session: a server that only answers has nothing to remember between the two halves of a handshake.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_one
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundLadderRejection,
    classify_inbound_request,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
)
from mcp_types import (
    DEFAULT_NEGOTIATED_VERSION,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    CallToolResult,
    ErrorData,
    JSONRPCNotification,
    JSONRPCRequest,
    RequestId,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, SUPPORTED_PROTOCOL_VERSIONS
from pydantic import ValidationError

from core.call import Call
from core.one_exchange import OneExchange
from core.strict_json import NotJson, strict_json
from core.tools.answer import written

__all__ = ["Exchange", "answer_post", "instead_of"]

logger = logging.getLogger(__name__)

Headers = tuple[tuple[str, str], ...]

_LONGEST_ID = 1_000
"""Characters of a request's id that are repeated in an answer that has to be short."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The outcome of one POST: an HTTP status, and the JSON body, or None where there is nothing to say."""

    status: int
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Refused(Exception):
    """A message that is answered with a JSON-RPC error before any handler sees it."""

    status: int
    error: ErrorData
    request_id: RequestId | None = None


async def answer_post(server: Server[Call], headers: Headers, body: bytes, call: Call) -> Exchange:
    """Answer the one JSON-RPC message in ``body``.

    A request gets 200 and its result, or the JSON-RPC error and the status that the specification maps it to; a
    notification gets 202. No library's own wording reaches the answer.
    """
    try:
        folded = _fold(headers)
        _check_content_headers(folded)
        message = _parse(body)
        if "id" not in message:
            call.audit.asked(str(message.get("method")))
            return _accept_notification(message, folded)
        request = _parse_request(message)
        call.audit.asked(request.method)
        version = folded.get(MCP_PROTOCOL_VERSION_HEADER)
        if _is_handshake_era(version, message):
            return await _answer_handshake_era(server, request, version or DEFAULT_NEGOTIATED_VERSION, call)
        if version is not None and not _has_envelope(message):
            _check_version(version, request.id)
        return await _answer_modern(server, request, message, headers, folded, call)
    except _Refused as refused:
        call.audit.answered("protocol_error")
        return _error(refused.status, refused.request_id, refused.error)


def _fold(headers: Headers) -> dict[str, str]:
    """The headers by name; if one was sent twice, the first."""
    folded: dict[str, str] = {}
    for name, value in headers:
        folded.setdefault(name, value)
    return folded


def _check_content_headers(folded: Mapping[str, str]) -> None:
    content_type = folded.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise _Refused(415, ErrorData(code=INVALID_REQUEST, message="Content-Type must be application/json"))
    # A client that says nothing accepts anything (RFC 9110, section 12.5.1); one that excludes JSON cannot be served.
    accepted = folded.get("accept")
    if accepted is not None:
        kinds = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
        if not kinds & {"application/json", "application/*", "*/*"}:
            raise _Refused(406, ErrorData(code=INVALID_REQUEST, message="Accept must include application/json"))


def _parse(body: bytes) -> dict[str, Any]:
    try:
        message = strict_json(body)
    except NotJson as problem:
        raise _Refused(400, ErrorData(code=PARSE_ERROR, message=str(problem))) from None
    if isinstance(message, list):
        error = ErrorData(code=INVALID_REQUEST, message="Batches are not served: send one message in each request")
        raise _Refused(400, error)
    if not isinstance(message, dict):
        raise _Refused(400, ErrorData(code=INVALID_REQUEST, message="The body must be one JSON-RPC message"))
    return message


def _parse_request(message: dict[str, Any]) -> JSONRPCRequest:
    try:
        request = JSONRPCRequest.model_validate(message)
        f"{request.id}{request.method}".encode()  # half of a surrogate pair could not be answered
    except (ValidationError, UnicodeEncodeError):
        error = ErrorData(
            code=INVALID_REQUEST,
            message='A request needs "jsonrpc": "2.0", an "id" that is a string or an integer, and a "method"',
        )
        raise _Refused(400, error) from None
    return request


def _accept_notification(message: dict[str, Any], folded: Mapping[str, str]) -> Exchange:
    """A notification is acknowledged and dropped: no request outlives its own POST, so there is nothing to act on."""
    try:
        JSONRPCNotification.model_validate(message)
    except ValidationError:
        error = ErrorData(code=INVALID_REQUEST, message="The body must be one JSON-RPC message")
        raise _Refused(400, error) from None
    version = folded.get(MCP_PROTOCOL_VERSION_HEADER)
    if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
        _check_version(version, None)
    return Exchange(202)


def _check_version(version: str, request_id: RequestId | None) -> None:
    """Refuse a ``version`` in the header that does not exist, by the name of the header.

    A body without an envelope says no version itself, so that nothing but the header can be wrong.
    """
    rejection = unsupported_protocol_version_rejection(version)
    if rejection is None:
        return
    data = {"supported": list(SUPPORTED_PROTOCOL_VERSIONS), "requested": version[:_LONGEST_ID]}
    message = "The header MCP-Protocol-Version names a version that this server does not speak"
    raise _Refused(400, ErrorData(code=rejection.code, message=message, data=data), request_id)


def _is_handshake_era(version: str | None, message: Mapping[str, Any]) -> bool:
    if version is not None:
        return version in HANDSHAKE_PROTOCOL_VERSIONS
    # No header means 2025-03-26, unless the body says that the sender speaks a newer one and forgot the header.
    return not _has_envelope(message)


def _has_envelope(message: Mapping[str, Any]) -> bool:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta


async def _answer_handshake_era(server: Server[Call], request: JSONRPCRequest, version: str, call: Call) -> Exchange:
    connection = Connection.from_envelope(version, None, None)
    outcome = await _serve(server, request, connection, call)
    # These revisions define no status for a JSON-RPC error that answers a well-formed request.
    return _result(200, request.id, outcome)


async def _answer_modern(
    server: Server[Call],
    request: JSONRPCRequest,
    message: Mapping[str, Any],
    headers: Headers,
    folded: Mapping[str, str],
    call: Call,
) -> Exchange:
    duplicated = find_duplicated_routing_header(headers)
    if duplicated is not None:
        error = ErrorData(code=HEADER_MISMATCH, message=f"The header {duplicated} appears more than once")
        raise _Refused(400, error, request.id)
    route = classify_inbound_request(message, headers=folded)
    if isinstance(route, InboundLadderRejection):
        raise _refusal(route, request.id)
    _check_param_headers(server, request, folded)
    connection = Connection.from_envelope(route.protocol_version, route.client_info, route.client_capabilities)
    outcome = await _serve(server, request, connection, call)
    status = ERROR_CODE_HTTP_STATUS.get(outcome.code, 200) if isinstance(outcome, ErrorData) else 200
    return _result(status, request.id, outcome)


def _check_param_headers(server: Server[Call], request: JSONRPCRequest, folded: Mapping[str, str]) -> None:
    """``Mcp-Param-*`` headers must agree with the arguments that they mirror."""
    params = request.params or {}
    name, arguments = params.get("name"), params.get("arguments")
    if request.method != "tools/call" or not isinstance(name, str) or server.get_tool_input_schema is None:
        return
    schema = server.get_tool_input_schema(name)
    if schema is None:
        return
    rejection = validate_mcp_param_headers(schema, arguments if isinstance(arguments, dict) else {}, folded)
    if rejection is not None:
        raise _refusal(rejection, request.id)


async def _serve(
    server: Server[Call], request: JSONRPCRequest, connection: Connection, call: Call
) -> dict[str, Any] | ErrorData:
    results: list[CallToolResult] = []
    try:
        outcome = await serve_one(
            server,
            OneExchange(request.id),
            request.method,
            request.params,
            connection=connection,
            lifespan_state=replace(call, aside=results),
        )
    except MCPError as error:
        _note(call, "protocol_error")
        return _reworded(error.error)
    except ValidationError:
        _note(call, "protocol_error")
        return ErrorData(code=INVALID_PARAMS, message="The request's parameters do not fit its method")
    except Exception as error:  # noqa: BLE001 - nothing unforeseen may reach the wire
        logger.error("request %s failed: %s", call.request_id, type(error).__name__)
        _note(call, "failed")
        return ErrorData(code=INTERNAL_ERROR, message="This server failed while it answered")
    for result in results:
        outcome |= written(result)
    return outcome


def _note(call: Call, outcome: str) -> None:
    if not call.audit.has_outcome:
        call.audit.answered(outcome)


def _reworded(error: ErrorData) -> ErrorData:
    if error.code == METHOD_NOT_FOUND:
        return ErrorData(code=error.code, message="This server has no such method", data=error.data)
    return error


def _refusal(rejection: InboundLadderRejection, request_id: RequestId | None) -> _Refused:
    error = ErrorData(code=rejection.code, message=rejection.message, data=rejection.data)
    return _Refused(ERROR_CODE_HTTP_STATUS.get(rejection.code, 400), error, request_id)


def _result(status: int, request_id: RequestId, outcome: dict[str, Any] | ErrorData) -> Exchange:
    if isinstance(outcome, ErrorData):
        return _error(status, request_id, outcome)
    return Exchange(status, _encode({"jsonrpc": "2.0", "id": request_id, "result": outcome}))


def instead_of(body: bytes, reason: str) -> Exchange:
    """The answer to send in place of ``body``, a whole JSON-RPC answer that is too large to send.

    A tool's result becomes an ``isError`` result with ``reason``; anything else becomes an error of the protocol. The
    id stays, unless it is what makes the answer large.
    """
    message = json.loads(body)
    result = message.get("result")
    kept = message.get("id")
    request_id = kept if len(str(kept)) <= _LONGEST_ID else None
    if request_id is None or not isinstance(result, dict) or "content" not in result:
        return _error(200, request_id, ErrorData(code=INTERNAL_ERROR, message=reason))
    short = {**result, "content": [{"type": "text", "text": reason}], "isError": True}
    short.pop("structuredContent", None)
    return Exchange(200, _encode({"jsonrpc": "2.0", "id": request_id, "result": short}))


def _error(status: int, request_id: RequestId | None, error: ErrorData) -> Exchange:
    fields = error.model_dump(mode="json", by_alias=True, exclude_none=True)
    return Exchange(status, _encode({"jsonrpc": "2.0", "id": request_id, "error": fields}))


def _encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
