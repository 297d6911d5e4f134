"""A function URL as real HTTP: who calls is verified as its AuthType says, and the function gets an event.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html ,
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html (errors), and
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html .
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from local.aws.account import Account
from local.aws.environment import Function, FunctionFailed, Throttled
from local.aws.events import BadResponse, event_of, http_response
from local.aws.sigv4 import SignatureRefused, SignedRequest, SigV4Verifier

__all__ = ["FunctionUrl"]

_LARGEST = 6 * 1024 * 1024

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_Answer = tuple[int, list[tuple[str, str]], bytes]


class FunctionUrl:
    """The URL of ``function``, as an ASGI app.

    With ``account`` it has AuthType AWS_IAM: the request must be signed by somebody in that account who may call
    ``function_arn``. Without, it has AuthType NONE.
    """

    def __init__(self, function: Function, function_arn: str, account: Account | None = None) -> None:
        self._function = function
        self._arn = function_arn
        self._account = account
        self._verifier = SigV4Verifier(account.key, region=account.region) if account is not None else None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request.

        Raises:
            RuntimeError: The scope is not one of HTTP; for ``lifespan`` that says that there is none.
        """
        if scope["type"] != "http":
            raise RuntimeError(f"a function URL serves http only, not {scope['type']}")
        status, headers, body = await self._answer(scope, receive)
        pairs = [(name, value) for name, value in headers if name not in ("content-length", "connection")]
        pairs.append(("content-length", str(len(body))))
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive) -> _Answer:
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > _LARGEST:
                return _error(413, "RequestEntityTooLargeException", "Request must be smaller than 6291456 bytes.")
            if not message.get("more_body", False):
                break
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        raw_path, query = scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii")
        request = SignedRequest(scope["method"], raw_path, query, headers, bytes(body))
        iam = None
        if self._account is not None and self._verifier is not None:
            try:
                key = self._verifier.verify(request)
            except SignatureRefused as refusal:
                return _error(403, refusal.kind, str(refusal))
            if not self._account.may_call(key, self._arn):
                return _error(403, "AccessDeniedException", "Forbidden")
            iam = self._account.described(key)
        host = next((value for name, value in headers if name == "host"), "localhost")
        account = self._account.id if self._account is not None else "anonymous"
        event = event_of(request, domain=host, account=account, iam=iam)
        return await asyncio.to_thread(self._invoke, event)

    def _invoke(self, event: dict[str, Any]) -> _Answer:
        try:
            answer = self._function.invoke(event)
            if len(json.dumps(answer)) > _LARGEST:
                return _error(502, "ServiceException", "Internal Server Error")
            return http_response(answer)
        except Throttled:
            return _error(429, "TooManyRequestsException", "Rate Exceeded.")
        except (FunctionFailed, BadResponse):
            return _error(502, "ServiceException", "Internal Server Error")


def _error(status: int, kind: str, message: str) -> _Answer:
    headers = [("content-type", "application/json"), ("x-amzn-errortype", kind)]
    return status, headers, json.dumps({"Message": message}).encode()
