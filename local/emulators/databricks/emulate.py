"""Databricks on this machine: a proxy with the real app behind it, the workspace with its secret, and who may call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx2

from core.http import MCP_PATH
from databricks_app.identity import CallerAuth
from databricks_app.snapshot import lay_out
from local.console import Console
from local.database import open_database, stored_credential
from local.emulators.callers import Caller, HeaderAuth, bearer
from local.emulators.databricks.api import WorkspaceApp, running_workspace
from local.emulators.databricks.app_process import AppProcess
from local.emulators.databricks.apps_proxy import AppsProxy, named
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.in_process import HEADERS, become, tool_call, tool_result
from local.emulators.issuer import Client, User
from local.emulators.loopback_server import served
from local.settings import LocalSettings

__all__ = ["DatabricksPlatform", "callers", "invoke", "platform"]

_WORKSPACE = "1234567890123456"
_SCOPE = "neo4j"
_KEY = "credential"
_WORLDS: dict[CallerAuth, dict[str, str]] = {
    "proxy": {"NEO4J_M2M_CALLER_AUTH": "proxy"},
    "token": {"NEO4J_M2M_CALLER_AUTH": "token", "NEO4J_M2M_ACCEPT_PATS": "true"},
}
"""What the app is told in a workspace whose proxy keeps tokens, and in one whose proxy hands them on."""

_SCOPES = frozenset({"all-apis", _SCOPE})
"""The scope of tokens; also the secret scope's name, for clients that read the line's ``scope`` so."""


def _service_principal(name: str) -> Client:
    return Client(str(uuid.uuid4()), secrets.token_urlsafe(24), scopes=_SCOPES, name=name)


@dataclass
class DatabricksPlatform:
    """The running platform: ``line`` is what `emulate` prints, a contract for clients from outside."""

    line: dict[str, Any] = field(repr=False)
    workspace: WorkspaceApp
    proxy: AppsProxy
    app: AppProcess
    source: Path
    environ: dict[str, str] = field(repr=False)

    def resources(self) -> dict[str, str]:
        """The current values of the app's resources."""
        return {"credential": self.workspace.workspace.secret(_SCOPE, _KEY).decode()}


@dataclass(frozen=True)
class _Prepared:
    """A served workspace, with the credential in its scope, and the environment of the app."""

    app: WorkspaceApp
    agent: Client
    intruder: Client
    environ: dict[str, str] = field(repr=False)


@contextlib.contextmanager
def _prepared(
    settings: LocalSettings, console: Console, users: tuple[User, ...] = (), world: CallerAuth = "proxy"
) -> Iterator[_Prepared]:
    agent, intruder = (_service_principal(name) for name in ("agent", "intruder"))
    workspace = EmulatedWorkspace([agent, intruder], users, id=_WORKSPACE)
    with open_database(settings, console) as complete, running_workspace(workspace) as app:
        workspace.create_scope(_SCOPE, "administrator")
        workspace.put_secret(_SCOPE, _KEY, stored_credential(complete).get_secret_value().encode())
        resource = {"name": "credential", "secret": {"scope": _SCOPE, "key": _KEY, "permission": "READ"}}
        own = app.apps.create({"name": "mcp-neo4j", "resources": [resource]}, by=None).principal
        assert own.secret is not None  # noqa: S101 - for the type checker
        # One rule for both worlds: who is proved by a token, and who is named by the proxy.
        agents = json.dumps([agent.id, named(workspace, agent.id)["x-forwarded-user"]])
        policy = f'[[rule]]\nname = "the agent reads"\nplatform = "databricks"\nid = {agents}\n'
        environ = {
            "DATABRICKS_HOST": workspace.url,
            "DATABRICKS_WORKSPACE_ID": workspace.id,
            "DATABRICKS_CLIENT_ID": own.id,
            "DATABRICKS_CLIENT_SECRET": own.secret,
            "NEO4J_M2M_POLICY": policy,
            # The platform's own container is reached by its proxy alone; this machine's other addresses by anybody.
            "NEO4J_M2M_LISTEN_HOST": "127.0.0.1",
            **_WORLDS[world],
            "NEO4J_M2M_LOG_LEVEL": settings.log_level,
            "NEO4J_M2M_SECRET_TTL": f"{settings.secret_ttl:g}",
        }
        yield _Prepared(app, agent, intruder, environ)


