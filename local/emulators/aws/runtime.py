"""The inside of an execution environment: imports the handler once, then answers one event after the other.

`local.emulators.aws.environment` starts ``python -m local.emulators.aws.runtime MODULE.ATTRIBUTE``; events come on one
pipe and answers go on another, a line of JSON each, so everything the function prints is its log.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

__all__ = ["LambdaContext", "main"]

_PR_SET_PDEATHSIG = 1


class LambdaContext:
    """What Lambda tells a function about the call.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html .
    """

    def __init__(self, told: dict[str, Any]) -> None:
        self.aws_request_id = told["request_id"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = told["arn"]
        custom = told.get("custom")
        self.client_context = None if custom is None else type("ClientContext", (), {"custom": custom})()
        self.identity = None
        self._ends_at = told["ends_at"]

    @classmethod
    def of(cls, arn: str, seconds: float) -> LambdaContext:
        """The context of a call that starts now and may take ``seconds``."""
        return cls({"request_id": str(uuid.uuid4()), "arn": arn, "ends_at": time.time() + seconds})

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the call."""
        return max(0, int((self._ends_at - time.time()) * 1000))


def _end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends: a frozen process could not notice that.

    Source: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html ; only Linux has it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _trace() -> str:
    """A new trace id for a call.

    Source: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader .
    """
    root, parent = uuid.uuid4().hex[:24], uuid.uuid4().hex[:16]
    return f"Root=1-{int(time.time()):08x}-{root};Parent={parent};Sampled=1"


def main(name: str, reading: int, writing: int) -> None:
    """Answer events until there are no more."""
    _end_with_parent()
    module, _, attribute = name.rpartition(".")
    with open(reading, encoding="utf-8") as events, open(writing, "w", encoding="utf-8") as answers:
        handler: Callable[[Any, LambdaContext], Any] | None = None
        for line in events:
            told = json.loads(line)
            os.environ["_X_AMZN_TRACE_ID"] = _trace()
            try:
                if handler is None:
                    handler = getattr(importlib.import_module(module), attribute)
                answer = {"answer": handler(told["event"], LambdaContext(told))}
                text = json.dumps(answer)
            except Exception as error:  # noqa: BLE001 - whatever a function raises is its own failure
                print(f"the function failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                text = json.dumps({"error": type(error).__name__})
            sys.stdout.flush()
            answers.write(text + "\n")
            answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
