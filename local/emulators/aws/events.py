"""Requests and responses of a function URL as Lambda's events: payload format 2.0.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads .
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.emulators.aws.sigv4 import SignedRequest

__all__ = ["BadResponse", "event_of", "http_response"]

_TEXT = ("application/json", "application/xml", "application/javascript", "application/x-www-form-urlencoded")


class BadResponse(Exception):
    """What the function returned is not a response."""


def event_of(request: SignedRequest, *, domain: str, account: str, iam: Mapping[str, Any] | None) -> dict[str, Any]:
    """The event for ``request``; ``iam`` describes the caller if the URL has AuthType AWS_IAM."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        # The front verifies the signature; the function learns who signed instead.
        if name == "cookie" or (name == "authorization" and iam is not None):
            continue
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    now = time.time()
    headers |= {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
        "x-amzn-trace-id": f"Root=1-{int(now):08x}-{uuid.uuid4().hex[:24]}",
    }
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    text = _as_text(request.body) if kind.startswith("text/") or kind in _TEXT else None
    body = base64.b64encode(request.body).decode() if text is None else text
    prefix = domain.partition(".")[0]
    context: dict[str, Any] = {
        "accountId": account if iam is not None else "anonymous",
        "apiId": prefix,
        "domainName": domain,
        "domainPrefix": prefix,
        "http": {
            "method": request.method,
            "path": unquote(request.raw_path),
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": str(uuid.uuid4()),
        "routeKey": "$default",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }
    if iam is not None:
        context["authorizer"] = {"iam": dict(iam)}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.raw_path,
        "rawQueryString": request.raw_query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": text is None and bool(request.body),
    }
    if request.body:
        event["body"] = body
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(request.raw_query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    if parameters:
        event["queryStringParameters"] = parameters
    cookies = [crumb.strip() for name, value in request.headers if name == "cookie" for crumb in value.split(";")]
    if cookies:
        event["cookies"] = cookies
    return event


def _as_text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def http_response(answer: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of what a function returned.

    Raises:
        BadResponse: It is not a response.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        raise BadResponse("the function returned no status")
    try:
        status = int(answer["statusCode"])
        headers = [(str(name).lower(), str(value)) for name, value in (answer.get("headers") or {}).items()]
        headers += [("set-cookie", str(cookie)) for cookie in answer.get("cookies") or ()]
        body = answer.get("body") or ""
        raw = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else str(body).encode()
    except (TypeError, ValueError) as error:
        raise BadResponse("the function returned no response") from error
    return status, headers, raw
