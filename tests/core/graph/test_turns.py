from __future__ import annotations

import asyncio
from collections.abc import Hashable

from core.graph.turns import Turns


class Callers:
    """Statements that run until they are told to end; ``running`` has whose they are, in the order they began."""

    def __init__(self, places: int) -> None:
        self.turns = Turns(places)
        self.running: list[Hashable] = []
        self._end: dict[asyncio.Task[None], asyncio.Event] = {}

    async def begin(self, caller: Hashable) -> asyncio.Task[None]:
        end = asyncio.Event()
        task = asyncio.create_task(self._run(caller, end))
        self._end[task] = end
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task

    async def _run(self, caller: Hashable, end: asyncio.Event) -> None:
        async with self.turns.turn(caller):
            self.running.append(caller)
            try:
                await end.wait()
            finally:
                self.running.remove(caller)

    async def end(self, task: asyncio.Task[None]) -> None:
        self._end[task].set()
        await task
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_caller_alone_may_use_all_connections_but_those_kept_for_others() -> None:
    callers = Callers(10)
    tasks = [await callers.begin("greedy") for _ in range(16)]
    assert len(callers.running) == 8
    for task in tasks:
        await callers.end(task)
    assert callers.running == []


async def test_another_caller_enters_at_once_however_many_of_the_first_wait() -> None:
    callers = Callers(10)
    for _ in range(16):
        await callers.begin("greedy")
    await callers.begin("modest")
    assert callers.running.count("modest") == 1
    await callers.begin("third")
    assert callers.running.count("third") == 1


async def test_what_is_freed_goes_to_whoever_uses_the_fewest() -> None:
    callers = Callers(2)
    first = await callers.begin("greedy")
    second = await callers.begin("greedy")
    await callers.begin("greedy")
    await callers.begin("modest")
    await callers.end(first)
    assert callers.running == ["greedy", "modest"]
    await callers.end(second)
    assert callers.running == ["modest", "greedy"]


async def test_who_gives_up_waiting_takes_no_turn_with_them() -> None:
    callers = Callers(1)
    first = await callers.begin("a")
    waiting = await callers.begin("b")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await callers.end(first)
    await callers.begin("c")
    assert callers.running == ["c"]


async def test_who_gives_up_in_the_moment_of_their_turn_hands_it_on() -> None:
    callers = Callers(1)
    first = await callers.begin("a")
    waiting = await callers.begin("b")
    third = await callers.begin("c")
    callers._end[first].set()
    await first
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert callers.running == ["c"]
    await callers.end(third)


async def test_a_single_place_is_given_to_one_after_the_other() -> None:
    turns, most, inside = Turns(1), 0, 0

    async def call(caller: int) -> None:
        nonlocal most, inside
        async with turns.turn(caller):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(call(number % 3) for number in range(30)))
    assert most == 1
