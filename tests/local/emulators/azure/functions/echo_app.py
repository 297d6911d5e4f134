"""A function app for the tests of the front: it says what it was given."""

from __future__ import annotations

import asyncio
import json
import os

import azure.functions as func

app = func.FunctionApp()

waiting: list[str] = []
together = asyncio.Event()


async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    if "raise" in req.params:
        raise RuntimeError("told to")
    if "exit" in req.params:
        os._exit(3)
    if "wait_for" in req.params:
        waiting.append(context.invocation_id)
        if len(waiting) == int(req.params["wait_for"]):
            together.set()
        await together.wait()
    said = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "headers": dict(req.headers),
        "body": req.get_body().hex(),
        "invocation_id": context.invocation_id,
        "trace": context.trace_context.trace_parent,
        "pid": os.getpid(),
    }
    return func.HttpResponse(json.dumps(said), headers={"content-type": "application/json"})


for name, level, methods in [
    ("open", func.AuthLevel.ANONYMOUS, None),
    ("posted", func.AuthLevel.ANONYMOUS, ["POST"]),
    ("closed", func.AuthLevel.FUNCTION, None),
    ("admin", func.AuthLevel.ADMIN, None),
    ("unsaid", None, None),
]:
    app.function_name(name)(app.route(route=name, auth_level=level, methods=methods)(echo))
