from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from core.deadline import Deadline
from core.errors import DatabaseUnavailable, DeadlineExceeded
from core.graph.database import Database
from core.schema.cache import SchemaCache
from core.settings import Settings
from tests.support.tcp_proxy import TcpProxy

NO_GRAPH = cast(Database, None)


class Readings:
    """Stands in for readings of the database: counts them, and does at each what it was told to."""

    def __init__(self, *deeds: Callable[[], Awaitable[None]], hurried: bool = False) -> None:
        self.deeds = list(deeds)
        self.hurried = hurried
        self.asked: list[bool] = []

    async def __call__(self, graph: Database, *, deadline: Deadline, samples: bool = False) -> dict[str, Any]:
        self.asked.append(samples)
        if self.deeds:
            await self.deeds.pop(0)()
        await asyncio.sleep(0)
        return {"number": len(self.asked), "hurried": self.hurried}


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Readings], Readings]:
    def install(readings: Readings) -> Readings:
        monkeypatch.setattr("core.schema.cache.read_schema", readings)
        return readings

    return install


async def get(cache: SchemaCache, *, refresh: bool = False, seconds: float = 30, samples: bool = False) -> int:
    schema = await cache.get(refresh=refresh, deadline=Deadline.after(seconds), samples=samples)
    return int(schema["number"])


async def fail() -> None:
    raise DatabaseUnavailable("down")


async def hang() -> None:
    await asyncio.sleep(3600)


async def test_a_warm_schema_costs_no_look_at_the_database_until_a_refresh(settings: Settings) -> None:
    async with TcpProxy.to(settings.neo4j_uri) as proxy:
        graph = Database(settings.model_copy(update={"neo4j_uri": proxy.uri}))
        cache = SchemaCache(graph, ttl=60)
        first = await cache.get(refresh=False, deadline=Deadline.after(30))
        await proxy.refuse()
        assert await cache.get(refresh=False, deadline=Deadline.after(1)) is first
        await proxy.accept()
        again = await cache.get(refresh=True, deadline=Deadline.after(30))
        assert again is not first
        assert again == first
        await graph.close()


async def test_calls_that_come_together_share_one_reading(install: Callable[[Readings], Readings]) -> None:
    readings = install(Readings())
    cache = SchemaCache(NO_GRAPH, ttl=60)
    assert await asyncio.gather(*(get(cache) for _ in range(10))) == [1] * 10
    assert len(readings.asked) == 1


async def test_a_refresh_gets_no_reading_that_began_before_it(install: Callable[[Readings], Readings]) -> None:
    install(Readings(lambda: asyncio.sleep(0.05)))
    cache = SchemaCache(NO_GRAPH, ttl=60)
    under_way = asyncio.create_task(get(cache))
    await asyncio.sleep(0.01)
    assert await asyncio.gather(*(get(cache, refresh=True) for _ in range(5))) == [2] * 5
    assert await under_way == 1


async def test_the_time_limit_ends_and_zero_remembers_nothing(install: Callable[[Readings], Readings]) -> None:
    install(Readings())
    brief, never = SchemaCache(NO_GRAPH, ttl=0.02), SchemaCache(NO_GRAPH, ttl=0)
    assert [await get(brief), await get(brief)] == [1, 1]
    await asyncio.sleep(0.05)
    assert await get(brief) == 2
    assert [await get(never), await get(never)] == [3, 4]


async def test_when_a_reading_fails_the_next_caller_reads(install: Callable[[Readings], Readings]) -> None:
    install(Readings(fail))
    cache = SchemaCache(NO_GRAPH, ttl=60)
    outcomes = await asyncio.gather(*(get(cache) for _ in range(3)), return_exceptions=True)
    assert isinstance(outcomes[0], DatabaseUnavailable)
    assert outcomes[1:] == [2, 2]


async def test_a_failed_refresh_leaves_what_was_known(install: Callable[[Readings], Readings]) -> None:
    install(Readings(lambda: asyncio.sleep(0), fail))
    cache = SchemaCache(NO_GRAPH, ttl=60)
    await get(cache)
    with pytest.raises(DatabaseUnavailable):
        await get(cache, refresh=True)
    assert await get(cache) == 1


async def test_when_the_first_caller_goes_away_the_next_one_reads(install: Callable[[Readings], Readings]) -> None:
    install(Readings(hang))
    cache = SchemaCache(NO_GRAPH, ttl=60)
    first = asyncio.create_task(get(cache))
    await asyncio.sleep(0)
    second = asyncio.create_task(get(cache))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 2


async def test_when_the_first_callers_time_is_up_the_others_keep_theirs(
    install: Callable[[Readings], Readings],
) -> None:
    install(Readings(hang))
    cache = SchemaCache(NO_GRAPH, ttl=60)
    hasty, patient = await asyncio.gather(get(cache, seconds=0.05), get(cache, seconds=30), return_exceptions=True)
    assert isinstance(hasty, DeadlineExceeded)
    assert patient == 2


async def test_a_schema_that_haste_left_incomplete_is_not_kept(install: Callable[[Readings], Readings]) -> None:
    install(Readings(hurried=True))
    cache = SchemaCache(NO_GRAPH, ttl=60)
    assert [await get(cache), await get(cache)] == [1, 2]


async def test_who_needs_values_and_who_does_not_share_one_schema(install: Callable[[Readings], Readings]) -> None:
    readings = install(Readings())
    cache = SchemaCache(NO_GRAPH, ttl=60)
    assert [await get(cache), await get(cache, samples=True), await get(cache)] == [1, 2, 2]
    assert await get(cache, refresh=True) == 3
    assert await get(cache, samples=True) == 3
    assert readings.asked == [False, True, True]
