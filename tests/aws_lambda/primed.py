"""A function that has answered a call before its snapshot is taken, so that what it remembers is in it."""

from __future__ import annotations

import json
import random
from typing import Any

from snapshot_restore_py import register_after_restore, register_before_snapshot

from aws_lambda.app import handler
from local.emulators.aws.runtime import LambdaContext
from tests.aws_lambda.deployed import ARN, KNOWN_SEED, event, message

__all__ = ["handler"]


@register_before_snapshot
def answer_a_call() -> None:
    answer = handler(event(message()), LambdaContext.of(ARN, 20))
    say("primed", json.loads(answer["body"])["result"].get("structuredContent", {}).get("rows"))
    random.seed(KNOWN_SEED)


@register_after_restore
def tell_the_randomness() -> None:
    say("random", random.random())


def say(what: str, value: Any) -> None:
    print(json.dumps({"test": what, "value": value}), flush=True)
