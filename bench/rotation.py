"""What callers notice of rotations: ``python -m bench.rotation [--calls N] [--platform P]``.

Sixteen callers call through each emulated platform, with the real function or app behind it, while the credential is
rotated ten times: five times by two users in turn and five times in place. Of each five, one publishes half a second
late, one finds the secret store down for two seconds, and one is killed after the database was changed and finished by
another. When the database is changed every connection to it is cut, so that all servers log in again; on AWS an
execution environment is ended besides, so that one starts cold. A relay before the database reads what it refuses.

What the platforms log goes into a file, ``build/bench-rotation.log``: each call is an audit line.

Servers read the secret again after three seconds here, and turns are twice as far apart, as they are with the defaults:
five minutes, and a turn sooner than ten minutes after the last one is refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import httpx2
import neo4j
from pydantic import SecretStr

from bench.rotation_place import CALLERS, Place
from core.credentials.credential import Credential, PasswordLogin
from core.credentials.rotation import Rotation
from local.console import Console
from local.database import embedded_database
from local.emulators.in_process import HEADERS, tool_call, tool_result
from local.emulators.platforms import PLATFORMS, module_of
from local.settings import LocalSettings

LOG = Path(__file__).parent.parent / "build" / "bench-rotation.log"
TURNS = 5
LATE = 0.5
DOWN = 2.0
SECRET_TTL = 3.0
SETTINGS = {"NEO4J_M2M_LOG_LEVEL": "ERROR", "NEO4J_M2M_SECRET_TTL": f"{SECRET_TTL:g}"}
BODY = tool_call("read-cypher", {"query": "RETURN 1 AS one"})


class Relay:
    """Passes connections on to the database, and counts the codes in what it answers."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self._target = (parts.hostname, parts.port)
        self.seen: Counter[str] = Counter()
        self.uri = ""
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.uri = f"bolt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(*self._target)
        self._open.add(writer)
        await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer, watch=True))

    def cut(self) -> int:
        """Cut every connection, as when all servers start cold at once; returns how many there were."""
        cut, self._open = self._open, set()
        for writer in cut:
            writer.transport.abort()
        return len(cut)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, watch: bool = False) -> None:
        try:
            while chunk := await reader.read(65_536):
                if watch:
                    for code in ("AuthenticationRateLimit", "Security.Unauthorized"):
                        self.seen[code] += chunk.count(code.encode())
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()


