"""What a cold start costs: ``python -m bench.cold_start [--brief]``.

For three ways to ship the Lambda function, the size on disk, the time from the start of the process to the answer of
its first call, the part of it that is the import, and the median and 95th percentile of a warm call: as it is shipped
(other packages as byte code alone, botocore with the models of two services), with source and byte code of everything,
and with source only. The three take turns, in processes of their own, with packages and code copied to a directory of
their own: so other load on the machine affects all. The process runs on this machine, not in Lambda: compare the three
with each other, not with Lambda. Then each platform by its own runner: `bench.platforms`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Comparison, Measurement
from bench.packages import compiled, copied, megabytes_in, pruned
from bench.parts import alone
from bench.platforms import by_platform, settings_of
from local.database import stored_credential
from local.emulators.aws.secrets_manager import RunningSecretsManager, running_secrets_manager
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:neo4j-m2m:live"

SHIPPED, SOURCE = "as it is shipped", "source"

FUNCTION = """
import json, sys, time
begun = time.perf_counter()
from aws_lambda.app import handler
imported = time.perf_counter() - begun

class Context:
    aws_request_id, function_name, memory_limit_in_mb = "1", "neo4j-m2m", "1024"
    invoked_function_arn, client_context = sys.argv[1], None
    def get_remaining_time_in_millis(self):
        return 30_000

body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
    "params": {"name": "read-cypher", "arguments": {"query": "MATCH (a:Airport {faa: 'JFK'}) RETURN a.name"}}})
iam = {"accountId": "123456789012", "callerId": "AROAX:s",
    "userArn": "arn:aws:sts::123456789012:assumed-role/Agent/s"}
event = {"version": "2.0", "rawPath": "/mcp", "rawQueryString": "", "body": body, "isBase64Encoded": False,
    "headers": {"host": "h", "content-type": "application/json", "mcp-protocol-version": "2025-11-25"},
    "requestContext": {"requestId": "r", "http": {"method": "POST", "path": "/mcp", "sourceIp": "127.0.0.1"},
        "authorizer": {"iam": iam}}}

def call():
    answer = json.loads(handler(event, Context())["body"])["result"]
    if answer["structuredContent"]["row_count"] != 1:
        raise RuntimeError("the function did not answer")

call()
print("ANSWERED", imported, file=sys.stderr, flush=True)
took = []
for _ in range(int(sys.argv[2])):
    begun = time.perf_counter()
    call()
    took.append(time.perf_counter() - begun)
print("WARM", json.dumps(took), file=sys.stderr, flush=True)
"""


@dataclass
class Figures:
    """The measurements of one way to ship, in seconds."""

    answered: list[float] = field(default_factory=list)
    imported: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)


def start(directory: Path, environ: dict[str, str], calls: int, figures: Figures) -> None:
    """Start the function in ``directory`` and note how long it took."""
    told = {**environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}
    begun = time.perf_counter()
    # -S: nothing of this environment is on the path, only what was copied.
    command = [sys.executable, "-S", "-c", FUNCTION, ARN, str(calls)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=told) as process:
        said = []
        for line in process.stderr or ():
            word, _, value = line.partition(" ")
            if word == "ANSWERED":
                figures.answered.append(time.perf_counter() - begun)
                figures.imported.append(float(value))
            elif word == "WARM":
                figures.warm += json.loads(value)
            else:
                said.append(line)
    if process.returncode:
        raise RuntimeError(f"the function did not start: {''.join(said)[-800:]}")


@contextmanager
def environment(database: EmbeddedNeo4j) -> Iterator[dict[str, str]]:
    """The environment of a function whose secret is in a store, as it is in Lambda."""
    with running_secrets_manager("eu-central-1") as store:
        yield _environ(store, settings_of(database))


def _environ(store: RunningSecretsManager, settings: LocalSettings) -> dict[str, str]:
    store.create("neo4j/agent", stored_credential(settings))
    keys = store.keys_of_role("function", "secretsmanager:GetSecretValue")
    return {
        **{name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ},
        **{name.upper(): value for name, value in keys.items()},
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": store.endpoint,
        "NEO4J_M2M_SECRET": "neo4j/agent",
    }


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """Cold starts of the Lambda function by package, and of each platform by its own runner."""
    starts, calls = (1, 5) if brief else (4, 50)
    return [*by_package(database, starts, calls), *by_platform(database, starts)]


def by_package(database: EmbeddedNeo4j, starts: int, calls: int) -> list[Measurement]:
    """The three ways to ship the Lambda function, in turn."""
    with tempfile.TemporaryDirectory() as place, environment(database) as environ:
        source, both, shipped = (Path(place, name) for name in ("source", "both", "shipped"))
        copied(source)
        shutil.copytree(source, both)
        compiled(both)
        shutil.copytree(source, shipped)
        pruned(shipped)
        if not any(both.rglob("*.pyc")) or any(source.rglob("*.pyc")):
            raise RuntimeError("the three do not differ in their byte code")
        ways = {SHIPPED: shipped, "source and byte code": both, SOURCE: source}
        figures = {name: (directory, Figures()) for name, directory in ways.items()}
        for _ in range(starts):
            for directory, noted in figures.values():
                start(directory, environ, calls, noted)
        if any(source.rglob("*.pyc")):
            raise RuntimeError("byte code was written where none was to be")
        sizes = {name: [megabytes_in(directory)] for name, (directory, _) in figures.items()}
    rows = {
        ("first answer", "s"): {name: noted.answered for name, (_, noted) in figures.items()},
        ("of it the imports", "s"): {name: noted.imported for name, (_, noted) in figures.items()},
        ("a warm call", "ms"): {name: [took * 1000 for took in noted.warm] for name, (_, noted) in figures.items()},
        ("size", "MB"): sizes,
    }
    title = "Cold start of the Lambda function, by package"
    return [Comparison(title, row, unit, samples, subject=SHIPPED) for (row, unit), samples in rows.items()]


if __name__ == "__main__":
    alone(measure, __doc__)
