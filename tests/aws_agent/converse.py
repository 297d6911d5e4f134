"""Amazon Bedrock's Converse over HTTP, with a model that follows a plan: schema, one statement, then an answer.

It answers from what the tools said and nothing else, so that an agent whose tools do not work has no answer. The plan
is all that stands in for a model: Strands, boto3 and their calls are real.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html .
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from local.emulators.http_front import Answer, HttpFront, body_of, json_answer

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

__all__ = ["PlannedModel"]

_LARGEST = 1 << 24


class PlannedModel(HttpFront):
    """Serves ``POST /model/ID/converse``; ``statement`` is what it gives to ``read-cypher``."""

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self.offered: set[str] = set()
        self.used: list[str] = []

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """One turn of the model."""
        body = await body_of(receive, _LARGEST)
        if scope["method"] != "POST" or not scope["path"].endswith("/converse") or body is None:
            return json_answer(404, {"message": "only Converse is served"})
        asked = json.loads(body)
        names = [tool["toolSpec"]["name"] for tool in asked.get("toolConfig", {}).get("tools", ())]
        self.offered.update(names)
        results = [part["toolResult"] for turn in asked["messages"] for part in turn["content"] if "toolResult" in part]
        content, reason = self._turn(names, results)
        told = {
            "output": {"message": {"role": "assistant", "content": [content]}},
            "stopReason": reason,
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            "metrics": {"latencyMs": 1},
        }
        return json_answer(200, told)

    def _turn(self, names: list[str], results: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
        plan = [("get-schema", {}), ("read-cypher", {"query": self._statement})]
        if len(results) < len(plan):
            wanted, arguments = plan[len(results)]
            # A gateway puts the target's name before the tool's.
            name = next((name for name in names if name.rpartition("___")[2] == wanted), None)
            if name is None:
                return {"text": f"I have no tool {wanted}."}, "end_turn"
            self.used.append(wanted)
            return {"toolUse": {"toolUseId": uuid.uuid4().hex, "name": name, "input": arguments}}, "tool_use"
        last = results[-1]
        said = " ".join(part.get("text", "") for part in last["content"])
        rows = re.search(r'"rows":(\[\[.*?\]\])', said)
        if last.get("status") == "error" or rows is None:
            return {"text": f"The graph did not answer: {said[:200]}"}, "end_turn"
        return {"text": f"The graph says {rows.group(1)}."}, "end_turn"
