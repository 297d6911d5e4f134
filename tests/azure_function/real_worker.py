"""Azure's own Python worker, spoken to as the Functions host does: real FunctionRpc messages, in place of a host.

Runs by the Python 3.13 of an environment that has the worker, on its own: ``python -I real_worker.py``. On stdin it is
told, as JSON, where the app is and which invocations to make; on stdout it says what the worker answered. The app's
output is on stderr.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as worker

# Not this project's tests, which this process does not see: azure-functions-runtime-v1 brings these.
from tests import protos
from tests.protos.FunctionRpc_pb2 import RpcTraceContext


def request(name: str, **fields: Any) -> Any:
    """A message of the host, as the worker's dispatcher hands it on."""
    kinds = {
        "worker_init_request": protos.WorkerInitRequest,
        "function_environment_reload_request": protos.FunctionEnvironmentReloadRequest,
        "function_load_request": protos.FunctionLoadRequest,
        "invocation_request": protos.InvocationRequest,
    }
    content = {name: kinds[name](**fields)} if name in kinds else {}
    message = protos.StreamingMessage(request_id="r", **content)
    return SimpleNamespace(request=message, properties={"host": "127.0.0.1", "protos": protos})


async def started(told: dict[str, Any]) -> Any:
    """The status with which the worker began: as one that was waiting and is now given an app, or as a fresh one."""
    if not told["placeholder"]:
        os.environ.update(told["environ"])
        sys.path.append(told["directory"])
        init = request("worker_init_request", host_version="4.0", function_app_directory=told["directory"])
        return (await worker.worker_init_request(init)).result
    with tempfile.TemporaryDirectory() as nothing:
        init = request("worker_init_request", host_version="4.0", function_app_directory=nothing)
        await worker.worker_init_request(init)
    reload = request(
        "function_environment_reload_request",
        environment_variables={**os.environ, **told["environ"]},
        function_app_directory=told["directory"],
    )
    return (await worker.function_environment_reload_request(reload)).result


async def invoked(told: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    body = protos.TypedData(bytes=told.get("body", "").encode())
    url = f"https://app.example{told['path']}"
    http = protos.RpcHttp(method=told["method"], url=url, headers=told.get("headers", {}), body=body)
    call = request(
        "invocation_request",
        invocation_id=told["invocation_id"],
        function_id=ids[told["function"]],
        input_data=[protos.ParameterBinding(name="req", data=protos.TypedData(http=http))],
        trace_context=RpcTraceContext(trace_parent=told.get("trace_parent", "")),
    )
    answer = await worker.invocation_request(call)
    if answer.result.status != protos.StatusResult.Success:
        return {"failed": answer.result.exception.message}
    response = answer.return_value.http
    return {
        "status": int(response.status_code),
        "headers": dict(response.headers),
        "body": response.body.bytes.decode(),
    }


async def main(told: dict[str, Any]) -> dict[str, Any]:
    worker.start_threadpool_executor()
    result = await started(told)
    said: dict[str, Any] = {
        "python": list(sys.version_info[:2]),
        "worker": version("azure-functions-runtime"),
        "loaded": result.status == protos.StatusResult.Success,
        "exception": result.exception.message,
        "functions": {},
        "answers": [],
    }
    if not said["loaded"]:
        return said
    metadata = await worker.functions_metadata_request(request("functions_metadata_request"))
    ids = {}
    for function in metadata.function_metadata_results:
        load = request("function_load_request", function_id=function.function_id, metadata=function)
        assert (await worker.function_load_request(load)).result.status == protos.StatusResult.Success
        ids[function.name] = function.function_id
        said["functions"][function.name] = [json.loads(raw) for raw in function.raw_bindings]
    for together in told["invocations"]:
        said["answers"].append(await asyncio.gather(*(invoked(one, ids) for one in together)))
    while told.get("until") is not None and not os.path.exists(told["until"]):
        await asyncio.sleep(0.05)
    return said


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    answer = asyncio.run(main(json.load(sys.stdin)))
    print(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)
