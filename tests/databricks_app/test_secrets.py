from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from pydantic import SecretStr

from core.credentials.credential import parse_credential
from core.credentials.secret_store import (
    SecretDenied,
    SecretError,
    SecretMalformed,
    SecretNotFound,
    SecretThrottled,
    SecretUnreachable,
)
from core.credentials.sources import load_secret
from databricks_app.secrets import SecretScopes
from databricks_app.workspace import Workspace
from local.emulators.databricks.api import WorkspaceApp
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.loopback_server import served as serve
from tests.databricks_app.conftest import AGENT, APP, ID
from tests.support.waiting import soon
from tests.support.withdrawal import Clock, ends_within_the_setting

CANARY = "canary-scope-secret-88af"


@pytest.fixture
def scope(workspace: EmulatedWorkspace) -> EmulatedWorkspace:
    workspace.create_scope("neo4j", AGENT.id)
    workspace.put_secret("neo4j", "credential", CANARY.encode())
    workspace.permit("neo4j", APP.id, "READ")
    return workspace


async def test_a_secret_is_read_with_the_apps_own_identity_and_again_each_time(
    scope: EmulatedWorkspace, served: WorkspaceApp, told: Workspace
) -> None:
    store = SecretScopes(told)
    first = await store.fetch("neo4j/credential")
    assert first.text.get_secret_value() == CANARY
    same = await store.fetch("neo4j/credential")
    assert same.version == first.version
    scope.put_secret("neo4j", "credential", f"{CANARY}-2".encode())
    second = await store.fetch("neo4j/credential")
    assert second.text.get_secret_value() == f"{CANARY}-2"
    assert second.version != first.version
    assert served.requests.count(("GET", "/api/2.0/secrets/get")) == 3
    assert served.issuer.grants == ["client_credentials"]
    assert CANARY not in repr(first) + repr(store) + first.version


async def test_a_version_tells_nobody_the_value(scope: EmulatedWorkspace, told: Workspace) -> None:
    versions = {(await SecretScopes(told).fetch("neo4j/credential")).version for _ in range(2)}
    assert len(versions) == 2


async def test_what_the_app_resource_held_at_the_start_is_good_for_one_fetch(
    scope: EmulatedWorkspace, served: WorkspaceApp, told: Workspace
) -> None:
    store = SecretScopes(told, first_name="neo4j/credential", first=SecretStr(CANARY))
    first = await store.fetch("neo4j/credential")
    assert served.requests == []
    second = await store.fetch("neo4j/credential")
    assert served.requests != []
    assert (second.text, second.version) == (first.text, first.version)


async def test_a_credential_may_stand_in_three_keys(scope: EmulatedWorkspace, told: Workspace) -> None:
    for key, value in {"uri": "neo4j+s://db", "username": "agent", "password": CANARY}.items():
        scope.put_secret("neo4j", key, value.encode())
    store = SecretScopes(told)
    credential = parse_credential((await store.fetch("neo4j")).text.get_secret_value(), source="neo4j")
    assert (credential.uri, credential.database) == ("neo4j+s://db", None)
    scope.put_secret("neo4j", "database", b"flights")
    credential = parse_credential((await store.fetch("neo4j")).text.get_secret_value(), source="neo4j")
    assert credential.database == "flights"
    del scope.scope("neo4j", None, "READ").values["password"]
    with pytest.raises(SecretNotFound, match="neo4j/password"):
        await store.fetch("neo4j")


async def test_what_is_missing_forbidden_or_no_text_is_told(scope: EmulatedWorkspace, told: Workspace) -> None:
    store = SecretScopes(told)
    with pytest.raises(SecretNotFound, match="no scope elsewhere"):
        await store.fetch("elsewhere/credential")
    with pytest.raises(SecretNotFound, match="no key other"):
        await store.fetch("neo4j/other")
    scope.put_secret("neo4j", "image", b"\xff\xfe\x00")
    with pytest.raises(SecretMalformed, match="no text"):
        await store.fetch("neo4j/image")
    scope.create_scope("private", AGENT.id)
    scope.put_secret("private", "credential", CANARY.encode())
    with pytest.raises(SecretDenied, match="READ on the scope private"):
        await store.fetch("private/credential")
    scope.permit("private", APP.id, "READ")
    assert (await store.fetch("private/credential")).text.get_secret_value() == CANARY


async def test_an_app_that_the_workspace_does_not_accept_is_told(scope: EmulatedWorkspace) -> None:
    wrong = Workspace(scope.url, ID, APP.id, SecretStr("canary-wrong-secret"))
    with pytest.raises(SecretDenied, match="does not accept"):
        await SecretScopes(wrong).fetch("neo4j/credential")
    gone = Workspace(scope.url, ID, "5d3a8a4e-0000-0000-0000-000000000000", SecretStr("canary-wrong-secret"))
    with pytest.raises(SecretDenied):
        await SecretScopes(gone).fetch("neo4j/credential")


