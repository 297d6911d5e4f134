"""AWS on this machine: two function URLs with the real function behind them, its secret, and who may call."""

from __future__ import annotations

import contextlib
import io
import logging
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.credentials import Credentials

from aws_lambda.signer import SigV4Auth
from core.http import MCP_PATH
from local.console import Console
from local.database import open_database, stored_credential
from local.emulators.aws.account import Account, Role, invoke_statements
from local.emulators.aws.environment import Function
from local.emulators.aws.events import event_of
from local.emulators.aws.function_url import FunctionUrl
from local.emulators.aws.runtime import LambdaContext
from local.emulators.aws.secrets_manager import RunningSecretsManager, running_secrets_manager
from local.emulators.aws.sigv4 import SignedRequest
from local.emulators.callers import Caller, bearer
from local.emulators.in_process import HEADERS, become, tool_call, tool_result
from local.emulators.issuer import Client, Issuer, Resource, running_issuer
from local.emulators.loopback_server import served
from local.settings import LocalSettings

__all__ = ["AwsPlatform", "callers", "invoke", "platform"]

_ACCOUNT = "123456789012"
_REGION = "eu-central-1"
_FUNCTION = "neo4j-m2m"
_SECRET = "neo4j/agent"  # noqa: S105 - the name of a secret
_AUDIENCE = "neo4j-m2m"
_SCOPES = frozenset({f"{_AUDIENCE}/read"})
_AGENT = "AgentCoreGateway"
_TIMEOUT = 30.0


@dataclass
class AwsPlatform:
    """The running platform: ``line`` is what `emulate` prints, a contract for clients from outside."""

    line: dict[str, Any] = field(repr=False)
    secrets: RunningSecretsManager
    functions: tuple[Function, ...]


def _policy(kind: str, identifier: str) -> str:
    return f'[[rule]]\nname = "the agent reads"\nplatform = "aws"\nkind = "{kind}"\nid = "{identifier}"\n'


@contextlib.contextmanager
def _stored_secret(settings: LocalSettings, console: Console) -> Iterator[tuple[RunningSecretsManager, dict[str, str]]]:
    """Secrets Manager with the database's credential in it, and the environment of a function that may read it."""
    with open_database(settings, console) as complete, running_secrets_manager(_REGION) as store:
        store.create(_SECRET, stored_credential(complete))
        keys = store.keys_of_role("function", "secretsmanager:GetSecretValue")
        yield (
            store,
            {
                **{name.upper(): value for name, value in keys.items()},
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": store.endpoint,
                "NEO4J_M2M_SECRET": _SECRET,
                "NEO4J_M2M_POOL_SIZE": "2",
                "NEO4J_M2M_LOG_LEVEL": settings.log_level,
                "NEO4J_M2M_SECRET_TTL": f"{settings.secret_ttl:g}",
            },
        )


