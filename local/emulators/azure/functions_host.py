"""The front of a function app as real HTTP: routes, authorization levels and keys, as in the Functions host.

Sources: https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger (routes, levels) and
https://learn.microsoft.com/azure/azure-functions/function-keys-how-to (which keys there are, and where they are sent).
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from local.emulators.azure.worker_process import APP_ROOT, Worker, WorkerFailed
from local.emulators.http_front import Answer, HttpFront, body_of

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

__all__ = ["FunctionsHost", "HostKeys"]

_LARGEST = 104_857_600
"""Bytes of a request; source: https://learn.microsoft.com/azure/azure-functions/functions-app-settings ."""

_TRACE_PARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True)
class HostKeys:
    """The keys of a function app: ``master`` opens everything, ``host`` every function, each of ``functions`` one."""

    master: str = field(default_factory=lambda: secrets.token_urlsafe(40), repr=False)
    host: str = field(default_factory=lambda: secrets.token_urlsafe(40), repr=False)
    functions: Mapping[str, str] = field(default_factory=dict, repr=False)

    def open(self, level: str, function: str, presented: str) -> bool:
        """Whether the key ``presented`` opens a function whose level is ``level``."""
        if level == "anonymous":
            return True
        good = [self.master]
        if level == "function":
            good += [self.host, self.functions.get(function, "")]
        return any(bool(key) and hmac.compare_digest(key.encode(), presented.encode()) for key in good)


def _route_prefix() -> str:
    """The prefix of all routes: ``api``, unless host.json says otherwise."""
    host = json.loads((APP_ROOT / "host.json").read_text())
    prefix: str = host.get("extensions", {}).get("http", {}).get("routePrefix", "api")
    return prefix.strip("/")


class FunctionsHost(HttpFront):
    """The front of the app in ``worker``, as an ASGI app. A route without methods accepts all methods."""

    def __init__(self, worker: Worker, keys: HostKeys) -> None:
        self._worker = worker
        self._keys = keys
        prefix = _route_prefix()
        self._routes: dict[str, dict[str, Any]] = {}
        for trigger in worker.triggers:
            path = "/".join(part for part in (prefix, trigger["route"].strip("/")) if part)
            self._routes[f"/{path}".lower()] = trigger
        self._catch_all = next((one for path, one in self._routes.items() if path.startswith("/{*")), None)

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Find the function, check the key that its level demands, invoke it, and return its answer."""
        trigger = self._routes.get(scope["path"].rstrip("/").lower()) or self._catch_all
        if trigger is None or (trigger.get("methods") and scope["method"] not in trigger["methods"]):
            return 404, [], b""
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        query = scope["query_string"].decode("latin-1")
        params = dict(parse_qsl(query, keep_blank_values=True))
        level = trigger.get("authLevel", "function").lower()
        presented = headers.get("x-functions-key") or params.get("code", "")
        if not self._keys.open(level, trigger["function"], presented):
            return 401, [], b""
        body = await body_of(receive, _LARGEST)
        if body is None:
            return 413, [], b""
        headers |= {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https"}
        known = _TRACE_PARENT.fullmatch(headers.get("traceparent", ""))
        trace = known[1] if known else uuid.uuid4().hex
        told = {
            "function": trigger["function"],
            "invocation_id": str(uuid.uuid4()),
            "trace_parent": f"00-{trace}-{uuid.uuid4().hex[:16]}-01",
            "method": scope["method"],
            "url": f"https://{headers.get('host', '')}{scope['path']}{f'?{query}' if query else ''}",
            "headers": headers,
            "params": params,
            "body": base64.b64encode(body).decode(),
        }
        try:
            said = await self._worker.invoke(told)
        except WorkerFailed:
            return 500, [], b""
        return said["status"], [(name, value) for name, value in said["headers"]], base64.b64decode(said["body"])
