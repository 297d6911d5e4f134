"""What the shim of each platform adds to a warm small call: ``python -m bench.shims [--brief]``.

The same request goes to `core` alone, to the application as the platform sets it up, and through the whole shim: the
handler of Lambda with the event of a function URL, the function of the Azure function app, the ASGI app of Databricks
Apps. All three are called within one process, against the same database, in turn. Each platform has a process of its
own (`bench.shim_process`), since their settings and logs would get in each other's way; the processes take turns, too.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from bench.figures import Comparison, Measurement
from bench.parts import alone
from bench.platforms import settings_of
from bench.shim_process import ADMITTED, CORE, SHIM
from local.console import Console
from local.database import stored_credential
from local.emulators.aws.environment import Function
from local.emulators.aws.secrets_manager import running_secrets_manager
from local.emulators.azure.emulate import subscription
from local.emulators.databricks.app_process import app_environ
from local.emulators.databricks.apps_proxy import named
from local.emulators.databricks.emulate import platform
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda.deployed import ARN, IAM, environ_of

__all__ = ["ADDED", "added", "measure", "shim_process"]

ROOT = Path(__file__).parent.parent
ADDED = "the shim adds"

Told = dict[str, Any]
Round = Callable[[int], dict[str, list[float]]]
"""Makes as many calls in each way; their milliseconds, by the way."""


@contextmanager
def lambda_function(database: EmbeddedNeo4j) -> Iterator[tuple[dict[str, str], Told]]:
    """The environment of the Lambda function, and who calls it."""
    with running_secrets_manager("eu-central-1") as store:
        store.create("neo4j/agent", stored_credential(settings_of(database)))
        function = Function("aws_lambda.app.handler", environ_of(store, "neo4j/agent"), arn=ARN)
        yield function.environ, {"arn": ARN, "iam": IAM}


@contextmanager
def function_app(database: EmbeddedNeo4j) -> Iterator[tuple[dict[str, str], Told]]:
    """The environment of the Azure function app, and the token of who calls it."""
    with subscription() as running:
        running.vault.write("neo4j-agent", stored_credential(settings_of(database)))
        issuers = running.tenant.issuers_text(running.tokens.issuer)
        token = running.tokens.issuer.token(running.tenant.agent.id)
        environ = {**running.environ, "NEO4J_M2M_ISSUERS": issuers, "NEO4J_M2M_SECRET": "neo4j-agent"}
        yield environ, {"headers": {"authorization": f"Bearer {token}"}}


@contextmanager
def databricks_app(database: EmbeddedNeo4j) -> Iterator[tuple[dict[str, str], Told]]:
    """The environment of the Databricks App, and what the proxy says of who calls it."""
    with tempfile.TemporaryFile("w") as log, platform(settings_of(database), Console(), log=log) as running:
        configuration = yaml.safe_load((running.source / "app.yaml").read_text())
        environ = {**app_environ(configuration, running.resources()), **running.environ}
        yield environ, {"headers": named(running.workspace.workspace, running.line["client_id"])}


SHIMS = {
    "AWS Lambda, the handler": ("aws", lambda_function),
    "Azure Functions, the function": ("azure", function_app),
    "Databricks Apps, the ASGI app": ("databricks", databricks_app),
}


@contextmanager
def shim_process(name: str, environ: Mapping[str, str], told: Told) -> Iterator[Round]:
    """A process with the shim of the platform ``name``, which makes rounds of calls.

    A round raises `RuntimeError` if the shim does not answer.
    """
    found = {one: os.environ[one] for one in ("PATH", "LANG", "HOME") if one in os.environ}
    command = [sys.executable, "-m", "bench.shim_process", name]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
            env={**found, **environ},
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        lines, asking = process.stdout, process.stdin

        def round_of(calls: int) -> dict[str, list[float]]:
            with suppress(BrokenPipeError):
                print(calls, file=asking, flush=True)
            line = lines.readline()
            if not line:
                log.seek(0)
                raise RuntimeError(f"the shim of {name} did not answer: {log.read()[-800:]}")
            took: dict[str, list[float]] = json.loads(line)
            return took

        print(json.dumps(told), file=asking, flush=True)
        yield round_of


def added(rounds: Iterable[dict[str, list[float]]]) -> dict[str, list[float]]:
    """The median of each round, by the way of the call; and by how much the shim's is longer than that of `core`."""
    medians: dict[str, list[float]] = defaultdict(list)
    for took in rounds:
        for way in (CORE, ADMITTED, SHIM):
            medians[way].append(statistics.median(took[way]))
        medians[ADDED].append(medians[SHIM][-1] - medians[CORE][-1])
    return dict(medians)


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """A row for each platform."""
    rounds, calls = (2, 5) if brief else (15, 60)
    where = {
        "NEO4J_URI": database.uri,
        "NEO4J_USERNAME": database.username,
        "NEO4J_PASSWORD": database.password.get_secret_value(),
    }
    took: dict[str, list[dict[str, list[float]]]] = defaultdict(list)
    with ExitStack() as stack:
        shims: dict[str, Round] = {}
        for title, (name, prepared) in SHIMS.items():
            environ, told = stack.enter_context(prepared(database))
            shims[title] = stack.enter_context(shim_process(name, environ, {**told, "database": where}))
        for _ in range(rounds):
            for title, round_of in shims.items():
                took[title].append(round_of(calls))
    note = (
        f"What the shim adds is the difference to `core` alone, within each round; a sample is the median of {calls} "
        "calls. The platform's application is `core` with the platform's proof of who calls, its secret store and its "
        "log; the shim also reads the event and writes the answer. What the platform's own runtime does before and "
        "after is not in it."
    )
    title = "A warm small read through the shim of each platform, in one process"
    return [Comparison(title, name, "ms", added(told), note=note) for name, told in took.items()]


if __name__ == "__main__":
    alone(measure, __doc__)