@contextlib.contextmanager
def platform(
    settings: LocalSettings, console: Console, *, port: int = 0, freeze: bool = True, concurrency: int = 4
) -> Iterator[AwsPlatform]:
    """Run it while the context lasts; the IAM function URL is on ``port``, 0 for any free one.

    ``concurrency`` limits the environments of each function; ``freeze`` stops them between two calls.

    Raises:
        LocalError: A port is taken, or the embedded database does not start.
    """
    account = Account(_ACCOUNT, _REGION)
    arn = account.function_arn(_FUNCTION)
    agent = account.assume(Role(_AGENT, invoke_statements(arn), path="/agents/"), "session")
    intruder = account.assume(Role("Intruder", invoke_statements(arn)), "session")
    clients = [Client(name, secrets.token_urlsafe(24), scopes=_SCOPES) for name in ("agent", "intruder")]
    issuer = Issuer("cognito", clients, [Resource(_AUDIENCE)], tenant=f"{_REGION}_local")
    with contextlib.ExitStack() as stack:
        store, environ = stack.enter_context(_stored_secret(settings, console))
        tokens = stack.enter_context(running_issuer(issuer))
        role = f"arn:aws:iam::{_ACCOUNT}:role/{_AGENT}"
        issuers = f'[[issuer]]\nname = "cognito"\nplatform = "aws"\nissuer = "{issuer.issuers[0]}"\n'
        issuers += f'audience = "{_AUDIENCE}"\n'
        settings_of = {
            "iam": {"NEO4J_M2M_POLICY": _policy("iam_role", role)},
            "jwt": {
                "NEO4J_M2M_CALLER_AUTH": "jwt",
                "NEO4J_M2M_ISSUERS": issuers,
                "NEO4J_M2M_POLICY": _policy("service_principal", "agent"),
            },
        }
        urls, functions = {}, []
        for mode, more in settings_of.items():
            function = Function(
                "aws_lambda.app.handler",
                {**environ, **more},
                arn=arn,
                timeout=_TIMEOUT,
                concurrency=concurrency,
                freeze=freeze,
            )
            stack.callback(function.close)
            front = FunctionUrl(function, arn, account if mode == "iam" else None)
            at = port if mode == "iam" else 0
            urls[mode] = stack.enter_context(served(front, name=f"the function URL ({mode})", port=at)) + MCP_PATH
            functions.append(function)
            console.say(f"Starting the function behind the {mode} URL …")
            function.invoke(_health(account.id if mode == "iam" else "anonymous"))
        assert agent.session_token is not None  # noqa: S101 - a session has one
        assert intruder.session_token is not None  # noqa: S101
        line = {
            "platform": "aws",
            "url": urls["iam"],
            "url_jwt": urls["jwt"],
            "token_url": tokens.issuer.token_url,
            "client_id": clients[0].id,
            "client_secret": clients[0].secret,
            "intruder": {
                "client_id": clients[1].id,
                "client_secret": clients[1].secret,
                "access_key_id": intruder.id,
                "secret_access_key": intruder.secret.get_secret_value(),
                "session_token": intruder.session_token.get_secret_value(),
            },
            "region": _REGION,
            "access_key_id": agent.id,
            "secret_access_key": agent.secret.get_secret_value(),
            "session_token": agent.session_token.get_secret_value(),
            "secrets_endpoint": store.endpoint,
            "secret_id": _SECRET,
            "audience": _AUDIENCE,
        }
        yield AwsPlatform(line, store, tuple(functions))


def _health(account: str) -> dict[str, Any]:
    request = SignedRequest("GET", "/health", "", [("host", "local")], b"")
    return event_of(request, domain="local", account=account, iam=None)


def callers(line: dict[str, Any]) -> list[Caller]:
    """The callers of the two URLs of ``line``, which `emulate` has printed."""
    intruder = line["intruder"]
    return [
        Caller("an IAM role that signs with SigV4, as an AgentCore Gateway does", line["url"], _signer(line, line)),
        Caller("an OAuth client with its token", line["url_jwt"], bearer(line["token_url"], line)),
        Caller("a role that may call, but whom no rule admits", line["url"], _signer(line, intruder), admitted=False),
        Caller("a client whom no rule admits", line["url_jwt"], bearer(line["token_url"], intruder), admitted=False),
        Caller("somebody who does not sign", line["url"], admitted=False),
    ]


def _signer(line: dict[str, Any], keys: dict[str, Any]) -> SigV4Auth:
    names = ("access_key_id", "secret_access_key", "session_token")
    return SigV4Auth(line["region"], Credentials(*(keys[name] for name in names)))


def invoke(settings: LocalSettings, console: Console, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The tool result of one call of the function, in this process, with the event of a signed request.

    Raises:
        LocalError: The embedded database does not start.
    """
    account = Account(_ACCOUNT, _REGION)
    agent = account.assume(Role(_AGENT), "session")
    request = SignedRequest("POST", MCP_PATH, "", [("host", "local"), *HEADERS.items()], tool_call(tool, arguments))
    arn = account.function_arn(_FUNCTION)
    logged = sys.stderr if logging.getLogger().isEnabledFor(logging.WARNING) else io.StringIO()
    # The function counts its calls in lines on stdout, for CloudWatch.
    with _stored_secret(settings, console) as (_, environ), contextlib.redirect_stdout(logged):
        become(Function("aws_lambda.app.handler", environ, arn=arn).environ)
        from aws_lambda.app import application, handler, loop

        event = event_of(request, domain="local", account=account.id, iam=account.described(agent))
        answer = handler(event, LambdaContext.of(arn, _TIMEOUT))
        loop.run_until_complete(application.close())
    return tool_result(answer["body"])
