"""What a cold start of the Lambda function costs: ``python -m bench.cold_start [--starts N] [--calls N]``.

Prints, for the function shipped with byte code and for the same without, the time from the start of the process to the
answer of its first call, the part of it that is the import, and the median and 95th percentile of a warm call. The two
take turns, in processes of their own, with packages and code copied to a directory of their own: so other load on the
machine affects both. The process runs on this machine, not in Lambda: compare the two with each other, not with Lambda.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.metadata
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from py_compile import PycInvalidationMode

from local.console import Console
from local.database import embedded_database, stored_credential
from local.emulators.aws.secrets_manager import RunningSecretsManager, running_secrets_manager
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings

ROOT = Path(__file__).parent.parent
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:neo4j-m2m:live"

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


def distributions(names: Sequence[str]) -> Iterator[importlib.metadata.Distribution]:
    """Those of the distributions ``names`` that are installed here; some are for another system or Python."""
    for name in names:
        try:
            yield importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def needed(requirement: str, found: set[str]) -> None:
    """Add to ``found`` the distributions that ``requirement`` needs."""
    name, extra = re.match(r"([\w.-]+)\s*(?:\[([\w,-]+)\])?", requirement).groups()  # type: ignore[union-attr]
    for distribution in distributions([name]):
        key = distribution.metadata["Name"].lower() + (f"[{extra}]" if extra else "")
        if key in found:
            continue
        found.add(key)
        for further in distribution.requires or ():
            _, _, marker = further.partition(";")
            wanted = re.search(r"extra\s*==\s*['\"]([\w-]+)", marker)
            if wanted is None or (extra and wanted.group(1) in extra.split(",")):
                needed(further, found)


def copied(directory: Path) -> int:
    """Put what `sam build` would ship into ``directory``, without byte code; returns the number of Python files."""
    found: set[str] = set()
    needed("neo4j-m2m[aws]", found)
    for distribution in distributions(sorted({key.partition("[")[0] for key in found} - {"neo4j-m2m"})):
        for file in distribution.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = directory / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)
    for package in ("core", "aws_lambda"):
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    return sum(1 for _ in directory.rglob("*.py"))


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
    settings = LocalSettings(neo4j_uri=database.uri, neo4j_username=database.username, neo4j_password=database.password)
    with running_secrets_manager("eu-central-1") as store:
        yield _environ(store, settings)


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


def run(database: EmbeddedNeo4j, starts: int, calls: int) -> None:
    with tempfile.TemporaryDirectory() as place, environment(database) as environ:
        without, shipped = Path(place, "without"), Path(place, "shipped")
        files = copied(without)
        shutil.copytree(without, shipped)
        compileall.compile_dir(shipped, quiet=2, workers=0, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        if not any(shipped.rglob("*.pyc")) or any(without.rglob("*.pyc")):
            raise RuntimeError("both have the same byte code")
        figures = {"with byte code": (shipped, Figures()), "without": (without, Figures())}
        for _ in range(starts):
            for directory, noted in figures.values():
                start(directory, environ, calls, noted)
        if any(without.rglob("*.pyc")):
            raise RuntimeError("byte code was written where it must not be")
        print(f"Lambda function of {files} Python files, {starts} cold starts and {starts * calls} warm calls each")
        print(f"{'':<20} {'first answer s':>15} {'of it import s':>15} {'warm median ms':>15} {'warm 95 % ms':>15}")
        for name, (_, noted) in figures.items():
            warm = [seconds * 1000 for seconds in noted.warm]
            print(
                f"{name:<20} {statistics.median(noted.answered):15.2f} {statistics.median(noted.imported):15.2f} "
                f"{statistics.median(warm):15.2f} {statistics.quantiles(warm, n=20)[-1]:15.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--calls", type=int, default=100)
    arguments = parser.parse_args()
    with embedded_database(LocalSettings.from_environ({}), Console()) as database:
        run(database, arguments.starts, arguments.calls)


if __name__ == "__main__":
    main()
