"""What stands before Secrets Manager in tests: it counts, throttles, is away; and what gives a role's keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from core.asgi import Receive, Scope, Send


class StoreFront:
    """An ASGI app that passes requests on to ``endpoint``, but for the next ``throttled``, and while it is ``away``.

    While ``key_is_off``, it refuses as Secrets Manager does when KMS does not let it use the secret's key.

    The signature stays good: all headers are passed on, the host that was asked for among them.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.asked = 0
        self.throttled = 0
        self.away = False
        self.key_is_off = False
        self.signers: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            received = await receive()
            body += received.get("body", b"")
            more = received.get("more_body", False)
        self.asked += 1
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        authorization = dict(headers).get("authorization", "")
        self.signers.append(authorization.partition("Credential=")[2].partition("/")[0])
        if self.away:
            status, content = 503, b""
        elif self.key_is_off:
            refusal = {"__type": "AccessDeniedException", "message": "Access to KMS is not allowed"}
            status, content = 400, json.dumps(refusal).encode()
        elif self.throttled:
            self.throttled -= 1
            status, content = 400, json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode()
        else:
            async with httpx2.AsyncClient(trust_env=False) as client:
                answer = await client.post(self._endpoint + scope["path"], content=body, headers=headers)
            status, content = answer.status_code, answer.content
        kind = [(b"content-type", b"application/x-amz-json-1.1")]
        await send({"type": "http.response.start", "status": status, "headers": kind})
        await send({"type": "http.response.body", "body": content})


class ContainerCredentials:
    """An ASGI app that gives the keys of the function's role to who has the token, as Lambda does with SnapStart.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html .
    """

    def __init__(self, token: str, keys: Callable[[], dict[str, str]]) -> None:
        self._token = token
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        keys = self._keys()
        answer: dict[str, Any] = {"code": "AccessDenied", "message": "the token is wrong"}
        admitted = headers.get(b"authorization", b"").decode() == self._token
        if admitted:
            answer = {
                "AccessKeyId": keys["aws_access_key_id"],
                "SecretAccessKey": keys["aws_secret_access_key"],
                "Token": keys["aws_session_token"],
                "Expiration": (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        kind = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200 if admitted else 401, "headers": kind})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
