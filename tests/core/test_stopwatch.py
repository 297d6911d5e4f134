from __future__ import annotations

import contextlib

import pytest

from core.stopwatch import Stopwatch


def test_stretches_add_up_and_two_at_once_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("core.stopwatch.time.monotonic", lambda: now)
    stopwatch = Stopwatch()
    with stopwatch.running():
        now += 2
        with contextlib.suppress(ValueError), stopwatch.running():
            now += 3
            assert stopwatch.seconds == 8
            raise ValueError
    now += 50
    assert stopwatch.seconds == 8
