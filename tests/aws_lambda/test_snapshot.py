"""Restored from a snapshot (SnapStart): AWS's own runtime client runs the hooks; nothing of the time before is used.

Lambda takes the snapshot before the first call. A function that answered one in it is the hard case: its connection is
open, its credential is known, and its role's keys are in memory, which have ended by the time of the restore.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from local.emulators.aws.secrets_manager import RunningSecretsManager
from local.emulators.loopback_server import served
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda import runtime_api
from tests.aws_lambda.deployed import KNOWN_SEED, event, message, result, secret_of
from tests.aws_lambda.fronts import ContainerCredentials, StoreFront
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import soon

pytestmark = pytest.mark.processes

TOKEN = "canary-container-token-5d21"
READ = "secretsmanager:GetSecretValue"


def said(log: Path, what: str) -> Any:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    (value,) = [line["value"] for line in lines if line.get("test") == what]
    return value


async def test_a_restored_function_uses_nothing_of_the_time_before(
    store: RunningSecretsManager, sample_database: EmbeddedNeo4j, proxy: TcpProxy, tmp_path: Path
) -> None:
    store.create("neo4j/snapshot", secret_of(sample_database, uri=proxy.uri))
    keys = store.keys_of_role("before-the-snapshot", READ)
    first = keys["aws_access_key_id"]
    front = StoreFront(store.endpoint)
    container = ContainerCredentials(TOKEN, lambda: keys)
    log = tmp_path / "log"
    with served(front, name="the store") as endpoint, served(container, name="the role's keys") as credentials:
        environ = {
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": credentials,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint,
            "NEO4J_M2M_SECRET": "neo4j/snapshot",
        }
        with runtime_api.running("tests.aws_lambda.primed.handler", environ, log) as api:
            assert await asyncio.to_thread(api.snapshot_taken.wait, 60)
            assert said(log, "primed") == [[1]]
            assert (proxy.connections, front.signers) == (1, [first])
            # What a snapshot holds of a connection is of no use to the copies: there is to be none.
            assert await soon(lambda: not proxy.open)
            # Between snapshot and restore the role's keys end, and the password is another.
            store.client("iam").delete_role_policy(RoleName="before-the-snapshot", PolicyName="all")
            keys = store.keys_of_role("after-the-restore", READ)
            api.restored.set()
            answer = await asyncio.to_thread(api.invoke, event(message()))
            assert result(answer)["structuredContent"]["rows"] == [[1]]
            assert front.signers == [first, keys["aws_access_key_id"]]
            assert proxy.connections == 2
            await asyncio.to_thread(api.invoke, event(message()))
            assert (len(front.signers), proxy.connections) == (2, 2)
            assert api.failures == []
    assert said(log, "random") != random.Random(KNOWN_SEED).random(), "copies of one snapshot would draw the same"


async def test_a_function_that_did_nothing_before_its_snapshot_is_restored_too(
    store: RunningSecretsManager, sample_database: EmbeddedNeo4j, proxy: TcpProxy, tmp_path: Path
) -> None:
    store.create("neo4j/untouched", secret_of(sample_database, uri=proxy.uri))
    keys = store.keys_of_role("untouched", READ)
    environ = {
        **{name.upper(): value for name, value in keys.items()},
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": store.endpoint,
        "NEO4J_M2M_SECRET": "neo4j/untouched",
    }
    with runtime_api.running("aws_lambda.app.handler", environ, tmp_path / "log") as api:
        assert await asyncio.to_thread(api.snapshot_taken.wait, 60)
        assert proxy.connections == 0
        api.restored.set()
        answer = await asyncio.to_thread(api.invoke, event(message()))
        assert result(answer)["structuredContent"]["rows"] == [[1]]
        assert (proxy.connections, api.failures) == (1, [])
