"""Lambda's Runtime API with what the Runtime Interface Emulator leaves out: restoring from a snapshot, and tracing.

On the other side is `awslambdaric`, AWS's own runtime client, in a process of its own. Sources:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and, for ``restore/next``,
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html .
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.emulators.aws.environment import Function
from tests.support.canaries import WATCH

PREFIX = "/2018-06-01/runtime"
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:neo4j-m2m:live"


class RuntimeApi:
    """What the runtime client asks, and what becomes of it."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.snapshot_taken = threading.Event()
        self.restored = threading.Event()
        self.gone = threading.Event()
        self.failures: list[str] = []
        self._events: queue.Queue[tuple[str, Any, str | None]] = queue.Queue()
        self._answers: queue.Queue[tuple[str, Any]] = queue.Queue()

    def invoke(self, event: Any, *, trace: str | None = None) -> Any:
        """What the function answers to ``event``; ``trace`` is the trace header of the call."""
        request_id = str(uuid.uuid4())
        self._events.put((request_id, event, trace))
        answered, answer = self._answers.get(timeout=self.timeout + 30)
        assert answered == request_id
        return answer

    def get(self, path: str) -> tuple[dict[str, str], Any]:
        """The answer to a GET of the runtime client; blocks until there is one."""
        if path == f"{PREFIX}/restore/next":
            self.snapshot_taken.set()
            self.restored.wait()
            return {}, {}
        assert path == f"{PREFIX}/invocation/next", path
        while not self.gone.is_set():
            with contextlib.suppress(queue.Empty):
                request_id, event, trace = self._events.get(timeout=0.2)
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.timeout) * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": ARN,
                    **({"Lambda-Runtime-Trace-Id": trace} if trace else {}),
                }
                return headers, event
        return {}, {}

    def post(self, path: str, body: bytes) -> None:
        """Note what the runtime client reports."""
        parts = path.removeprefix(f"{PREFIX}/").split("/")
        if parts[0] == "invocation" and parts[2] == "response":
            self._answers.put((parts[1], json.loads(body)))
            return
        self.failures.append(f"{path}: {body.decode()}")
        if parts[0] == "invocation":
            self._answers.put((parts[1], {"failed": json.loads(body)}))


def _server(api: RuntimeApi) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers, answer = api.get(self.path)
            self._send(200, headers, json.dumps(answer).encode())

        def do_POST(self) -> None:
            api.post(self.path, self.rfile.read(int(self.headers.get("content-length", 0))))
            self._send(202, {}, b"{}")

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            with contextlib.suppress(OSError):  # the runtime client was ended while it waited
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


@contextlib.contextmanager
def running(handler: str, environ: Mapping[str, str], log: Path, *, timeout: float = 20) -> Iterator[RuntimeApi]:
    """The runtime client with ``handler`` in it while the context lasts; it writes to ``log``."""
    api = RuntimeApi(timeout)
    server = _server(api)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    told = {
        **Function(handler, environ, arn=ARN).environ,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield api
    finally:
        process.kill()
        process.wait()
        api.gone.set()
        api.restored.set()
        server.shutdown()
        server.server_close()
        thread.join()
        WATCH.look(log.read_text(), f"what {handler} says")
