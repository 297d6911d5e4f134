from __future__ import annotations

import asyncio

import pytest

from core.credentials.secret_store import SecretDenied, SecretUnreachable
from core.deadline import Deadline
from core.errors import LocalError, Neo4jM2mError
from core.remembered import Lifetime, Refreshed


class Source:
    """Answers the items of ``answers`` one after the other, the last one for ever; an exception is raised."""

    def __init__(self, *answers: str | Neo4jM2mError, seconds: float = 0.0) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.asked = 0

    async def fetch(self) -> str:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(self.seconds)
        if isinstance(answer, Neo4jM2mError):
            raise answer
        return answer


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def refreshed(source: Source, clock: Clock, fresh: float = 10, usable: float = 100) -> Refreshed[str]:
    return Refreshed(source.fetch, lambda value: Lifetime(fresh, usable), what="the value", clock=clock)


async def test_a_value_is_fetched_once_while_it_is_fresh() -> None:
    clock, source = Clock(), Source("one", "two")
    value = refreshed(source, clock)
    assert source.asked == 0
    assert [await value.get(), await value.get()] == ["one", "one"]
    clock.now += 10
    assert await value.get() == "two"
    assert source.asked == 2


async def test_however_many_need_it_at_once_one_fetch_is_made() -> None:
    source = Source("one", seconds=0.02)
    value = refreshed(source, Clock())
    assert await asyncio.gather(*(value.get() for _ in range(50))) == ["one"] * 50
    assert source.asked == 1


async def test_a_fetch_whose_caller_goes_away_is_made_by_the_next() -> None:
    source = Source("one", seconds=0.05)
    value = refreshed(source, Clock())
    first, second = asyncio.ensure_future(value.get()), asyncio.ensure_future(value.get())
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == "one"
    assert source.asked == 2


async def test_a_stale_value_serves_while_no_newer_one_can_be_fetched_but_not_for_ever() -> None:
    clock, source = Clock(), Source("one", LocalError("gone"))
    value = refreshed(source, clock)
    await value.get()
    clock.now += 99
    assert await value.get() == "one"
    clock.now += 1
    with pytest.raises(LocalError, match="gone"):
        await value.get()


class Withdrawn(Neo4jM2mError):
    withdrawn = True


async def test_a_value_that_is_withdrawn_is_used_only_a_little_longer_whatever_fails_after_that() -> None:
    clock, source = Clock(), Source("one", Withdrawn("denied"), LocalError("away"))
    value = Refreshed(source.fetch, lambda value: Lifetime(10, 100, 30), what="the value", clock=clock)
    await value.get()
    clock.now += 29
    assert await value.get() == "one"
    clock.now += 1
    with pytest.raises(Withdrawn, match="denied"):
        await value.get()
    clock.now += 5
    with pytest.raises(LocalError, match="away"):
        await value.get()
    source.answers = ["two", LocalError("away")]
    clock.now += 5
    assert await value.get() == "two"
    clock.now += 99
    assert await value.get() == "two"


async def test_a_failure_is_not_repeated_at_once_whoever_asks() -> None:
    clock, source = Clock(), Source(LocalError("gone"), LocalError("gone"), "back")
    value = refreshed(source, clock)
    for _ in range(20):
        with pytest.raises(LocalError, match="gone"):
            await value.get()
    assert source.asked == 1
    clock.now += 5
    with pytest.raises(LocalError, match="gone"):
        await value.get()
    clock.now += 5
    assert await value.get() == "back"


async def test_a_caller_with_patience_waits_for_the_first_value_and_those_who_wait_fetch_together() -> None:
    source = Source(SecretUnreachable("gone"), SecretUnreachable("gone"), "there")
    value = Refreshed(source.fetch, lambda value: Lifetime(10, 100), what=None)
    assert set(await asyncio.gather(*(value.get(patience=Deadline.after(5)) for _ in range(20)))) == {"there"}
    assert source.asked == 3


async def test_patience_ends_and_the_failure_is_told() -> None:
    source = Source(SecretUnreachable("gone"))
    value = Refreshed(source.fetch, lambda value: Lifetime(10, 100), what=None)
    with pytest.raises(SecretUnreachable, match="gone"):
        await value.get(patience=Deadline.after(0.35))
    asked = source.asked
    assert asked >= 2
    with pytest.raises(SecretUnreachable, match="gone"):
        await value.get()
    assert source.asked == asked


async def test_who_has_no_time_left_gets_what_is_still_usable_or_is_told_what_failed_last() -> None:
    clock, source = Clock(), Source("one", "two")
    stale = refreshed(source, clock)
    await stale.get()
    clock.now += 50
    source.seconds = 60
    assert await stale.get(patience=Deadline.after(0.1)) == "one"
    slow = Source(SecretUnreachable("gone"), "late")
    value = Refreshed(slow.fetch, lambda value: Lifetime(10, 100), what=None, retry_seconds=0)
    with pytest.raises(SecretUnreachable):
        await value.get()
    slow.seconds = 60
    with pytest.raises(SecretUnreachable, match="gone"):
        await value.get(patience=Deadline.after(0.1))
    never = Source("never", seconds=60)
    with pytest.raises(TimeoutError):
        await Refreshed(never.fetch, lambda value: Lifetime(10, 100), what=None).get(patience=Deadline.after(0.1))


async def test_nobody_waits_for_what_will_not_come_or_while_there_is_a_usable_value() -> None:
    value = Refreshed(Source(SecretDenied("no")).fetch, lambda value: Lifetime(10, 100), what=None)
    with pytest.raises(SecretDenied):
        await value.get(patience=Deadline.after(60))
    clock, source = Clock(), Source("one", SecretUnreachable("gone"))
    stale = refreshed(source, clock)
    await stale.get()
    clock.now += 50
    assert await stale.get(patience=Deadline.after(60)) == "one"
    assert source.asked == 2


async def test_a_clock_that_was_set_back_makes_a_value_old() -> None:
    clock, source = Clock(), Source("one", "two")
    value = refreshed(source, clock)
    await value.get()
    clock.now -= 1
    assert await value.get() == "two"


async def test_another_value_is_waited_for_and_those_who_wait_ask_together() -> None:
    source = Source("old", "old", "old", "new")
    value = refreshed(source, Clock())
    await value.get()
    waiting = [value.other_than("old", Deadline.after(5)) for _ in range(20)]
    assert await asyncio.gather(*waiting) == ["new"] * 20
    assert source.asked == 4
    assert await value.get() == "new"


async def test_who_waits_in_vain_is_told_and_has_asked_at_least_once() -> None:
    source = Source("old")
    value = refreshed(source, Clock())
    await value.get()
    assert await value.other_than("old", Deadline.after(0)) is None
    assert source.asked == 2
    assert await value.other_than("old", Deadline.after(0.5)) is None
    assert 3 <= source.asked <= 6


async def test_a_failure_while_waiting_for_another_value_keeps_the_one_at_hand() -> None:
    source = Source("old", LocalError("gone"), "new")
    value = refreshed(source, Clock())
    await value.get()
    assert await value.other_than("old", Deadline.after(5)) == "new"


async def test_a_value_that_is_to_be_forgotten_is_fetched_again_and_no_other_is() -> None:
    source = Source("one", "two")
    value = refreshed(source, Clock())
    await value.get()
    value.forget("zero")
    assert await value.get() == "one"
    value.forget("one")
    assert await value.get() == "two"
