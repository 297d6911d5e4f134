"""The shim of one platform in a process of its own, for `bench.shims`: ``python -m bench.shim_process PLATFORM``.

The environment is the platform's. The first line that is read is JSON: where the database is, and how the caller is
proved. Each further line is a number of calls; the answer is JSON with the milliseconds of each call, by how it is
made. What the shim prints is its log, and goes to stderr.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from bench.bare_server import anybody
from core.application import Application
from core.deadline import Deadline
from core.http import MCP_PATH, Request, Response
from core.settings import Settings
from local.emulators.in_process import HEADERS, tool_call, tool_result

__all__ = ["ADMITTED", "CORE", "SHIM"]

CORE, ADMITTED, SHIM = "core alone", "the platform's application", "through the shim"

BODY = tool_call("read-cypher", {"query": "MATCH (a:Airport {faa: 'JFK'}) RETURN a.name"})
SECONDS = 30.0
WARM_UP = 20

Way = Callable[[], tuple[float, bytes | str]]
"""Makes one call; the seconds that it took, and the body of the answer."""


class InLoop:
    """Calls that are made within ``loop``: its own start and end are not counted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def way(self, call: Callable[[], Awaitable[bytes]]) -> Way:
        async def timed() -> tuple[float, bytes]:
            waiting = call()
            begun = time.perf_counter()
            body = await waiting
            return time.perf_counter() - begun, body

        return lambda: self._loop.run_until_complete(timed())

    def through(self, application: Application, request: Callable[[], Request]) -> Way:
        """The call as ``application`` gets it, past the shim."""

        async def handled(asked: Request) -> bytes:
            response: Response = await application.handle(asked)
            return response.body

        return self.way(lambda: handled(request()))


def asked(headers: dict[str, str], claims: dict[str, Any]) -> Request:
    """The request that each platform's event becomes."""
    return Request(
        method="POST",
        path=MCP_PATH,
        headers=tuple(headers.items()),
        body=BODY,
        request_id=str(uuid.uuid4()),
        deadline=Deadline.after(SECONDS),
        platform_claims=claims,
    )


def aws(told: dict[str, Any], core: Application) -> dict[str, Way]:
    """The Lambda function's handler, with the event of a function URL."""
    from aws_lambda.app import application, handler, loop
    from aws_lambda.identity import IAM_CLAIM
    from local.emulators.aws.events import event_of
    from local.emulators.aws.runtime import LambdaContext
    from local.emulators.aws.sigv4 import SignedRequest

    headers = {"host": "local", **HEADERS}
    signed = SignedRequest("POST", MCP_PATH, "", list(headers.items()), BODY)

    def shim() -> tuple[float, bytes | str]:
        event = event_of(signed, domain="local", account=told["iam"]["accountId"], iam=told["iam"])
        context = LambdaContext.of(told["arn"], SECONDS)
        begun = time.perf_counter()
        answer = handler(event, context)
        return time.perf_counter() - begun, answer["body"]

    within, claims = InLoop(loop), {IAM_CLAIM: told["iam"]}
    return {
        CORE: within.through(core, lambda: asked(headers, claims)),
        ADMITTED: within.through(_configured(application), lambda: asked(headers, claims)),
        SHIM: shim,
    }


def azure(told: dict[str, Any], core: Application) -> dict[str, Way]:
    """The function of the function app, with the request and the context that the worker makes."""
    from local.emulators.azure.worker import arguments_of, indexed

    # As the real worker does: every record from INFO on goes to the host.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    _, functions = indexed()
    from azure_function.app import application

    headers = {"host": "localhost", **HEADERS, **told["headers"]}

    async def called(arguments: dict[str, Any]) -> bytes:
        return (await functions["mcp"](**arguments)).get_body()

    def shim() -> Awaitable[bytes]:
        invocation = {
            "function": "mcp",
            "invocation_id": str(uuid.uuid4()),
            "trace_parent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
            "method": "POST",
            "url": f"https://localhost{MCP_PATH}",
            "headers": headers,
            "params": {},
            "body": base64.b64encode(BODY).decode(),
        }
        return called(arguments_of(invocation))

    within = InLoop(asyncio.new_event_loop())
    return {
        CORE: within.through(core, lambda: asked(headers, {})),
        ADMITTED: within.through(_configured(application), lambda: asked(headers, {})),
        SHIM: within.way(shim),
    }


def databricks(told: dict[str, Any], core: Application) -> dict[str, Way]:
    """The app as its ASGI server calls it, with the headers of the proxy."""
    from databricks_app.app import application_of, behind_the_proxy
    from databricks_app.log import log_as_json
    from databricks_app.settings import DatabricksSettings
    from databricks_app.workspace import Workspace

    settings = DatabricksSettings.from_environ(os.environ)
    log_as_json(settings.log_level)
    application = application_of(settings, Workspace.from_environ(os.environ))
    app = behind_the_proxy(application)

    def headers() -> dict[str, str]:
        return {"host": "localhost", **HEADERS, **told["headers"], "x-request-id": str(uuid.uuid4())}

    async def called(scope: dict[str, Any]) -> bytes:
        body = bytearray()
        arriving = [{"type": "http.request", "body": BODY, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return arriving.pop() if arriving else await asyncio.Future()  # the client stays

        async def send(message: Any) -> None:
            body.extend(message.get("body", b""))

        await app(scope, receive, send)
        return bytes(body)

    def shim() -> Awaitable[bytes]:
        pairs = [(name.encode(), value.encode()) for name, value in headers().items()]
        return called({"type": "http", "method": "POST", "path": MCP_PATH, "headers": pairs})

    within = InLoop(asyncio.new_event_loop())
    return {
        CORE: within.through(core, lambda: asked(headers(), {})),
        ADMITTED: within.through(application, lambda: asked(headers(), {})),
        SHIM: within.way(shim),
    }


def _configured(application: object) -> Application:
    assert isinstance(application, Application), "the platform's settings are wrong; the log says which"
    return application


PLATFORMS: dict[str, Callable[[dict[str, Any], Application], dict[str, Way]]] = {
    "aws": aws,
    "azure": azure,
    "databricks": databricks,
}


def milliseconds(ways: dict[str, Way], calls: int) -> dict[str, list[float]]:
    """Make ``calls`` calls in each of the ``ways``, which take turns, and another begins each time."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(calls):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds, body = ways[name]()
            took[name].append(seconds * 1000)
            result = tool_result(body)
            if result.get("isError") or result["structuredContent"]["row_count"] != 1:
                raise RuntimeError(f"{name}: {str(result)[:300]}")
    return took


def main() -> None:
    """Answer rounds until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    told = json.loads(sys.stdin.readline())
    ways = PLATFORMS[sys.argv[1]](told, Application(Settings.from_environ(told["database"]), anybody))
    milliseconds(ways, WARM_UP)
    for line in sys.stdin:
        print(json.dumps(milliseconds(ways, int(line))), file=answers, flush=True)
    sys.stderr.flush()
    os._exit(0)  # no connection has to be closed in order


if __name__ == "__main__":
    main()
