"""The page for people in a real Chromium: ``python -m tests.page.run PYTHON [PART]``.

PYTHON has Playwright. PART is a part of the name of one check, to run that alone. The browser is a Chromium of this
machine: the program that CHROMIUM names, or one on the PATH. It visits `serve` with the sample graph and a few hostile
names, `serve` with API keys, and `emulate databricks`; screenshots go to ``build/page``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import neo4j

from local.console import Console
from local.emulators.http_front import Answer, HttpFront
from local.emulators.loopback_server import served
from local.neo4j import EmbeddedNeo4j
from local.sample import load_sample
from tests.support.processes import environment, finished, running

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "build" / "page"
HOSTILE = "<img src=x onerror=globalThis.__owned=1>"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

FILLED = """
CREATE (a:`%s` {name: $name}), (b:Hostile {name: "</script><script>globalThis.__owned=1</script>"}),
       (c:Hostile {name: "javascript:globalThis.__owned=1", title: $name}),
       (a)-[:`%s` {why: $name}]->(b), (a)-[:KNOWS]->(c)
"""


LIMITED = """
[[rule]]
name = "the local user sees the schema"
kind = "local"
tools = ["get-schema"]
calls_per_minute = 2
"""


def chromium() -> str | None:
    """The browser's program, or None where no browser is found."""
    named = os.environ.get("CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


class Elsewhere(HttpFront):
    """Another site, with nothing on its page."""

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        return 200, [("content-type", "text/html")], b"<!doctype html><title>elsewhere</title><body></body>"


@contextlib.contextmanager
def filled(directory: Path) -> Iterator[dict[str, str]]:
    """The settings of a database with the sample graph and names that would be markup if anything let them."""
    with EmbeddedNeo4j(data_dir=directory, console=Console()) as database:
        password = database.password.get_secret_value()
        with neo4j.GraphDatabase.driver(database.uri, auth=(database.username, password)) as driver:
            load_sample(driver, database=database.database, console=Console())
            driver.execute_query(FILLED % (HOSTILE, HOSTILE), name=HOSTILE)  # type: ignore[arg-type]
        yield {"NEO4J_URI": database.uri, "NEO4J_USERNAME": database.username, "NEO4J_PASSWORD": password}


def main(python: str, only: str = "") -> int:
    """Run the checks; returns 0 if all hold, and 2 if there is no browser."""
    program = chromium()
    if program is None:
        print(
            "make page needs Chromium, and found none. Install it (Debian: apt-get install chromium), or name the "
            "program: make page CHROMIUM=/path/to/chromium",
            file=sys.stderr,
        )
        return 2
    if not only:
        shutil.rmtree(OUT, ignore_errors=True)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        graph = stack.enter_context(filled(directory / "graph"))
        keys = directory / "keys.json"
        created = finished("keys", "create", "--name", "person", "--file", str(keys), environ=environment())
        assert created.returncode == 0, created.stderr

        def start(*arguments: str, **environ: str) -> dict[str, str]:
            return stack.enter_context(running(*arguments, environ=environment(**graph, **environ))).ready

        def page_of(line: dict[str, str]) -> str:
            parts = urlsplit(line["url"])
            return f"{parts.scheme}://{parts.netloc}/"

        databricks = start("emulate", "databricks")
        plan = {
            "chromium": program,
            "out": str(OUT),
            "only": only,
            "hostile": HOSTILE,
            "serve": page_of(start("serve", "--port", "0")),
            "numbers": page_of(start("serve", "--port", "0", NEO4J_M2M_LARGE_INTEGERS="number")),
            "limited": page_of(start("serve", "--port", "0", NEO4J_M2M_POLICY=LIMITED, NEO4J_M2M_ANSWER_FORM="text")),
            "keyed": {
                "url": page_of(start("serve", "--port", "0", NEO4J_M2M_KEYS_FILE=str(keys))),
                "key": created.stdout.strip(),
            },
            "databricks": {"url": page_of(databricks), "pat": databricks["pat"]},
            "elsewhere": stack.enter_context(served(Elsewhere(), name="another site")),
        }
        browser = subprocess.run(
            [python, "-m", "tests.page.browser"], cwd=ROOT, input=json.dumps(plan), text=True, check=False
        )
    print(f"page: screenshots in {OUT.relative_to(ROOT)}")
    return browser.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
