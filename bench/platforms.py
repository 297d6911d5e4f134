"""A cold start of each platform in that platform's own runner, with the database and a secret store beside it.

- AWS: the Runtime Interface Emulator that SAM brings, with AWS's runtime client (``make rie`` installs both).
- Azure: the Python worker, spoken to as the Functions host does (``make azure-worker`` installs it).
- Databricks: the snapshot of the app, started as ``app.yaml`` says.

Each is measured from the start of its process to the answer of its first read; that of the emulator, which starts the
runtime when it is first asked, from that question on. A runner that is not installed stays silent.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
from pydantic import SecretStr

from bench.figures import Comparison, Measurement
from databricks_app.snapshot import lay_out
from local.console import Console
from local.database import stored_credential
from local.emulators.aws.secrets_manager import running_secrets_manager
from local.emulators.azure.emulate import subscription
from local.emulators.databricks.app_process import AppProcess
from local.emulators.databricks.emulate import platform
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings
from tests.aws_lambda.deployed import environ_of, event, message, result
from tests.aws_rie.emulator import binary, running
from tests.azure_function.azure_worker import invocation, require_installed, worked

__all__ = ["by_platform", "settings_of"]

ROOT = Path(__file__).parent.parent
READ = message(query="MATCH (a:Airport {faa: 'JFK'}) RETURN a.name")

Start = Callable[[], float]


def settings_of(database: EmbeddedNeo4j) -> LocalSettings:
    """What names the database, for a platform's secret."""
    found = {"NEO4J_URI": database.uri, "NEO4J_USERNAME": database.username}
    return LocalSettings.from_environ(found | {"NEO4J_PASSWORD": database.password.get_secret_value()})


@contextmanager
def lambda_function(database: EmbeddedNeo4j, place: Path) -> Iterator[Start]:
    binary()
    with running_secrets_manager("eu-central-1") as store:
        store.create("neo4j/agent", stored_credential(settings_of(database)))
        environ = environ_of(store, "neo4j/agent")

        def start() -> float:
            with running("aws_lambda.app.handler", environ, place) as emulator:
                begun = time.perf_counter()
                result(emulator.invoke(event(READ)))
                return time.perf_counter() - begun

        yield start


@contextmanager
def azure_function(database: EmbeddedNeo4j, place: Path) -> Iterator[Start]:
    require_installed()
    published = place / "wwwroot"
    for package in ("core", "azure_function"):
        shutil.copytree(ROOT / package, published / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("function_app.py", "rotation_app.py", "host.json", "requirements.txt"):
        shutil.copyfile(ROOT / file, published / file)
    with subscription() as running:
        running.vault.write("neo4j-agent", stored_credential(settings_of(database)))
        issuers = running.tenant.issuers_text(running.tokens.issuer)
        token = running.tokens.issuer.token(running.tenant.agent.id)
        environ = {**running.environ, "NEO4J_M2M_ISSUERS": issuers, "NEO4J_M2M_SECRET": "neo4j-agent"}

        def start() -> float:
            begun = time.perf_counter()
            said, _ = worked(published, environ, [invocation("mcp", body=READ, authorization=f"Bearer {token}")])
            took = time.perf_counter() - begun
            answer = said["answers"][0][0]
            if answer.get("status") != 200 or "JFK" in answer["body"] or "Kennedy" not in answer["body"]:
                raise RuntimeError(f"Azure's worker did not answer: {str(answer)[:300]}")
            return took

        yield start


@contextmanager
def databricks_app(database: EmbeddedNeo4j, place: Path) -> Iterator[Start]:
    source = place / "source"
    lay_out(source)
    with (
        platform(settings_of(database), Console(), world="token") as workspace,
        (place / "app.log").open("w") as log,
        httpx2.Client(trust_env=False, timeout=60) as client,
    ):
        token = SecretStr(workspace.workspace.workspace.issuer.token(workspace.line["client_id"]))

        def start() -> float:
            begun = time.perf_counter()
            app = AppProcess(source, workspace.environ, resources=workspace.resources(), log=log)
            try:
                headers = {"authorization": f"Bearer {token.get_secret_value()}"}
                answer = client.post(f"{app.url}/mcp", json=READ, headers=headers)
                took = time.perf_counter() - begun
                if "Kennedy" not in answer.text:
                    raise RuntimeError(f"the app did not answer: {answer.text[:300]}")
                return took
            finally:
                app.stop()

        yield start


RUNNERS = {
    "AWS Lambda, in the Runtime Interface Emulator": lambda_function,
    "Azure Functions, in the Python worker": azure_function,
    "Databricks Apps, the snapshot": databricks_app,
}


def by_platform(database: EmbeddedNeo4j, starts: int) -> list[Measurement]:
    """Cold starts of every platform whose runner is installed, in turn; of several, the first is not counted."""
    samples: dict[str, list[float]] = defaultdict(list)
    silent: dict[str, str] = {}
    with ExitStack() as stack:
        ready: dict[str, Start] = {}
        for name, runner in RUNNERS.items():
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            try:
                ready[name] = stack.enter_context(runner(database, place))
                if starts > 1:
                    ready[name]()  # it compiles what it imports
            except FileNotFoundError as error:
                silent[name] = str(error)
        for _ in range(starts):
            for name, start in ready.items():
                samples[name].append(start())
    return [Comparison("Cold start by platform", "process start to first answer", "s", samples, silent=silent)]