class Load:
    """Sixteen callers, and what became of their calls."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.took: list[tuple[float, float]] = []
        self.failed: Counter[str] = Counter()

    async def reach(self, calls: int) -> None:
        """Return when there have been ``calls`` calls."""
        while len(self.took) < calls:  # noqa: ASYNC110 - the callers count in passing
            await asyncio.sleep(0.05)

    async def call(self, url: str, auth: httpx2.Auth) -> None:
        async with httpx2.AsyncClient(auth=auth, trust_env=False, timeout=60) as client:
            while not self.over.is_set():
                began = time.perf_counter()
                answer = await client.post(url, content=BODY, headers=dict(HEADERS))
                self.took.append((began, (time.perf_counter() - began) * 1000))
                if answer.status_code != 200:
                    self.failed[f"HTTP {answer.status_code}"] += 1
                elif (result := tool_result(answer.content)).get("isError"):
                    self.failed[result["content"][0]["text"][:60] if result["content"] else "no result"] += 1


async def rotate(place: Place, administrator: Any, mode: Any, number: int, cut: Callable[[], int]) -> int:
    """One rotation: the second is late, the third finds the store down, the fourth is killed and finished by another.

    When the database is changed all servers lose their connections and log in again; returns how many connections.
    """
    token = secrets.token_hex(16)
    rotation = Rotation(place.secret(token, claimed=False), administrator, mode=mode)
    await rotation.create()
    await rotation.set()
    if number == 2:
        place.set_down(True)
    lost = cut()
    if number == 2:
        await asyncio.sleep(DOWN)
        place.set_down(False)
    if number == 3:
        rotation = Rotation(place.secret(token, claimed=True), administrator, mode=mode)
        await rotation.create()
        await rotation.set()
    if number == 1:
        await asyncio.sleep(LATE)
    await rotation.test()
    await rotation.finish()
    return lost


async def measure(
    platform: str, settings: LocalSettings, console: Console, database: Any, calls: int, table: TextIO
) -> bool:
    """Print a line into ``table`` for each kind of rotation; whether no call failed."""
    user, password = f"bench{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    admin = (database.username, database.password.get_secret_value())
    with neo4j.GraphDatabase.driver(database.uri, auth=admin, telemetry_disabled=True) as driver:
        statement = "CREATE USER $name SET PASSWORD $password CHANGE NOT REQUIRED"
        driver.execute_query(statement, name=user, password=password, database_="system")
    well = True
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay(database.uri))
        login = PasswordLogin(username=database.username, password=database.password)
        credential = Credential(uri=relay.uri, database=None, login=login)

        async def administrator() -> Credential:
            return credential

        named = {"neo4j_uri": relay.uri, "neo4j_username": user, "neo4j_password": SecretStr(password)}
        more: dict[str, Any] = {"concurrency": CALLERS} if platform == "aws" else {}
        context = module_of(platform).platform(settings.model_copy(update=named), console, **more)
        running: Any = await asyncio.to_thread(context.__enter__)
        try:
            caller = module_of(platform).callers(running.line)[0]
            assert caller.auth is not None
            place = Place(platform, running)
            for mode in ("two_users", "single_user"):
                well &= await measure_mode(platform, mode, place, administrator, relay, caller, calls // 2, table)
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
    return well


async def measure_mode(
    platform: str, mode: str, place: Place, administrator: Any, relay: Relay, caller: Any, calls: int, table: TextIO
) -> bool:
    load = Load()
    ended = lost = 0
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLERS):
            tasks.create_task(load.call(caller.url, caller.auth))
        await load.reach(calls // (TURNS + 1))
        warm = load.took[len(load.took) // 2 :]
        usual = statistics.quantiles([took for _, took in warm], n=100)[-1]
        began, reads = time.perf_counter(), place.reads()
        relay.seen.clear()
        for number in range(TURNS):
            ended += await place.end_an_environment()
            lost += await rotate(place, administrator, mode, number, relay.cut)
            await asyncio.gather(load.reach(calls * (number + 2) // (TURNS + 1)), asyncio.sleep(2 * SECRET_TTL))
        seconds, reads = time.perf_counter() - began, place.reads() - reads
        load.over.set()
    after = [took for at, took in load.took if at >= began]
    processes = place.processes()
    extra = max(0.0, reads / processes - seconds / SECRET_TTL) / TURNS
    print(
        f"{platform:<11} {mode:<12} {len(load.took):>7,} {sum(load.failed.values()):>7} "
        f"{relay.seen['AuthenticationRateLimit']:>13} {relay.seen['Security.Unauthorized']:>8} {ended:>5} {lost:>5} "
        f"{processes:>6} {reads:>6} {extra:>6.1f} {usual:>9.0f} {max(after):>9.0f}",
        file=table,
        flush=True,
    )
    if load.failed:
        print("  " + json.dumps(load.failed), file=table, flush=True)
    return not load.failed


@contextmanager
def output_in(log: Path) -> Iterator[TextIO]:
    """What this process and those that it starts write goes into ``log``; yields what still writes to standard output.

    The log of a function is its standard output.
    """
    log.parent.mkdir(exist_ok=True)
    kept = [os.dup(number) for number in (1, 2)]
    with log.open("wb") as file, os.fdopen(os.dup(kept[0]), "w", encoding="utf-8") as table:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield table
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def main() -> int:
    """Measure the platforms; 1 if a call failed."""
    parser = argparse.ArgumentParser(description="What callers notice of rotations.")
    parser.add_argument("--calls", type=int, default=10_000, help="calls through each platform")
    parser.add_argument("--platform", choices=PLATFORMS, action="append")
    arguments = parser.parse_args()
    console, settings = Console(), LocalSettings.from_environ(SETTINGS)
    names = arguments.platform or list(PLATFORMS)
    with embedded_database(settings, console) as database:
        print(f"A platform takes about two minutes. Its log lines go to {os.path.relpath(LOG)}.")
        print(
            f"{'platform':<11} {'rotation':<12} {'calls':>7} {'failed':>7} {'rate-limited':>13} {'refused':>8} "
            f"{'cold':>5} {'cut':>5} {'procs':>6} {'reads':>6} {'extra':>6} {'p99 ms':>9} {'worst ms':>9}"
        )
        print(
            f"extra: reads a turn and process beyond the one in {SECRET_TTL:g} s that a server makes without any turn",
            flush=True,
        )
        with output_in(LOG) as table:
            ends = [asyncio.run(measure(name, settings, console, database, arguments.calls, table)) for name in names]
    return 0 if all(ends) else 1


if __name__ == "__main__":
    raise SystemExit(main())
