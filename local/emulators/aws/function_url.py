"""A function URL as real HTTP: it verifies callers by its AuthType, and passes an event to the function.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html ,
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html (errors), and
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html .
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from local.emulators.aws.account import Account
from local.emulators.aws.environment import Function, FunctionFailed, Throttled
from local.emulators.aws.events import BadResponse, event_of, http_response
from local.emulators.aws.sigv4 import SignatureRefused, SignedRequest, SigV4Verifier
from local.emulators.http_front import Answer, HttpFront, body_of, json_answer

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

__all__ = ["FunctionUrl"]

_LARGEST_REQUEST = 6 * 1024 * 1024

_LARGEST_ANSWER = 6_291_556
"""Bytes of what the function returns, encoded as JSON once more by the runtime (3.12 and later: not in ASCII).

Source: the message of ``Function.ResponseSizeTooLarge``; ``lambda_runtime_marshaller`` of awslambdaric.
"""


class FunctionUrl(HttpFront):
    """The URL of ``function``, as an ASGI app.

    With ``account``, it has AuthType AWS_IAM: the request must be signed by someone in that account who may call
    ``function_arn``. Without, it has AuthType NONE.
    """

    def __init__(self, function: Function, function_arn: str, account: Account | None = None) -> None:
        self._function = function
        # One more than there are environments: it tells the next caller that there is no place.
        self._threads = ThreadPoolExecutor(function.concurrency + 1, thread_name_prefix="function URL")
        self._arn = function_arn
        self._account = account
        self._verifier = SigV4Verifier(account.key, region=account.region) if account is not None else None

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Verify who calls, pass the event to the function, and return its answer."""
        body = await body_of(receive, _LARGEST_REQUEST)
        if body is None:
            return _error(413, "RequestEntityTooLargeException", "Request must be smaller than 6291456 bytes.")
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        raw_path, query = scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii")
        request = SignedRequest(scope["method"], raw_path, query, headers, body)
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
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._invoke, event)

    def _invoke(self, event: dict[str, Any]) -> Answer:
        try:
            answer = self._function.invoke(event)
            if len(json.dumps(answer, ensure_ascii=False).encode()) > _LARGEST_ANSWER:
                return _error(502, "ServiceException", "Internal Server Error")
            return http_response(answer)
        except Throttled:
            return _error(429, "TooManyRequestsException", "Rate Exceeded.")
        except (FunctionFailed, BadResponse):
            return _error(502, "ServiceException", "Internal Server Error")


def _error(status: int, kind: str, message: str) -> Answer:
    return json_answer(status, {"Message": message}, [("x-amzn-errortype", kind)])
