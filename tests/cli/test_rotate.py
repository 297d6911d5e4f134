"""``rotate`` and ``bootstrap`` as an operator types them, against the secret store of every platform."""

from __future__ import annotations

import json
import logging
import secrets
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neo4j
import pytest
from pydantic import SecretStr

from cli.main import main
from core.audit import AUDIT_LOGGER
from local.emulators.aws.secrets_manager import running_secrets_manager
from local.emulators.azure.emulate import subscription
from local.emulators.azure.tenant import VAULT_RESOURCE
from local.emulators.databricks.api import running_workspace
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.issuer import Client
from local.neo4j import EmbeddedNeo4j
from tests.support.canaries import WATCH

pytestmark = pytest.mark.processes


@dataclass
class Store:
    """A platform's store: what the commands are told of it, and ways past them into it."""

    platform: str
    secret: str
    admin: str
    read: Callable[[str], str]
    write: Callable[[str, SecretStr], object]
    options: tuple[str, ...] = ()
    writer: str = "writer"


def _aws(stack: ExitStack, patch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    store = stack.enter_context(running_secrets_manager("eu-central-1"))
    for name, value in store.admin.items():
        patch.setenv(name.upper(), value)
    patch.setenv("AWS_DEFAULT_REGION", store.region)
    patch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", store.endpoint)

    def read(name: str) -> str:
        said: str = store.client().get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"]
        return said

    return Store("aws", "neo4j/agent", "neo4j/admin", read, store.create)


def _azure(stack: ExitStack, patch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    azure = stack.enter_context(subscription())
    operator = azure.tenant.agent
    azure.vault.readers |= {operator.object_id}
    azure.vault.writers = frozenset({operator.object_id})
    token = azure.tokens.issuer.token(operator.id, aud=VAULT_RESOURCE)
    # What the Azure CLI prints for `az account get-access-token`.
    az = tmp_path / "az"
    said = {"accessToken": token, "expiresOn": "2036-01-01 00:00:00.000000", "expires_on": int(time.time()) + 3000}
    az.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps({**said, 'tokenType': 'Bearer'})}\nEND\n")
    az.chmod(az.stat().st_mode | stat.S_IXUSR)
    patch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    patch.setenv("REQUESTS_CA_BUNDLE", str(azure.authority))
    patch.delenv("AZURE_CLIENT_ID", raising=False)

    def read(name: str) -> str:
        return azure.vault.current(name).get_secret_value()

    return Store("azure", "neo4j-agent", "neo4j-admin", read, azure.vault.write, ("--vault-url", azure.vault_url))


def _databricks(stack: ExitStack, patch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    operator = Client("operator", secrets.token_urlsafe(24), scopes=frozenset({"all-apis"}))
    workspace = EmulatedWorkspace([operator], id="1234567890123456")
    stack.enter_context(running_workspace(workspace))
    for scope in ("neo4j", "neo4j-admin"):
        workspace.create_scope(scope, "administrator")
    workspace.permit("neo4j", operator.id, "WRITE")
    workspace.permit("neo4j-admin", operator.id, "READ")
    patch.setenv("DATABRICKS_HOST", workspace.url)
    patch.setenv("DATABRICKS_TOKEN", workspace.issue_pat(operator.id).get_secret_value())
    patch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))

    def write(name: str, text: SecretStr) -> None:
        scope, _, key = name.partition("/")
        workspace.put_secret(scope, key, text.get_secret_value().encode())

    def read(name: str) -> str:
        scope, _, key = name.partition("/")
        return workspace.secret(scope, key).decode()

    return Store("databricks", "neo4j/credential", "neo4j-admin/credential", read, write, writer="neo4j/writer")


def _local(stack: ExitStack, patch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    directory = tmp_path / "credentials"
    directory.mkdir()
    patch.setenv("NEO4J_M2M_CREDENTIALS_DIR", str(directory))

    def write(name: str, text: SecretStr) -> None:
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text.get_secret_value())

    return Store("local", "agent", "administrator", lambda name: (directory / name).read_text(), write)


@pytest.fixture(params=[_aws, _azure, _databricks, _local], ids=["aws", "azure", "databricks", "local"])
def store(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    scratch_database: EmbeddedNeo4j,
) -> Iterator[Store]:
    with ExitStack() as stack:
        store: Store = request.param(stack, monkeypatch, tmp_path)
        password = scratch_database.password.get_secret_value()
        admin = {"uri": scratch_database.uri, "username": scratch_database.username, "password": password}
        store.write(store.admin, SecretStr(json.dumps(admin)))
        yield store