@contextlib.contextmanager
def platform(
    settings: LocalSettings,
    console: Console,
    *,
    port: int = 0,
    users: tuple[User, ...] = (),
    world: CallerAuth = "proxy",
    environ: Mapping[str, str] | None = None,
    log: IO[str] | None = None,
) -> Iterator[DatabricksPlatform]:
    """Run it while the context lasts; the proxy is on ``port``, 0 for any free one.

    ``world`` says what the workspace's proxy does with a caller's token, and the app is set to fit: ``proxy``, the
    default, keeps it and names the caller in a header; ``token`` hands it on.

    ``environ`` holds instead of what the app would find in its environment; ``users`` may call, and no policy admits
    them unless one there does.

    Raises:
        LocalError: A port is taken, or the embedded database or the app does not start.
    """
    with contextlib.ExitStack() as stack:
        prepared = stack.enter_context(_prepared(settings, console, users, world))
        workspace = prepared.app.workspace
        source = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="databricks-app-"))) / "source"
        lay_out(source)
        console.say("Starting the app behind its proxy …")
        complete = {**prepared.environ, **(environ or {})}
        resources = {"credential": workspace.secret(_SCOPE, _KEY).decode()}
        app = AppProcess(source, complete, resources=resources, log=log)
        stack.callback(app.stop)
        can_use = {prepared.agent.id, prepared.intruder.id, *(user.name for user in users)}
        # The line's contract: whoever it names may read. Databricks Apps itself refuses personal access tokens.
        running = AppsProxy(workspace, app.url, can_use, hands_on_authorization=world == "token", admits_pats=True)
        console.say("Databricks Apps takes OAuth tokens only; the personal access token is let in on this machine.")
        url = stack.enter_context(served(running, name="the app's proxy", port=port)) + MCP_PATH
        line = {
            "platform": "databricks",
            "url": url,
            "token_url": workspace.issuer.token_url,
            "client_id": prepared.agent.id,
            "client_secret": prepared.agent.secret,
            "intruder": {"client_id": prepared.intruder.id, "client_secret": prepared.intruder.secret},
            "host": workspace.url,
            "scope": _SCOPE,
            "pat": workspace.issue_pat(prepared.agent.id).get_secret_value(),
        }
        yield DatabricksPlatform(line, prepared.app, running, app, source, complete)


def callers(line: dict[str, Any]) -> list[Caller]:
    """The callers of the app of ``line``, which `emulate` has printed."""
    agent = bearer(line["token_url"], line, scope="all-apis")
    intruder = bearer(line["token_url"], line["intruder"], scope="all-apis")
    developer = HeaderAuth("authorization", f"Bearer {line['pat']}")
    return [
        Caller("a service principal with its token of the workspace", line["url"], agent),
        Caller("its developer, with a personal access token", line["url"], developer),
        Caller("a service principal that may use the app, but whom no rule admits", line["url"], intruder, False),
        Caller("somebody without a token", line["url"], admitted=False),
    ]


def invoke(settings: LocalSettings, console: Console, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The tool result of one call of the app, in this process, with the headers that the proxy would send.

    Raises:
        LocalError: The embedded database does not start.
    """
    with _prepared(settings, console) as prepared, contextlib.redirect_stdout(sys.stderr):
        workspace = prepared.app.workspace
        secret = workspace.secret(_SCOPE, _KEY).decode()
        told = {"NEO4J_M2M_SECRET": f"{_SCOPE}/{_KEY}", "NEO4J_M2M_SECRET_VALUE": secret}
        become({**prepared.environ, **told}, instead_of=("NEO4J_", "DATABRICKS_"))
        headers = {**HEADERS, **named(workspace, prepared.agent.id), "x-request-id": str(uuid.uuid4())}
        return tool_result(asyncio.run(_called(headers, tool_call(tool, arguments))))


async def _called(headers: Mapping[str, str], body: bytes) -> bytes:
    from databricks_app.app import application_of, behind_the_proxy
    from databricks_app.log import log_as_json
    from databricks_app.settings import DatabricksSettings
    from databricks_app.workspace import Workspace

    settings = DatabricksSettings.from_environ(os.environ)
    log_as_json(settings.log_level)
    application = application_of(settings, Workspace.from_environ(os.environ))
    app = httpx2.ASGITransport(app=behind_the_proxy(application))
    try:
        async with httpx2.AsyncClient(transport=app, base_url="https://localhost", trust_env=False) as client:
            answer = await client.post(MCP_PATH, headers=headers, content=body, timeout=None)
    finally:
        await application.close()
    return answer.content
