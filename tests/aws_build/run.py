"""Builds the function as `sam deploy` would and looks at what would be uploaded; then runs the same set of packages.

``python -m tests.aws_build.run SAM PYTHON313``: the SAM CLI, and a Python 3.13 or an empty text without one.
What is uploaded is for arm64. So that it can be run here, the same is made for this machine's processor, and imported
and called with nothing else on the path: a package that is missing from requirements/aws.txt is missing there, too.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BUILT = ROOT / ".aws-sam" / "build"
LARGEST = 45_000_000
"""Bytes, unzipped, that the function may have: a cold start without a snapshot fetches them. (Lambda takes 250 MB.)"""

LARGEST_WITH_SOURCE = 60_000_000
"""The same where there was no Python 3.13 to compile with, so that all is shipped as source."""

SERVICES = {"secretsmanager", "sts"}
"""The services whose models botocore needs here: the secret store, and roles that a profile assumes."""

OWN = ("core", "aws_lambda")

NOT_WANTED = {"local", "tests", "bench", "docs", "bin", "moto", "flask", "pytest", "azure_function", "databricks_app"}

AARCH64 = 183
"""The machine in an ELF header; source: elf(5)."""

CALLS = """
import json, os, sys, time
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.path.insert(0, os.environ["BUILT"])

class Context:
    aws_request_id, function_name, memory_limit_in_mb = "1", "neo4j-m2m", "1024"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:neo4j-m2m:live"
    client_context = None
    def get_remaining_time_in_millis(self):
        return 5000

def event(**authorizer):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "read-cypher", "arguments": {"query": "RETURN 1 AS one"}}}
    context = {"requestId": "r", "http": {"method": "POST", "path": "/mcp", "sourceIp": "1.2.3.4"}, **authorizer}
    headers = {"host": "h", "content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
    return {"version": "2.0", "rawPath": "/mcp", "rawQueryString": "", "headers": headers,
            "requestContext": context, "body": json.dumps(body), "isBase64Encoded": False}

from aws_lambda.app import handler
iam = {"accountId": "123456789012", "callerId": "AROAX:s",
       "userArn": "arn:aws:sts::123456789012:assumed-role/Agent/s"}
answers = [handler(event(), Context()), handler(event(authorizer={"iam": iam}), Context())]
own = (os.environ["BUILT"], sys.base_prefix)
files = {name.partition(".")[0]: getattr(module, "__file__", None) for name, module in sys.modules.items()}
brought = [name for name, file in files.items() if file and not file.startswith(own)]
print("ANSWERS " + json.dumps([answers, sorted(brought)]))
"""


def main(sam: str, python313: str) -> int:
    """Run the checks; returns 0 if all hold.

    Raises:
        AssertionError, subprocess.CalledProcessError: One does not.
    """
    with tempfile.TemporaryDirectory() as scratch:
        environ = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1"}
        for command in ("validate", "build"):
            subprocess.run([sam, command], cwd=ROOT, env=environ, check=True)
        for function in ("Function", "GatewayFunction"):
            _look_at(BUILT / function, compiled=bool(python313))
        if not python313:
            print("There is no Python 3.13 here, so what was built was looked at and not run.", file=sys.stderr)
            return 1 if os.environ.get("CI") else 0
        _run(Path(scratch) / "built", python313)
    print("sam validates and builds the function, and the packages that it ships are all that it needs")
    return 0


def _look_at(built: Path, *, compiled: bool) -> None:
    files = [path for path in built.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert size < (LARGEST if compiled else LARGEST_WITH_SOURCE), f"{built.name} has {size:,} bytes"
    top = {path.name for path in built.iterdir()}
    assert {"core", "aws_lambda", "mcp", "neo4j", "boto3", "mangum"} <= top
    assert not top & NOT_WANTED, top & NOT_WANTED
    libraries = [path for path in files if path.suffix == ".so"]
    assert libraries
    for library in libraries:
        assert int.from_bytes(library.read_bytes()[18:20], "little") == AARCH64, f"{library} is for another processor"
    assert {path.name for path in (built / "botocore" / "data").iterdir() if path.is_dir()} == SERVICES
    caches = [path for path in files if path.suffix == ".pyc"]
    if compiled:
        assert len(caches) > 1000
        for cache in caches:
            assert cache.read_bytes()[4] == 1, f"{cache} would be checked against its source"
        sources = [path.relative_to(built) for path in files if path.suffix == ".py"]
        assert sources
        assert {path.parts[0] for path in sources} == set(OWN), "other people's packages are shipped as byte code alone"
        for source in sources:
            cached = built / source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
            assert cached.exists(), f"{source} has no byte code"
    print(f"{built.name}: {size / 1e6:.0f} MB, {len(libraries)} libraries, {len(caches)} compiled modules")


def _run(built: Path, python313: str) -> None:
    built.mkdir()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
    make = ["make", "--no-print-directory", "build-Function", f"ARTIFACTS_DIR={built}", f"LAMBDA_MACHINE={machine}"]
    subprocess.run(make, cwd=ROOT, check=True)
    environ = {
        "BUILT": str(built),
        "PATH": os.environ["PATH"],
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "canary-build-aa01",
        "AWS_SECRET_ACCESS_KEY": "canary-build-aa02",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:9",
        "NEO4J_M2M_SECRET": "neo4j/agent",
    }
    ended = subprocess.run(
        [python313, "-I", "-c", CALLS], env=environ, cwd=built, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "canary-" not in ended.stdout + ended.stderr
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("ANSWERS "))
    (nobody, agent), brought = json.loads(line.removeprefix("ANSWERS "))
    assert brought == [], f"not shipped, and used: {brought}"
    assert nobody["statusCode"] == 401
    result = json.loads(agent["body"])["result"]
    assert result["isError"] is True
    assert "unreachable" in result["content"][0]["text"], result


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
