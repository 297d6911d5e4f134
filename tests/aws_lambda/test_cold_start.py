from __future__ import annotations

import json
import subprocess
import sys

import pytest

from local.emulators.aws.environment import Function
from tests.aws_lambda.deployed import ARN

pytestmark = pytest.mark.processes

UNASKED = frozenset(
    {
        "opentelemetry.sdk",
        "boto3",
        "botocore.session",
        "core.identity.bearer",
        "core.identity.tokens",
        "jwt",
        "local",
        "urllib3",
    }
)
"""What a cold start need not wait for: tracing, the secret store, the proof of tokens. (mcp brings cryptography.)"""


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, set()),
        ({"NEO4J_M2M_TELEMETRY": "true"}, {"opentelemetry.sdk", "urllib3"}),
        (
            {"NEO4J_M2M_CALLER_AUTH": "jwt", "NEO4J_M2M_KEYS_SECRET": "keys"},
            {"core.identity.bearer", "core.identity.tokens"},
        ),
    ],
    ids=["iam", "traced", "jwt"],
)
def test_a_cold_start_imports_what_the_settings_ask_for_only(changed: dict[str, str], wanted: set[str]) -> None:
    environ = Function("aws_lambda.app.handler", {"NEO4J_M2M_SECRET": "s", **changed}, arn=ARN).environ
    script = "import sys, json, aws_lambda.app; print(json.dumps(sorted(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    imported = set(json.loads(ended.stdout))
    assert "mangum" in imported
    assert UNASKED & imported == wanted
