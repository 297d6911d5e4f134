"""Runs the agent of infra/aws/agent.py against `emulate aws`: ``python -m tests.aws_agent.run PYTHON``.

PYTHON has Strands, AWS's client for MCP servers that want signatures, and so the SDK for MCP in its version 1. The
agent's file is run as it is; only the URLs of the gateway and of Bedrock lead to this machine. What stands for the
gateway is the function URL itself (SERVICE=lambda).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from local.console import Console
from local.database import embedded_database
from local.emulators.aws.emulate import platform
from local.emulators.loopback_server import served
from local.settings import LocalSettings
from tests.aws_agent.converse import PlannedModel

ROOT = Path(__file__).parent.parent.parent
STATEMENT = "MATCH (a:Airport) RETURN count(a) AS airports"

SIGNER = """
import asyncio, os, httpx, sys
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from aws_lambda.signer import SigV4Auth

async def main():
    auth = SigV4Auth(os.environ["AWS_REGION"])
    async with (
        httpx.AsyncClient(auth=auth, trust_env=False) as http,
        streamable_http_client(os.environ["GATEWAY_URL"], http_client=http) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        answer = await session.call_tool("read-cypher", {"query": sys.argv[1]})
        print(answer.structuredContent["rows"])

asyncio.run(main())
"""


def environ_of(line: dict[str, Any], keys: dict[str, Any], bedrock: str) -> dict[str, str]:
    """The environment of an agent with ``keys``."""
    return {
        **{name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ},
        "AWS_ACCESS_KEY_ID": keys["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
        "AWS_SESSION_TOKEN": keys["session_token"],
        "AWS_REGION": line["region"],
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock,
        "AWS_EC2_METADATA_DISABLED": "true",
        "GATEWAY_URL": line["url"],
        "SERVICE": "lambda",
        "MODEL": "local.planned-model",
    }


def main(python: str) -> int:
    """Run the checks; returns 0 if all hold.

    Raises:
        AssertionError: One does not.
    """

    def run(*arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = [python, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)

    model = PlannedModel(STATEMENT)
    with (
        embedded_database(LocalSettings.from_environ({}), Console()) as database,
        platform(
            LocalSettings(neo4j_uri=database.uri, neo4j_username=database.username, neo4j_password=database.password),
            Console(),
        ) as aws,
        served(model, name="the model") as bedrock,
    ):
        line = aws.line
        agent = environ_of(line, line, bedrock)
        asked = run("infra/aws/agent.py", "How many airports are there?", environ=agent)
        print(asked.stdout, end="")
        assert asked.returncode == 0, asked.stderr[-2000:]
        assert model.used == ["get-schema", "read-cypher"]
        assert "read-cypher" in model.offered
        assert "write-cypher" not in model.offered, "the agent's rule only reads"

        signed = run("-c", SIGNER, STATEMENT, environ={**agent, "PYTHONPATH": str(ROOT)})
        assert signed.returncode == 0, signed.stderr[-2000:]
        assert signed.stdout.strip() in asked.stdout, (signed.stdout, asked.stdout)

        stranger = run("infra/aws/agent.py", "?", environ=environ_of(line, line["intruder"], bedrock))
        assert stranger.returncode != 0, "a role without a rule must not get an answer"
        assert "graph says" not in stranger.stdout
        unsigned = run("infra/aws/agent.py", "?", environ={**agent, "AWS_SECRET_ACCESS_KEY": "wrong"})
        assert unsigned.returncode != 0
    print("the agent reads the graph with AWS's own client, and with this project's signer beside the SDK's version 1")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
