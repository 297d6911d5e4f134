"""The function with its secret in a store, for tests that say what events it gets."""

from __future__ import annotations

import json
import time
from typing import Any

from pydantic import SecretStr

from local.emulators.aws.environment import Function
from local.emulators.aws.events import event_of
from local.emulators.aws.secrets_manager import RunningSecretsManager
from local.emulators.aws.sigv4 import SignedRequest
from local.neo4j import EmbeddedNeo4j

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:neo4j-m2m:live"
IAM = {
    "accountId": "123456789012",
    "callerId": "AROAX:s",
    "userArn": "arn:aws:sts::123456789012:assumed-role/Agent/s",
}

KNOWN_SEED = 20261
"""What a function's randomness begins with before its snapshot, in the test that looks for it afterwards."""


def message(name: str = "read-cypher", **arguments: Any) -> dict[str, Any]:
    """A call of the tool ``name``, as JSON-RPC."""
    arguments = arguments or {"query": "RETURN 1 AS one"}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def event(body: Any, iam: dict[str, Any] | None = IAM) -> dict[str, Any]:
    """The event of a request with ``body``, whose signature by ``iam`` the function URL has verified."""
    headers = [("host", "h"), ("content-type", "application/json"), ("mcp-protocol-version", "2025-11-25")]
    request = SignedRequest("POST", "/mcp", "", headers, json.dumps(body).encode())
    return event_of(request, domain="h", account="123456789012", iam=iam)


def result(answer: dict[str, Any]) -> dict[str, Any]:
    """The tool's result in what the function answered."""
    assert answer["statusCode"] == 200, answer
    told: dict[str, Any] = json.loads(answer["body"])["result"]
    return told


def secret_of(database: EmbeddedNeo4j, **changed: str) -> SecretStr:
    """The text of a secret for ``database``."""
    password = database.password.get_secret_value()
    return SecretStr(json.dumps({"uri": database.uri, "username": database.username, "password": password, **changed}))


def environ_of(store: RunningSecretsManager, secret: str, *actions: str) -> dict[str, str]:
    """The environment of a function with a role of its own, that may read secrets if no other ``actions`` are named."""
    keys = store.keys_of_role(f"role{time.monotonic_ns()}", *(actions or ("secretsmanager:GetSecretValue",)))
    return {
        **{name.upper(): value for name, value in keys.items()},
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": store.endpoint,
        "NEO4J_M2M_SECRET": secret,
    }


class Lambda:
    """One function, with environments as `local.emulators.aws.environment` begins them."""

    def __init__(self, environ: dict[str, str], *, handler: str = "aws_lambda.app.handler", **options: Any) -> None:
        self.function = Function(handler, environ, arn=ARN, **{"timeout": 20.0, "freeze": True, **options})

    def __enter__(self) -> Lambda:
        return self

    def __exit__(self, *_: object) -> None:
        self.function.close()

    def call(self, body: Any) -> dict[str, Any]:
        """The tool's result of a request with ``body``."""
        return result(self.function.invoke(event(body)))

    def rows(self, query: str = "RETURN 1 AS one") -> Any:
        """The rows of ``query``."""
        told = self.call(message(query=query))
        assert not told.get("isError"), told
        return told["structuredContent"]["rows"]
