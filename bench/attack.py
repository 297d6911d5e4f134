"""What a hostile caller costs: ``python -m bench.attack [--small] [--only TEXT] [serve aws azure databricks]``.

Sends requests that want too much to `serve` and to each emulator, while another caller asks for ``RETURN 1``, and for
a ping that needs no database, again and again. Prints for each: the request, the bytes that came back, the seconds that
it took, the longest wait of the other caller for each, that of bare drivers that ask the database past every server,
the most memory that one process of the server had, and the outcome. Then it looks for statements that run on in the
database.

Ends with status 1 if an answer or a process was too large, if the other caller was told something else than 1, or if a
statement runs on that the server does not know of. A long wait is only printed: it depends on the machine.
``--small`` leaves out the long ones, ``--only`` those without TEXT in their name. Each server has its own
database.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import neo4j
import psutil

from bench.attacks import ATTACKS, Attack
from bench.bystanders import HEADERS, PAUSE, bystanders
from local.console import Console
from local.emulators.callers import HeaderAuth
from local.emulators.platforms import PLATFORMS, module_of
from local.neo4j import EmbeddedNeo4j

MOST_BYTES = 700_000
"""Of one answer: rows of 262,144 bytes and some slack, once as structured content and once as text in JSON."""

MOST_MEGABYTES = 200


@dataclass
class Served:
    """A server that is attacked: where the attacker calls, where the other, and its process."""

    name: str
    attacker: tuple[str, httpx2.Auth]
    other: tuple[str, httpx2.Auth]
    process: psutil.Process
    log: Path
    database: EmbeddedNeo4j
    one_caller: bool = False
    known: dict[int, psutil.Process] = field(default_factory=dict)

    def megabytes(self) -> float:
        """The resident memory of its largest Python process."""
        with contextlib.suppress(psutil.Error):
            for process in (self.process, *self.process.children(recursive=True)):
                if process.pid not in self.known and "python" in process.name():
                    self.known[process.pid] = process
        sizes = [0]
        for process in list(self.known.values()):
            with contextlib.suppress(psutil.Error):
                sizes.append(process.memory_info().rss)
        return max(sizes) / 1e6


@dataclass
class Peak:
    """The most memory that was seen while it was watched."""

    megabytes: float = 0.0


@contextmanager
def watched(served: Served) -> Iterator[Peak]:
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(PAUSE):
            peak.megabytes = max(peak.megabytes, served.megabytes())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        over.set()
        watching.join()


def outcome_of(answer: httpx2.Response) -> str:
    with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError, IndexError):
        message = answer.json()
        if "error" in message:
            return f"{answer.status_code}: {message['error']['message']}"
        result = message["result"]
        if result.get("isError"):
            return f"error: {result['content'][0]['text']}"
        content = result["structuredContent"]
        return f"{content.get('row_count')} rows{', cut' if content.get('truncated') else ''}"
    return f"{answer.status_code}: {answer.text}"


async def run(served: Served, attack: Attack) -> list[str]:
    """Attack, print what happened, and return the goals that are missed."""
    url, auth = served.attacker
    with watched(served) as peak:
        async with (
            bystanders(*served.other, served.database) as waits,
            httpx2.AsyncClient(trust_env=False, timeout=120, auth=auth) as client,
        ):
            begun = time.perf_counter()
            requests = [client.post(url, content=attack.body, headers=HEADERS) for _ in range(attack.times)]
            answers = await asyncio.gather(*requests)
            seconds = time.perf_counter() - begun
    largest = max(len(answer.content) for answer in answers)
    said = " ".join(outcome_of(answers[0]).split())[:64]
    print(
        f"{served.name:<11}{attack.what:<45}{largest:>7} B {seconds:>6.2f} s  other {waits.worst * 1000:>6.0f} ms, "
        f"ping {waits.ping * 1000:>5.0f} ms, bare {waits.bare * 1000:>5.0f} ms {peak.megabytes:>5.0f} MB  {said}",
        flush=True,
    )
    missed = []
    if largest > MOST_BYTES:
        missed.append(f"an answer has {largest} bytes")
    if peak.megabytes > MOST_MEGABYTES:
        missed.append(f"a process had {peak.megabytes:.0f} MB")
    if waits.worst > waits.bare + attack.most_wait and not served.one_caller:
        print(
            f"{'':<11}late: the other caller should wait {attack.most_wait * 1000:.0f} ms more than the driver at most"
        )
    if waits.failed:
        missed.append(f"the other caller was told: {waits.failed}")
    return [f"{served.name}, {attack.what}: {one}" for one in missed]


def fill(database: EmbeddedNeo4j) -> None:
    """Create a few thousand nodes: the length of a list of theirs is not in a statement's text."""
    auth = (database.username, database.password.get_secret_value())
    with neo4j.GraphDatabase.driver(database.uri, auth=auth) as driver:
        driver.execute_query("UNWIND range(1, 5000) AS i CREATE (:Thing {x: i, name: 'thing ' + toString(i)})")


