"""Execution environments: processes that each answer one event at a time, as in Lambda.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html .
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

__all__ = ["Function", "FunctionFailed", "Throttled", "TimedOut"]

_STOP_SECONDS = 2.0


class FunctionFailed(Exception):
    """The function raised, or its process ended."""


class _Gone(FunctionFailed):
    """The environment answers nothing any more: its process has ended, or is about to."""


class TimedOut(FunctionFailed):
    """The function took longer than it may; its environment is gone."""


class Throttled(Exception):
    """All environments that the limit allows are busy."""


class _Environment:
    """One process. With ``freeze``, it is frozen between two events."""

    def __init__(self, handler: str, environ: Mapping[str, str], *, freeze: bool, log: IO[str] | None) -> None:
        event_read, event_write = os.pipe()
        answer_read, answer_write = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.emulators.aws.runtime", handler, str(event_read), str(answer_write)],
            stdin=subprocess.DEVNULL,
            stdout=log or sys.stderr,
            stderr=log or sys.stderr,
            env=dict(environ),
            pass_fds=(event_read, answer_write),
        )
        os.close(event_read)
        os.close(answer_write)
        self._events = open(event_write, "w", encoding="utf-8")  # noqa: SIM115 - closed when the environment is
        self._answers = answer_read
        self._freeze = freeze
        self._unread = b""

    def invoke(self, told: Mapping[str, Any], seconds: float) -> Any:
        """The function's answer.

        Raises:
            FunctionFailed, TimedOut: It does not answer.
        """
        if self._freeze:
            self.process.send_signal(signal.SIGCONT)
        try:
            self._events.write(json.dumps(told) + "\n")
            self._events.flush()
            line = self._line(time.monotonic() + seconds)
        except OSError:
            raise _Gone("the environment is gone") from None
        if self._freeze:
            self.process.send_signal(signal.SIGSTOP)
        answer = json.loads(line)
        if "error" in answer:
            raise FunctionFailed(answer["error"])
        return answer["answer"]

    def _line(self, ends_at: float) -> bytes:
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, ends_at - time.monotonic()))
            if not ready:
                raise TimedOut("the time was up")
            chunk = os.read(self._answers, 1 << 20)
            if not chunk:
                raise _Gone("the process ended")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        """End the process: it ends when there are no more events, or is killed."""
        if self._freeze and self.alive():
            self.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(OSError):  # nobody reads this event any more
            self._events.close()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._answers)

    def kill(self) -> None:
        self.process.kill()
        self.close()


class Function:
    """A function with a limit of simultaneous environments, started when needed and kept for later events."""

    def __init__(
        self,
        handler: str,
        environ: Mapping[str, str],
        *,
        arn: str,
        timeout: float = 30,
        concurrency: int = 4,
        freeze: bool = False,
        log: IO[str] | None = None,
    ) -> None:
        """``handler`` is MODULE.ATTRIBUTE; ``environ`` is the function's environment in addition to Lambda's own
        variables; ``timeout`` is in seconds. Its output goes to ``log``, or to stderr.
        """
        _, _, _, region, _, _, name, *_ = arn.split(":")
        self._handler = handler
        self._arn = arn
        self.environ = {
            **{key: os.environ[key] for key in ("PATH", "PYTHONPATH", "LANG", "HOME") if key in os.environ},
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "LAMBDA_TASK_ROOT": os.getcwd(),
            "_HANDLER": handler,
            **environ,
        }
        self.concurrency = concurrency
        self._timeout = timeout
        self._freeze = freeze
        self._log = log
        self._places = threading.Semaphore(concurrency)
        self._lock = threading.Lock()
        self._idle: list[_Environment] = []
        self.started = 0

    def invoke(self, event: Any, custom: Mapping[str, Any] | None = None) -> Any:
        """The function's answer to ``event``; ``custom`` is the content of the client context. Blocks.

        Raises:
            Throttled: All environments that the limit allows are busy.
            FunctionFailed, TimedOut: The function does not answer.
        """
        with self._environment() as environment:
            told = {
                "event": event,
                "custom": custom,
                "request_id": str(uuid.uuid4()),
                "arn": self._arn,
                "ends_at": time.time() + self._timeout,
            }
            return environment.invoke(told, self._timeout)

    @contextmanager
    def _environment(self) -> Iterator[_Environment]:
        if not self._places.acquire(blocking=False):
            raise Throttled
        try:
            with self._lock:
                environment = self._idle.pop() if self._idle else None
            if environment is not None and not environment.alive():
                environment.close()
                environment = None
            if environment is None:
                self.started += 1
                environment = _Environment(self._handler, self.environ, freeze=self._freeze, log=self._log)
            try:
                yield environment
            except TimedOut:
                environment.kill()
                raise
            except _Gone:  # the pipe ends before the process can be waited for
                environment.close()
                raise
            except FunctionFailed:
                self._keep(environment)
                raise
            else:
                self._keep(environment)
        finally:
            self._places.release()

    def _keep(self, environment: _Environment) -> None:
        with self._lock:
            self._idle.append(environment)

    def close(self) -> None:
        """End the environments."""
        with self._lock:
            idle, self._idle = self._idle, []
        for environment in idle:
            environment.close()
