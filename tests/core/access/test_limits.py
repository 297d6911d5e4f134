"""How much one caller may ask for."""

from __future__ import annotations

import contextlib

import pytest

from core.access.limits import NO_LIMITS, CallCounts, CallLimits, TooManyCalls
from tests.support.principals import ALICE


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts(clock: Clock) -> CallCounts:
    return CallCounts(clock=clock)


def call(counts: CallCounts, limits: CallLimits, *, seconds: float = 0.0) -> None:
    with counts.counted(ALICE.identity, limits) as database_time:
        database_time._ended += seconds


def test_calls_at_the_same_time_are_limited_and_a_call_that_ended_makes_room(counts: CallCounts) -> None:
    limits = CallLimits(concurrent=2)
    with counts.counted(ALICE.identity, limits):
        with counts.counted(ALICE.identity, limits):
            with pytest.raises(TooManyCalls, match="2 calls running, and may have 2") as refused:
                call(counts, limits)
            assert refused.value.retry_after == 1
        call(counts, limits)


def test_a_call_that_fails_makes_room_too(counts: CallCounts) -> None:
    limits = CallLimits(concurrent=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), counts.counted(ALICE.identity, limits):
            raise ValueError("broken")


def test_calls_of_any_sixty_seconds_are_limited(counts: CallCounts, clock: Clock) -> None:
    limits = CallLimits(calls_per_minute=3)
    for _ in range(3):
        call(counts, limits)
        clock.now += 10
    with pytest.raises(TooManyCalls, match=r"3 calls a minute\. Try again in 31 s") as refused:
        call(counts, limits)
    assert refused.value.retry_after == 31
    clock.now += 29.9
    with pytest.raises(TooManyCalls):
        call(counts, limits)
    clock.now += 0.6
    call(counts, limits)
    with pytest.raises(TooManyCalls):
        call(counts, limits)


def test_a_refused_call_does_not_count(counts: CallCounts, clock: Clock) -> None:
    limits = CallLimits(calls_per_minute=1)
    call(counts, limits)
    for _ in range(50):
        clock.now += 1
        with pytest.raises(TooManyCalls):
            call(counts, limits)
    clock.now += 11
    call(counts, limits)


def test_whoever_waits_as_long_as_they_are_told_is_let_in(counts: CallCounts, clock: Clock) -> None:
    limits = CallLimits(calls_per_minute=7, seconds_per_minute=5)
    for step in range(200):
        clock.now += (step * 7919 % 13) / 10
        try:
            call(counts, limits, seconds=(step * 31 % 17) / 10)
        except TooManyCalls as refused:
            clock.now += refused.retry_after
            call(counts, limits)


def test_database_time_is_limited_once_it_was_used(counts: CallCounts, clock: Clock) -> None:
    limits = CallLimits(seconds_per_minute=10)
    call(counts, limits, seconds=9.9)
    call(counts, limits, seconds=30)
    with pytest.raises(TooManyCalls, match="10 seconds of the database's time a minute"):
        call(counts, limits)
    clock.now += 61
    call(counts, limits)


def test_database_time_of_calls_that_still_run_counts(counts: CallCounts) -> None:
    limits = CallLimits(seconds_per_minute=10)
    with counts.counted(ALICE.identity, limits) as database_time:
        call(counts, limits)
        database_time._ended = 10.0
        with pytest.raises(TooManyCalls) as refused:
            call(counts, limits)
        assert refused.value.retry_after == 60


def test_a_clock_that_is_set_back_locks_nobody_out(counts: CallCounts, clock: Clock) -> None:
    limits = CallLimits(calls_per_minute=1)
    call(counts, limits)
    clock.now -= 86_400
    call(counts, limits)


def test_callers_without_limits_are_not_counted(counts: CallCounts) -> None:
    with contextlib.ExitStack() as open_calls:
        for _ in range(100):
            open_calls.enter_context(counts.counted(ALICE.identity, NO_LIMITS))
    assert not counts._running
    assert not len(counts._past)


def test_nothing_grows_with_the_number_of_calls(counts: CallCounts, clock: Clock) -> None:
    limits = CallLimits(concurrent=1, calls_per_minute=1_000_000, seconds_per_minute=1_000_000)
    for _ in range(2000):
        clock.now += 0.2
        call(counts, limits, seconds=0.01)
    past = counts._past.get(ALICE.identity)
    assert past is not None
    assert len(past.calls._kept) <= 61
    assert len(past.seconds._kept) <= 61
    assert not counts._running