@pytest.mark.exhaustive
async def test_a_workspace_that_is_asked_too_often_is_told_and_a_short_trouble_is_waited_out(
    scope: EmulatedWorkspace, served: WorkspaceApp, told: Workspace
) -> None:
    store = SecretScopes(told)
    served.failures += [429]
    assert (await store.fetch("neo4j/credential")).text.get_secret_value() == CANARY
    served.failures += [429] * 20
    with pytest.raises(SecretThrottled):
        await load_secret(store, "neo4j/credential")
    served.failures[:] = [503] * 20
    with pytest.raises(SecretUnreachable):
        await load_secret(store, "neo4j/credential")
    served.failures[:] = [500]
    with pytest.raises(SecretUnreachable):
        await store.fetch("neo4j/credential")
    assert (await store.fetch("neo4j/credential")).text.get_secret_value() == CANARY


@pytest.mark.exhaustive
async def test_a_workspace_that_is_away_is_told_in_time() -> None:
    away = SecretScopes(Workspace("http://127.0.0.1:9", ID, APP.id, SecretStr("canary-apps-secret")))
    begun = time.monotonic()
    with pytest.raises(SecretUnreachable):
        await load_secret(away, "neo4j/credential")
    assert time.monotonic() - begun < 15


class Hanging:
    """Takes every request and answers none, until it is let go."""

    def __init__(self) -> None:
        self.requests = self.answered = 0
        self.over = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        while not self.over:
            await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        self.answered += 1


async def test_a_workspace_that_hangs_costs_few_threads_and_no_other_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.credentials.sources._FETCH_SECONDS", 0.2)
    hanging = Hanging()
    with serve(hanging, name="a workspace") as url:
        store = SecretScopes(Workspace(url, ID, APP.id, SecretStr("canary-apps-secret")))
        for _ in range(8):
            with pytest.raises(SecretUnreachable):
                await load_secret(store, "neo4j/credential")
        with pytest.raises(SecretUnreachable, match="earlier requests"):
            await store.fetch("neo4j/credential")
        assert hanging.requests <= 8
        hanging.over = True
        assert await soon(lambda: hanging.answered == hanging.requests)


async def test_nothing_that_the_workspace_says_is_quoted(caplog: pytest.LogCaptureFixture) -> None:
    class Talkative:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            body = json.dumps({"error_code": "X", "message": f"{CANARY} is not for you"}).encode()
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 418, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    with (
        serve(Talkative(), name="a workspace") as url,
        caplog.at_level(logging.INFO),
        pytest.raises(SecretError) as caught,
    ):
        await SecretScopes(Workspace(url, ID, APP.id, SecretStr("canary-apps-secret"))).fetch("neo4j/credential")
    assert CANARY not in str(caught.value) + caplog.text


async def test_the_unmodified_sdk_keeps_secrets_in_the_workspace_by_its_rules(scope: EmulatedWorkspace) -> None:
    def run() -> None:
        agent = WorkspaceClient(host=scope.url, client_id=AGENT.id, client_secret=AGENT.secret, auth_type="oauth-m2m")
        agent.secrets.create_scope("team")
        agent.secrets.put_secret("team", "credential", string_value=CANARY)
        assert [secret.key for secret in agent.secrets.list_secrets("team")] == ["credential"]
        assert {found.name for found in agent.secrets.list_scopes()} == {"neo4j", "team"}
        assert agent.current_user.me().user_name == AGENT.id

    await asyncio.to_thread(run)
    assert scope.secret("team", "credential").decode() == CANARY


@pytest.mark.parametrize(
    ("how", "error"),
    [("permission", SecretDenied), ("secret", SecretNotFound), ("scope", SecretNotFound)],
)
async def test_a_permission_secret_or_scope_that_is_taken_away_ends_access_within_the_setting(
    scope: EmulatedWorkspace, told: Workspace, how: str, error: type[SecretError], monkeypatch: pytest.MonkeyPatch
) -> None:
    value = json.dumps({"uri": "bolt://db", "username": "agent", "password": CANARY})
    scope.put_secret("neo4j", "credential", value.encode())

    def withdraw() -> None:
        if how == "permission":
            scope.withdraw("neo4j", APP.id)
        elif how == "secret":
            scope.scope("neo4j", None, "WRITE").values.clear()
        else:
            scope.delete_scope("neo4j")

    # With what the app found at its start as the first value: that is not a reason to go on with it.
    store = SecretScopes(told, first_name="neo4j/credential", first=SecretStr(value))
    await ends_within_the_setting(store, "neo4j/credential", withdraw, error, Clock(monkeypatch))
