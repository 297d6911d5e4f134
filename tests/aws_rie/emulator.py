"""Starts the Runtime Interface Emulator that SAM brings along, with AWS's own runtime client and a handler in it.

Source: https://github.com/aws/aws-lambda-runtime-interface-emulator .
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from local.emulators.aws.events import event_of, http_response
from local.emulators.aws.sigv4 import SignedRequest
from tests.aws_lambda.deployed import IAM
from tests.support.canaries import WATCH

ROOT = Path(__file__).parent.parent.parent
INVOCATIONS = "/2015-03-31/functions/function/invocations"


def binary() -> Path:
    """The emulator for this machine.

    Raises:
        FileNotFoundError: SAM is not installed; without it this check has not been made.
    """
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    found = list((ROOT / ".venv-sam").glob(f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"))
    if not found:
        raise FileNotFoundError("The Runtime Interface Emulator is not there: run make rie, which installs it.")
    return found[0]


@dataclass
class Emulator:
    """An emulator that runs: ``log`` is where it and the function write."""

    url: str
    log: Path

    def invoke(self, event: Any, custom: Mapping[str, Any] | None = None) -> Any:
        """What the function answers to ``event``; ``custom`` is what the client context says."""
        headers = {}
        if custom is not None:
            headers["x-amz-client-context"] = base64.b64encode(json.dumps({"custom": custom}).encode()).decode()
        with httpx2.Client(trust_env=False, timeout=60) as client:
            response = client.post(self.url, content=json.dumps(event), headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    def lines(self) -> list[dict[str, Any]]:
        """The function's log lines, which are JSON; the emulator's own lines are not."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


class ThroughEmulator(httpx2.AsyncBaseTransport):
    """Carries an SDK client's requests to the function as events, in place of the function URL."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._http = httpx2.AsyncClient(trust_env=False, timeout=60)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = [(name.lower(), value) for name, value in request.headers.items()]
        body = await request.aread()
        signed = SignedRequest(request.method, request.url.path, "", headers, body)
        told = event_of(signed, domain="h", account=IAM["accountId"], iam=IAM)
        answer = await self._http.post(self._emulator.url, content=json.dumps(told))
        status, pairs, content = http_response(answer.json())
        return httpx2.Response(status, headers=pairs, content=content, request=request)

    async def aclose(self) -> None:
        await self._http.aclose()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@contextlib.contextmanager
def running(handler: str, environ: Mapping[str, str], directory: Path, *, timeout: int = 20) -> Iterator[Emulator]:
    """The emulator with ``handler`` in it, whose calls may take ``timeout`` seconds, while the context lasts."""
    front, api = _free_ports()
    told = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "HOME") if name in os.environ},
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_LAMBDA_FUNCTION_NAME": "neo4j-m2m",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        **environ,
    }
    command = [str(binary()), "--runtime-interface-emulator-address", f"127.0.0.1:{front}"]
    command += ["--runtime-api-address", f"127.0.0.1:{api}", sys.executable, "-m", "awslambdaric", handler]
    log = directory / f"{handler}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _await_port(front, process)
        yield Emulator(f"http://127.0.0.1:{front}{INVOCATIONS}", log)
    finally:
        # The emulator begins the runtime as a child in its own process group, and does not end it when it is ended.
        _end(process)
        WATCH.look(log.read_text(), f"what {handler} says in the emulator")


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the Runtime Interface Emulator does not start") from None
            time.sleep(0.02)
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the emulator and what it has begun."""
    import psutil

    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(family, timeout=5)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
