"""Functions for the tests of the stand-ins: real handlers, in processes of their own."""

from __future__ import annotations

import os
import time
from typing import Any


def echo(event: Any, context: Any) -> dict[str, Any]:
    """Answers the event, and what the environment is."""
    import json

    asked = event.get("queryStringParameters", {})
    if "sleep" in asked:
        time.sleep(float(asked["sleep"]))
    if "raise" in asked:
        raise RuntimeError("told to")
    if "exit" in asked:
        os._exit(3)
    if "bytes" in asked:
        return {"statusCode": 200, "body": "x" * int(asked["bytes"])}
    if "nonsense" in asked:
        return {"status": 200}
    print("this is the log")
    said = {
        "event": event,
        "pid": os.getpid(),
        "left": context.get_remaining_time_in_millis(),
        "region": os.environ["AWS_REGION"],
    }
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(said)}
