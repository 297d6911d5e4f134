from __future__ import annotations

import logging

import pytest

from tests.support import canaries
from tests.support.canaries import WATCH, CanaryWatch


def test_a_canary_is_found_wherever_it_stands_and_nothing_else_is() -> None:
    watch = CanaryWatch()
    watch.look("login with canary-" + "test-01ab!", "here")
    watch.look("a canary is a bird, and canary- names nothing", "there")
    assert watch.found == ["canary-" + "test-01ab in here"]
    assert watch.texts == 2


def test_what_is_logged_anywhere_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    before = WATCH.texts
    logging.getLogger("somebody.else").warning("the %s", "message")
    assert WATCH.texts == before + 1
    own = CanaryWatch()
    handler = canaries._Handler(own)
    handler.handle(logging.LogRecord("x", logging.INFO, "f", 1, "see %s", ("canary-" + "test-02ab",), None))
    assert own.found == ["canary-" + "test-02ab in the log of x"]
