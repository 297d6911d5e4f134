"""The app as a process of its own behind a proxy, with its database user and its log, and requests to it."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import neo4j

from local.emulators.databricks.app_process import AppProcess
from local.emulators.databricks.apps_proxy import AppsProxy
from local.emulators.databricks.emulate import DatabricksPlatform
from local.emulators.issuer import User
from local.emulators.loopback_server import served
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings
from tests.support.canaries import WATCH

CANARY = "canary-app-password-19bc"
ADA = User("ada@example.com", "", scopes=frozenset({"sql"}))


class DatabaseUser:
    """A database user with a password that is a canary, and settings that log in as this user."""

    def __init__(self, database: EmbeddedNeo4j, admin: neo4j.Driver) -> None:
        self.name = f"app{secrets.token_hex(4)}"
        self.uri = database.uri
        self._admin = admin
        self.password = ""
        self.change("CREATE USER")

    def change(self, command: str = "ALTER USER") -> None:
        self.password = f"{CANARY}-{secrets.token_hex(4)}"
        statement = f"{command} {self.name} SET PASSWORD $password CHANGE NOT REQUIRED"
        self._admin.execute_query(statement, password=self.password, database_="system")

    def settings(self) -> LocalSettings:
        said = {"neo4j_uri": self.uri, "neo4j_username": self.name, "neo4j_password": self.password}
        return LocalSettings.model_validate(said)

    def secret(self) -> bytes:
        return json.dumps({"uri": self.uri, "username": self.name, "password": self.password}).encode()


class Log:
    """What an app has written, looked through for secrets when it is over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("w")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def calls(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("audit") == "call"]

    def close(self) -> None:
        self.file.close()
        WATCH.look(self.path.read_text(), "the log of the app")


@contextlib.contextmanager
def another_app(databricks: DatabricksPlatform, tmp_path: Path, **environ: str) -> Iterator[tuple[AppProcess, Log]]:
    """The app again, with another environment."""
    log = Log(tmp_path / "another.log")
    app = AppProcess(
        databricks.source, {**databricks.environ, **environ}, resources=databricks.resources(), log=log.file
    )
    try:
        yield app, log
    finally:
        app.stop()
        log.close()


@contextlib.contextmanager
def behind_a_proxy(databricks: DatabricksPlatform, app: AppProcess, **options: Any) -> Iterator[str]:
    can_use = {databricks.line["client_id"], databricks.line["intruder"]["client_id"], ADA.name}
    options = {"hands_on_authorization": True, **options}
    proxy = AppsProxy(databricks.workspace.workspace, app.url, can_use, **options)
    with served(proxy, name="another proxy") as url:
        yield f"{url}/mcp"


def message(name: str = "read-cypher", **arguments: Any) -> dict[str, Any]:
    arguments = arguments or {"query": "RETURN 1 AS one"}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def ask(
    url: str, headers: list[tuple[str, str]] | None = None, *, method: str = "POST", body: Any = None
) -> httpx2.Response:
    with httpx2.Client(trust_env=False, timeout=60) as client:
        return client.request(method, url, json=body or message(), headers=headers)


def rows(response: httpx2.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["result"]["structuredContent"]["rows"]


def token(databricks: DatabricksPlatform, of: dict[str, Any] | None = None) -> str:
    said = databricks.line if of is None else of
    form = {"grant_type": "client_credentials", "scope": "all-apis"}
    with httpx2.Client(trust_env=False) as client:
        basic = (said["client_id"], said["client_secret"])
        answer: dict[str, Any] = client.post(databricks.line["token_url"], data=form, auth=basic).json()
    return str(answer["access_token"])


def bearer(value: str) -> tuple[str, str]:
    return "authorization", f"Bearer {value}"
