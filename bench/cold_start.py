"""What a cold start of the Lambda function costs: ``python -m bench.cold_start [--starts N] [--calls N]``.

Prints, for three ways to ship the function, the size on disk, the time from the start of the process to the answer of
its first call, the part of it that is the import, and the median and 95th percentile of a warm call: as it is shipped
(other packages as byte code alone, botocore with the models of two services), with source and byte code of everything,
and with source only. The three take turns, in processes of their own, with packages and code copied to a directory of
their own: so other load on the machine affects all. The process runs on this machine, not in Lambda: compare the three
with each other, not with Lambda.
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

OWN = ("core", "aws_lambda")
SERVICES = ("secretsmanager", "sts")

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
    for package in OWN:
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    return sum(1 for _ in directory.rglob("*.py"))


def compiled(directory: Path, *, beside: bool = False) -> None:
    """Compile what is in ``directory``, into the place of caches or ``beside`` the source."""
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(directory, quiet=2, workers=0, invalidation_mode=mode, legacy=beside)


def pruned(directory: Path) -> None:
    """Make of ``directory`` what `sam build` ships: the Makefile's target build-Function does the same."""
    for model in (directory / "botocore" / "data").iterdir():
        if model.is_dir() and model.name not in SERVICES:
            shutil.rmtree(model)
    for unused in ("data", "examples"):
        shutil.rmtree(directory / "boto3" / unused)
    own = [directory / name for name in OWN]
    compiled(directory, beside=True)
    for file in directory.rglob("*.py"):
        if not any(file.is_relative_to(one) for one in own):
            file.unlink()
    for one in own:
        for file in one.rglob("*.pyc"):
            file.unlink()
        compiled(one)


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
        source, both, shipped = (Path(place, name) for name in ("source", "both", "shipped"))
        files = copied(source)
        shutil.copytree(source, both)
        compiled(both)
        shutil.copytree(source, shipped)
        pruned(shipped)
        if not any(both.rglob("*.pyc")) or any(source.rglob("*.pyc")):
            raise RuntimeError("the three do not differ in their byte code")
        ways = {"as it is shipped": shipped, "source and byte code": both, "source": source}
        figures = {name: (directory, Figures()) for name, directory in ways.items()}
        for _ in range(starts):
            for directory, noted in figures.values():
                start(directory, environ, calls, noted)
        if any(source.rglob("*.pyc")):
            raise RuntimeError("byte code was written where none was to be")
        print(f"Lambda function of {files} Python files, {starts} cold starts and {starts * calls} warm calls each")
        print(
            f"{'':<21} {'MB':>6} {'first answer s':>15} {'of it import s':>15} "
            f"{'warm median ms':>15} {'warm 95 % ms':>15}"
        )
        for name, (directory, noted) in figures.items():
            megabytes = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6
            warm = [seconds * 1000 for seconds in noted.warm]
            medians = [statistics.median(times) for times in (noted.answered, noted.imported, warm)]
            numbers = [*medians, statistics.quantiles(warm, n=20)[-1]]
            print(f"{name:<21} {megabytes:6.1f} {' '.join(f'{number:15.2f}' for number in numbers)}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--calls", type=int, default=100)
    arguments = parser.parse_args()
    with embedded_database(LocalSettings.from_environ({}), Console()) as database:
        run(database, arguments.starts, arguments.calls)


if __name__ == "__main__":
    main()