@pytest.fixture(autouse=True)
def signals_and_handlers_as_before() -> Iterator[None]:
    """The command runs in this process; what it sets for its own process ends with the test."""
    audit = logging.getLogger(AUDIT_LOGGER)
    before = audit.handlers[:], audit.propagate
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    audit.handlers[:], audit.propagate = before
    for number, handler in signals.items():
        signal.signal(number, handler)


class Operator:
    """Types commands, and looks that none of them shows a password."""

    def __init__(self, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = store
        self._capsys = capsys
        self.said = ""

    def types(self, command: str, *options: str, admin: bool = True) -> tuple[int, list[dict[str, Any]]]:
        store = self.store
        administrator = ("--admin-secret", store.admin) if admin else ()
        status = main([command, store.platform, store.secret, *administrator, *store.options, *options])
        out, self.said = self._capsys.readouterr()
        for name in (store.secret, store.admin):
            try:
                password = json.loads(store.read(name))["password"]
            except Exception:  # there is no such secret yet
                continue
            assert password not in out + self.said
        WATCH.look(out + self.said, f"{command} {store.platform}")
        return status, [json.loads(line) for line in out.splitlines()]

    def logs_in(self, secret: str) -> str:
        said = json.loads(self.store.read(secret))
        with neo4j.GraphDatabase.driver(
            said["uri"], auth=(said["username"], said["password"]), telemetry_disabled=True
        ) as driver:
            driver.verify_connectivity()
        username: str = said["username"]
        return username


@pytest.fixture
def operator(store: Store, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(store, capsys)


def test_the_first_users_are_made_rotated_by_hand_and_rotated_back(operator: Operator) -> None:
    user = f"reader{secrets.token_hex(4)}"
    store = operator.store
    pairs = ("--user", user, "--writer-secret", store.writer, "--writer", f"w{user}")
    status, (reader, writer) = operator.types("bootstrap", *pairs)
    assert (status, reader["user"], writer["user"], reader["existed"]) == (0, user, f"w{user}", False)
    assert operator.logs_in(store.secret) == user
    assert operator.logs_in(store.writer) == f"w{user}"
    status, (again, _) = operator.types("bootstrap", *pairs)
    assert (status, again["existed"]) == (0, True)

    before = store.read(store.secret)
    status, (plan,) = operator.types("rotate", "--dry-run")
    assert (status, plan["done"], plan["user"]) == (0, False, f"{user}_alternate")
    assert store.read(store.secret) == before

    status, (report,) = operator.types("rotate")
    assert (status, report["done"], report["resumed"]) == (0, True, False)
    assert operator.logs_in(store.secret) == f"{user}_alternate"
    status, _ = operator.types("rotate")
    assert status == 1
    assert "--now" in operator.said
    status, _ = operator.types("rotate", "--now")
    assert status == 0
    assert operator.logs_in(store.secret) == user


def test_a_single_user_is_rotated_without_any_administrator(operator: Operator) -> None:
    user = f"single{secrets.token_hex(4)}"
    operator.types("bootstrap", "--user", user)
    former = operator.store.read(operator.store.secret)
    status, (report,) = operator.types("rotate", "--single-user", admin=False)
    assert (status, report["user"]) == (0, user)
    assert operator.store.read(operator.store.secret) != former
    assert operator.logs_in(operator.store.secret) == user


def test_what_is_missing_is_told_and_nothing_is_done(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = operator.types("rotate", admin=False)
    assert status == 1
    assert "administrator" in operator.said
    status, _ = operator.types("rotate")
    assert status == 1
    assert operator.store.secret in operator.said
    status, _ = operator.types("bootstrap", admin=False)
    assert status == 1
    assert "--admin-secret" in operator.said
    store = operator.store
    status = main(["bootstrap", store.platform, store.admin, "--admin-secret", store.admin, *store.options])
    assert status == 1
    assert "a secret each" in capsys.readouterr().err


def test_the_statements_for_the_rights_are_shown_without_any_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bootstrap", "aws", "s", "--show-cypher", "--user", "reader", "--database", "my-graph"]) == 0
    out = capsys.readouterr().out
    assert "GRANT MATCH {*} ON GRAPH `my-graph` TO `reader_role`;" in out
    assert "WRITE" not in out


def test_a_vault_that_is_not_named_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rotate", "azure", "s", "--admin-secret", "a"]) == 1
    assert "--vault-url" in capsys.readouterr().err
