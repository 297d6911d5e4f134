from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from aws_lambda.secrets import SecretsManager
from core.credentials.secret_store import (
    SecretDenied,
    SecretError,
    SecretMalformed,
    SecretNotFound,
    SecretThrottled,
    SecretUndecryptable,
    SecretUnreachable,
)
from local.emulators.aws.secrets_manager import RunningSecretsManager, running_secrets_manager
from local.emulators.loopback_server import served
from tests.support.withdrawal import Clock, ends_within_the_setting

CANARY = "canary-aws-secret-61fe"
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def manager() -> Iterator[RunningSecretsManager]:
    with running_secrets_manager(REGION) as running:
        running.create("neo4j/agent", SecretStr(CANARY))
        yield running


def store(manager: RunningSecretsManager, *actions: str, name: str = "reader") -> SecretsManager:
    keys = manager.keys_of_role(name, *(actions or ("secretsmanager:GetSecretValue",)))
    return SecretsManager(endpoint_url=manager.endpoint, region_name=REGION, **keys)


async def test_the_current_value_is_fetched_with_its_version_and_again_each_time(
    manager: RunningSecretsManager,
) -> None:
    secrets = store(manager, name="current")
    first = await secrets.fetch("neo4j/agent")
    assert first.text.get_secret_value() == CANARY
    manager.write("neo4j/agent", SecretStr(f"{CANARY}-2"))
    second = await secrets.fetch("neo4j/agent")
    assert second.text.get_secret_value() == f"{CANARY}-2"
    assert first.version != second.version
    manager.client().get_secret_value(SecretId="neo4j/agent", VersionStage="AWSPREVIOUS")
    assert (await secrets.fetch("neo4j/agent")).version == second.version
    assert CANARY not in repr(first) + repr(secrets)


async def test_a_store_that_fails_is_unreachable_until_it_answers(manager: RunningSecretsManager) -> None:
    secrets = store(manager, name="patient")
    before = manager.front.reads
    manager.front.down = True
    try:
        with pytest.raises(SecretUnreachable, match="InternalServiceError"):
            await secrets.fetch("neo4j/agent")
    finally:
        manager.front.down = False
    failed = manager.front.reads - before
    assert (await secrets.fetch("neo4j/agent")).version
    assert failed >= 1
    assert manager.front.reads - before == failed + 1


async def test_a_secret_that_is_not_there_or_to_be_deleted_is_told(manager: RunningSecretsManager) -> None:
    secrets = store(manager, name="missing")
    with pytest.raises(SecretNotFound, match="no secret neo4j/nobody"):
        await secrets.fetch("neo4j/nobody")
    manager.create("neo4j/doomed", SecretStr(CANARY))
    manager.client().delete_secret(SecretId="neo4j/doomed")
    with pytest.raises(SecretNotFound, match="scheduled for deletion"):
        await secrets.fetch("neo4j/doomed")


async def test_a_role_that_may_not_read_and_a_key_that_is_unknown_are_told(manager: RunningSecretsManager) -> None:
    with pytest.raises(SecretDenied, match="GetSecretValue"):
        await store(manager, "s3:GetObject", name="other").fetch("neo4j/agent")
    unknown = SecretsManager(
        endpoint_url=manager.endpoint, region_name=REGION, aws_access_key_id="AKIAX", aws_secret_access_key="x"
    )
    with pytest.raises(SecretDenied):
        await unknown.fetch("neo4j/agent")


async def test_a_secret_in_bytes_is_text_or_malformed(manager: RunningSecretsManager) -> None:
    client = manager.client()
    client.create_secret(Name="neo4j/bytes", SecretBinary=CANARY.encode())
    client.create_secret(Name="neo4j/image", SecretBinary=b"\xff\xfe\x00")
    secrets = store(manager, name="bytes")
    assert (await secrets.fetch("neo4j/bytes")).text.get_secret_value() == CANARY
    with pytest.raises(SecretMalformed, match="no text"):
        await secrets.fetch("neo4j/image")


class Refusing:
    """Answers every request as Secrets Manager refuses one."""

    def __init__(self, code: str, status: int) -> None:
        self.body = json.dumps({"__type": code, "message": f"{CANARY} is not for you"}).encode()
        self.status = status

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/x-amz-json-1.1")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDeniedException", 400, SecretDenied),
        ("ExpiredTokenException", 400, SecretDenied),
        ("DecryptionFailure", 400, SecretUndecryptable),
        ("KMSInvalidStateException", 400, SecretUndecryptable),
        ("ThrottlingException", 400, SecretThrottled),
        ("ResourceNotFoundException", 400, SecretNotFound),
        ("InternalServiceError", 500, SecretUnreachable),
        ("NewlyInvented", 418, SecretUnreachable),
    ],
)
async def test_each_refusal_has_its_kind_and_quotes_nothing(
    code: str, status: int, kind: type[SecretError], caplog: pytest.LogCaptureFixture
) -> None:
    with served(Refusing(code, status), name="a refusal") as url, caplog.at_level(logging.INFO):
        secrets = SecretsManager(endpoint_url=url, region_name=REGION, aws_access_key_id="k", aws_secret_access_key="s")
        with pytest.raises(SecretError, match="neo4j/agent") as caught:
            await secrets.fetch("neo4j/agent")
    assert type(caught.value) is kind
    assert CANARY not in str(caught.value) + caplog.text


async def test_a_store_that_is_away_is_told_and_soon() -> None:
    options = {"region_name": REGION, "aws_access_key_id": "k", "aws_secret_access_key": "s"}
    with pytest.raises(SecretUnreachable, match="VPC endpoint"):
        await SecretsManager(endpoint_url="http://127.0.0.1:9", **options).fetch("neo4j/agent")


@pytest.mark.parametrize(("how", "error"), [("deny", SecretDenied), ("delete", SecretNotFound)])
async def test_a_secret_that_is_denied_or_deleted_ends_access_within_the_setting(
    manager: RunningSecretsManager, how: str, error: type[SecretError], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, role = f"neo4j/withdrawn-{how}", f"withdrawn-{how}"
    manager.create(name, SecretStr(json.dumps({"uri": "bolt://db", "username": "agent", "password": CANARY})))

    def withdraw() -> None:
        if how == "deny":
            manager.client("iam").delete_role_policy(RoleName=role, PolicyName="all")
        else:
            manager.client().delete_secret(SecretId=name)

    await ends_within_the_setting(store(manager, name=role), name, withdraw, error, Clock(monkeypatch))
