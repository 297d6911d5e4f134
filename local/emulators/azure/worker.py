"""The process of a worker: it indexes the functions as the Functions worker does, and runs many calls at once.

`local.emulators.azure.worker_process` starts ``python -m local.emulators.azure.worker SOCKET MODULE`` in the folder of
``host.json``. Calls come on one socket and answers go back on it, a line of JSON each, so that everything the function
prints is its log. When the other end is closed, this process ends.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import azure.functions as func

__all__ = ["answered", "arguments_of", "indexed", "main"]

_LONGEST_LINE = 1 << 28
"""Bytes: the largest request that the front passes on, in its form here."""

Run = Callable[..., Awaitable[func.HttpResponse]]


class _Trace:
    def __init__(self, parent: str) -> None:
        self.trace_parent = self.Traceparent = parent
        self.trace_state = self.Tracestate = ""
        self.attributes: Mapping[str, str] = MappingProxyType({})
        self.Attributes = self.attributes


class _Context(func.Context):
    """What the host tells a function about an invocation.

    Source: https://learn.microsoft.com/azure/azure-functions/functions-reference-python#context .
    """

    def __init__(self, name: str, invocation_id: str, trace_parent: str) -> None:
        self._name = name
        self._invocation_id = invocation_id
        self._trace: Any = _Trace(trace_parent)

    @property
    def invocation_id(self) -> str:
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        return threading.local()

    @property
    def function_name(self) -> str:
        return self._name

    @property
    def function_directory(self) -> str:
        return os.getcwd()

    @property
    def trace_context(self) -> Any:
        return self._trace

    @property
    def retry_context(self) -> Any:
        return None


def indexed(name: str = "function_app") -> tuple[list[dict[str, Any]], dict[str, Run]]:
    """The functions of the one app in the module ``name``: the trigger of each, and what runs it.

    Raises:
        ValueError: There is no app, or more than one.
    """
    module = importlib.import_module(name)
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionApp)]
    if len(apps) != 1:
        raise ValueError(f"{name} shows {len(apps)} apps instead of one")
    functions = {str(function.get_function_name()): function for function in apps[0].get_functions()}
    triggers = [
        {"function": name, **json.loads(raw)}
        for name, function in functions.items()
        for raw in function.get_raw_bindings()
        if json.loads(raw)["type"] == "httpTrigger"
    ]
    return triggers, {name: function.get_user_function() for name, function in functions.items()}


def arguments_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a function is called with in the invocation that ``told`` describes: the request and the context."""
    request = func.HttpRequest(
        told["method"],
        told["url"],
        headers=told["headers"],
        params=told["params"],
        route_params={},
        body=base64.b64decode(told["body"]),
    )
    return {"req": request, "context": _Context(told["function"], told["invocation_id"], told["trace_parent"])}


async def answered(run: Run, told: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of the function ``run`` to the invocation that ``told`` describes."""
    response = await run(**arguments_of(told))
    return {
        "status": response.status_code,
        "headers": [[name, value] for name, value in response.headers.items()],
        "body": base64.b64encode(response.get_body()).decode(),
    }


async def _serve(connection: socket.socket, module: str) -> None:
    reader, writer = await asyncio.open_connection(sock=connection, limit=_LONGEST_LINE)

    def say(said: dict[str, Any]) -> None:
        writer.write(json.dumps(said).encode() + b"\n")

    try:
        triggers, functions = indexed(module)
    except Exception as error:  # noqa: BLE001 - whatever keeps an app from being indexed, the host is told
        say({"failed": f"{type(error).__name__}: {error}"})
        await writer.drain()
        return
    say({"triggers": triggers})

    async def answer(line: bytes) -> None:
        told = json.loads(line)
        try:
            said = await answered(functions[told["function"]], told)
        except Exception as error:  # noqa: BLE001 - whatever a function raises is its own failure
            logging.getLogger(__name__).error("the function failed: %s", type(error).__name__)
            said = {"failed": type(error).__name__}
        say({"invocation_id": told["invocation_id"], **said})

    calls: set[asyncio.Task[None]] = set()
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            task = asyncio.create_task(answer(line))
            calls.add(task)
            task.add_done_callback(calls.discard)


def main(descriptor: int, module: str) -> None:
    """Index the functions and run calls until there are no more."""
    # As in the real worker: every record from INFO on goes to the host.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    with socket.socket(fileno=descriptor) as connection:
        asyncio.run(_serve(connection, module))
    sys.stderr.flush()
    os._exit(0)  # ends the process even if a thread still waits for an answer


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