def unreported(database: EmbeddedNeo4j, served: Served) -> list[str]:
    """The statements that still run in the database, though their callers were answered, and no line tells of."""
    time.sleep(1)
    auth = (database.username, database.password.get_secret_value())
    with neo4j.GraphDatabase.driver(database.uri, auth=auth) as driver, driver.session() as session:
        rows = session.run(
            "SHOW TRANSACTIONS YIELD metaData, currentQuery WHERE metaData.request_id IS NOT NULL "
            "RETURN metaData.request_id AS request, currentQuery AS query"
        ).data()
    told = served.log.read_text(errors="replace")
    survivors = [row for row in rows if "RETURN 1 AS one" not in row["query"]]
    print(f"{served.name:<11}{len(survivors)} statements run on in the database")
    return [
        f"{served.name}: a statement runs on unreported: {row['query'][:60]}"
        for row in survivors
        if not any("statement_survived" in line and row["request"] in line for line in told.splitlines())
    ]


@contextmanager
def started(database: EmbeddedNeo4j, directory: Path, *arguments: str, **environ: str) -> Iterator[tuple[Any, Path]]:
    """A command that prints a JSON line; gives that line with ``pid`` in it, and the file with its log."""
    log = directory / f"{arguments[0]}-{arguments[-1]}.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_")}
    told = {
        "NEO4J_URI": database.uri,
        "NEO4J_USERNAME": database.username,
        "NEO4J_PASSWORD": database.password.get_secret_value(),
        "NEO4J_DATABASE": "neo4j",
        **environ,
    }
    command = [sys.executable, "-m", "cli.main", *arguments]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=kept | told) as process,
    ):
        try:
            line = next(iter(process.stdout or ()), None)
            if line is None:
                raise RuntimeError(f"{' '.join(arguments)} did not start: {log.read_text()[-500:]}")
            yield {**json.loads(line), "pid": process.pid}, log
        finally:
            process.terminate()


def new_key(ring: Path, name: str) -> HeaderAuth:
    made = subprocess.run(
        [sys.executable, "-m", "cli.main", "keys", "create", "--json", "--name", name, "--file", str(ring)],
        capture_output=True,
        text=True,
        check=True,
    )
    return HeaderAuth("x-api-key", json.loads(made.stdout)["key"])


@contextmanager
def server(name: str, database: EmbeddedNeo4j, directory: Path) -> Iterator[Served]:
    """`serve` or an emulator, with two callers if it has two."""
    if name == "serve":
        ring = directory / "keys.toml"
        attacker, other = new_key(ring, "attacker"), new_key(ring, "other")
        with started(database, directory, "serve", "--port", "0", NEO4J_M2M_KEYS_FILE=str(ring)) as (line, log):
            url = line["url"]
            yield Served(name, (url, attacker), (url, other), psutil.Process(line["pid"]), log, database)
        return
    with started(database, directory, "emulate", name) as (line, log):
        admitted = [caller for caller in module_of(name).callers(line) if caller.admitted]
        ways = [(caller.url, caller.auth) for caller in admitted if caller.auth is not None]
        first, last = ways[0], ways[-1]
        # Databricks' callers are one principal with two proofs.
        yield Served(name, first, last, psutil.Process(line["pid"]), log, database, one_caller=name == "databricks")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the attacks whose name contains TEXT")
    parser.add_argument("names", nargs="*", default=["serve", *PLATFORMS])
    arguments = parser.parse_args()
    chosen = [one for one in ATTACKS if arguments.only in one.what and not (arguments.small and one.long)]
    if not chosen:
        parser.error(f"the name of no attack contains {arguments.only!r}")
    missed: list[str] = []
    for name in arguments.names:
        with (
            tempfile.TemporaryDirectory() as temporary,
            EmbeddedNeo4j(Path(temporary) / "data", console=Console()) as database,
        ):
            fill(database)
            with server(name, database, Path(temporary)) as served:
                for attack in chosen:
                    missed += asyncio.run(run(served, attack))
                missed += unreported(database, served)
    for one in missed:
        print(f"missed: {one}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
