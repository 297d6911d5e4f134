"""The Foundry agent of infra/foundry, where Foundry asks for the user's consent first."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@pytest.fixture(scope="module")
def agent() -> ModuleType:
    path = Path(__file__).parents[2] / "infra/foundry/agent.py"
    spec = importlib.util.spec_from_file_location("foundry_agent", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Foundry:
    """Answers with each of ``outputs`` in turn, and the last one from then on."""

    def __init__(self, *outputs: list[Any]) -> None:
        self._outputs = list(outputs)
        self.requests: list[dict[str, Any]] = []
        self.responses = self

    def create(self, **request: Any) -> Any:
        self.requests.append(request)
        output = self._outputs.pop(0) if len(self._outputs) > 1 else self._outputs[0]
        text = "".join(item.text for item in output if item.type == "message")
        return SimpleNamespace(id=f"resp_{len(self.requests)}", output=output, output_text=text)


CONSENT = [SimpleNamespace(type="oauth_consent_request", id="oauthreq_1", consent_link="https://login.example/consent")]
MESSAGE = [SimpleNamespace(type="message", text="Hawaiian Airlines")]


def test_an_answer_is_given_at_once_where_nobody_has_to_consent(agent: ModuleType) -> None:
    shown: list[str] = []
    foundry = Foundry(MESSAGE)
    assert agent.asked(foundry, "graph-reader", "Who?", shown.append) == "Hawaiian Airlines"
    assert shown == []
    assert foundry.requests[0]["extra_body"]["agent_reference"]["name"] == "graph-reader"


def test_the_link_is_shown_and_the_question_goes_on_from_the_same_response(agent: ModuleType) -> None:
    shown: list[str] = []
    foundry = Foundry(CONSENT, MESSAGE)
    assert agent.asked(foundry, "graph-reader", "Who?", shown.append) == "Hawaiian Airlines"
    assert shown == ["https://login.example/consent"]
    assert foundry.requests[1]["previous_response_id"] == "resp_1"
    assert foundry.requests[1]["input"] == "Who?"


def test_a_consent_that_never_comes_is_no_endless_loop(agent: ModuleType) -> None:
    foundry = Foundry(CONSENT)
    with pytest.raises(RuntimeError, match="consent"):
        agent.asked(foundry, "graph-reader", "Who?", lambda link: None)
    assert len(foundry.requests) <= 5
