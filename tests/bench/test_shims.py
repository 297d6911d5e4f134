"""How `bench.shims` makes and counts its calls; ``make bench-smoke`` runs it with the real shims."""

from __future__ import annotations

import json

import pytest

from bench.shim_process import ADMITTED, CORE, SHIM, Way, milliseconds
from bench.shims import ADDED, added, shim_process

ANSWER = json.dumps({"result": {"structuredContent": {"row_count": 1}}})


def test_what_a_shim_adds_is_counted_within_each_round() -> None:
    quiet = {CORE: [1.0, 2.0, 9.0], ADMITTED: [2.0], SHIM: [2.5]}
    busy = {CORE: [8.0], ADMITTED: [8.0], SHIM: [8.25]}
    assert added([quiet, busy]) == {CORE: [2.0, 8.0], ADMITTED: [2.0, 8.0], SHIM: [2.5, 8.25], ADDED: [0.5, 0.25]}


def test_every_way_is_called_as_often_and_each_begins_in_turn() -> None:
    called: list[str] = []

    def way(name: str) -> Way:
        def call() -> tuple[float, str]:
            called.append(name)
            return 0.002, ANSWER

        return call

    took = milliseconds({name: way(name) for name in "abc"}, 3)
    assert took == {name: [2.0] * 3 for name in "abc"}
    assert "".join(called) == "abcbcacab"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"result": {"structuredContent": {"row_count": 0}}}),
        json.dumps({"result": {"isError": True, "content": [{"type": "text", "text": "no database"}]}}),
        json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32010, "message": "not admitted"}}),
    ],
)
def test_a_call_that_is_refused_or_finds_nothing_is_not_measured(body: str) -> None:
    with pytest.raises(RuntimeError, match=SHIM):
        milliseconds({SHIM: lambda: (0.001, body)}, 1)


@pytest.mark.processes
def test_a_shim_that_ends_is_reported_with_its_last_words() -> None:
    with (
        pytest.raises(RuntimeError, match=r"(?s)no-such-platform did not answer: .*KeyError"),
        shim_process("no-such-platform", {}, {"database": {}}) as round_of,
    ):
        round_of(1)
