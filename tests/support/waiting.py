"""Waits for what is going to happen, instead of for a time in which it usually has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import neo4j

GENEROUS_SECONDS = 60.0
"""Far longer than anything takes that a test waits for, on a machine that is busy with other things."""

_BETWEEN_LOOKS = 0.02


def eventually(holds: Callable[[], bool], seconds: float = GENEROUS_SECONDS) -> bool:
    """Whether ``holds`` comes to be true within ``seconds``; returns as soon as it is."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_BETWEEN_LOOKS)
    return True


async def soon(holds: Callable[[], bool], seconds: float = GENEROUS_SECONDS) -> bool:
    """The same for a coroutine; the event loop runs on meanwhile."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_BETWEEN_LOOKS)
    return True


def statements_with(driver: neo4j.Driver, mark: str) -> int:
    """How many statements run in the database that contain ``mark``, this look aside."""
    look = "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery CONTAINS $mark RETURN count(*) AS n"
    return int(driver.execute_query(look, mark=mark).records[0]["n"])
