"""The rotation function app: what Event Grid, the timer and an operator make it do, with two real vaults' rules."""

from __future__ import annotations

import asyncio
import datetime
import importlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from typing import Any

import azure.functions as func
import neo4j
import pytest
from pydantic import SecretStr

from azure_function.rotated_vault import RotatedVault
from azure_function.rotation_settings import AzureRotationSettings
from core.credentials.rotation_errors import RotationError
from core.errors import SettingsError
from local.emulators.azure.emulate import Subscription, subscription
from local.emulators.issuer import Trouble
from local.neo4j import EmbeddedNeo4j
from tests.support.database_users import create_user

pytestmark = pytest.mark.processes

CANARY = "canary-vault-rotated-5512"
SECRET = "neo4j-agent"


@pytest.fixture(scope="module")
def azure() -> Iterator[Subscription]:
    with subscription() as running:
        yield running


class RotationApp:
    """The app, imported as the worker does, and the secret that it rotates."""

    def __init__(self, azure: Subscription, database: EmbeddedNeo4j, admin: neo4j.Driver) -> None:
        self.azure = azure
        self.user = f"vault{secrets.token_hex(4)}"
        password = f"{CANARY}-{secrets.token_hex(6)}"
        create_user(admin, self.user, password)
        azure.vault.write(SECRET, SecretStr(self.text(database, self.user, password)))
        root = self.text(database, database.username, database.password.get_secret_value())
        azure.administrators.write("neo4j-admin", SecretStr(root))
        sys.modules.pop("azure_function.rotation", None)
        self.module: Any = importlib.import_module("azure_function.rotation")
        self.vault: RotatedVault = self.module.rotation.vault

    @staticmethod
    def text(database: EmbeddedNeo4j, username: str, password: str) -> str:
        return json.dumps({"uri": database.uri, "username": username, "password": password})

    def username(self) -> str:
        """The user that the secret names, who can log in."""
        said = json.loads(self.azure.vault.current(SECRET).get_secret_value())
        auth = (said["username"], said["password"])
        with neo4j.GraphDatabase.driver(said["uri"], auth=auth, telemetry_disabled=True) as driver:
            driver.verify_connectivity()
        username: str = said["username"]
        return username

    async def event(self, **about: str) -> None:
        version, _ = await self.vault.state(SECRET)
        data = {"ObjectName": SECRET, "Version": version, "ObjectType": "Secret", "VaultName": "v", **about}
        now = datetime.datetime.now(datetime.UTC)
        kind = about.pop("kind", "Microsoft.KeyVault.SecretNearExpiry")
        await self.module.near_expiry(
            func.EventGridEvent(
                id="1", data=data, topic="t", subject=SECRET, event_type=kind, event_time=now, data_version="1"
            )
        )

    async def ask(self, body: bytes = b"") -> tuple[int, dict[str, Any]]:
        request = func.HttpRequest("POST", "https://localhost/rotate", body=body)
        answer = await self.module.rotate_on_demand(request)
        return answer.status_code, json.loads(answer.get_body())


@pytest.fixture
def rotation(
    azure: Subscription,
    scratch_database: EmbeddedNeo4j,
    empty_neo4j_driver: neo4j.Driver,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RotationApp]:
    environ = {
        **azure.rotation_environ,
        "NEO4J_M2M_ADMIN_SECRET": "neo4j-admin",
        "NEO4J_M2M_ROTATED_SECRETS": SECRET,
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    app = RotationApp(azure, scratch_database, empty_neo4j_driver)
    yield app
    app.vault.close()
    app.module.rotation.administrators.close()


async def test_an_event_rotates_and_the_same_event_delivered_again_does_not(rotation: RotationApp) -> None:
    version, _ = await rotation.vault.state(SECRET)
    await rotation.event()
    assert rotation.username() == f"{rotation.user}_alternate"
    rotated, _ = await rotation.vault.state(SECRET)
    await rotation.event(Version=version)
    assert (await rotation.vault.state(SECRET))[0] == rotated


async def test_an_event_delivered_again_while_the_first_is_at_work_rotates_once_and_nothing_fails(
    rotation: RotationApp,
) -> None:
    """Event Grid waits for 30 seconds, less than a rotation may take, and then delivers the event again.

    Source: https://learn.microsoft.com/azure/event-grid/delivery-and-retry .
    """
    version, _ = await rotation.vault.state(SECRET)
    await asyncio.gather(*(rotation.event(Version=version) for _ in range(3)))
    assert rotation.username() == f"{rotation.user}_alternate"


async def test_an_event_and_the_timer_at_the_same_time_rotate_once_and_nothing_fails(rotation: RotationApp) -> None:
    version, _ = await rotation.vault.state(SECRET)
    await asyncio.gather(rotation.event(Version=version), rotation.module.rotate_when_near(None))
    assert rotation.username() == f"{rotation.user}_alternate"


async def test_an_event_that_comes_before_the_operator_s_days_rotates_nothing(rotation: RotationApp) -> None:
    """Key Vault tells of each secret that is valid for less than 30 days, also of one that was rotated just now."""
    await rotation.event()
    rotated = rotation.azure.vault.current(SECRET)
    await rotation.event()
    assert rotation.azure.vault.current(SECRET) == rotated


async def test_an_expired_secret_is_rotated(rotation: RotationApp) -> None:
    client = rotation.vault
    text = rotation.azure.vault.current(SECRET).get_secret_value()
    gone = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    await client.ask(SECRET, lambda sdk: sdk.set_secret(SECRET, text, expires_on=gone))
    await rotation.event(kind="Microsoft.KeyVault.SecretExpired")
    assert rotation.username() == f"{rotation.user}_alternate"


async def test_a_rotated_secret_expires_and_has_the_tags_of_the_tutorial(rotation: RotationApp) -> None:
    await rotation.event()
    properties = (await rotation.vault.ask(SECRET, lambda client: client.get_secret(SECRET))).properties
    assert properties.tags["CredentialId"] == f"{rotation.user}_alternate"
    assert properties.tags["ValidityPeriodDays"] == "60"
    assert properties.tags["ProviderAddress"].startswith("bolt://")
    assert abs(properties.expires_on.timestamp() - time.time() - 60 * 86_400) < 60
    beside = f"{SECRET}-candidate"
    candidate = (await rotation.vault.ask(beside, lambda client: client.get_secret(beside))).properties
    assert candidate.expires_on is None


async def test_other_events_and_other_secrets_are_left_alone(rotation: RotationApp) -> None:
    before = rotation.azure.vault.current(SECRET)
    await rotation.event(kind="Microsoft.KeyVault.SecretNewVersionCreated")
    await rotation.event(ObjectName="somebody-elses")
    assert rotation.azure.vault.current(SECRET) == before


async def test_the_timer_rotates_what_has_no_expiry_or_a_near_one_and_nothing_else(rotation: RotationApp) -> None:
    await rotation.module.rotate_when_near(None)
    assert rotation.username() == f"{rotation.user}_alternate"
    after = rotation.azure.vault.current(SECRET)
    await rotation.module.rotate_when_near(None)
    assert rotation.azure.vault.current(SECRET) == after


async def test_on_demand_it_rotates_once_and_again_only_if_told_so(rotation: RotationApp) -> None:
    status, said = await rotation.ask()
    assert (status, said["rotated"][0]["user"], said["failed"]) == (200, f"{rotation.user}_alternate", {})
    status, said = await rotation.ask(json.dumps({"secret": SECRET}).encode())
    assert (status, said["rotated"]) == (503, [])
    assert "was rotated" in said["failed"][SECRET]
    status, said = await rotation.ask(json.dumps({"secret": SECRET, "now": True}).encode())
    assert status == 200
    assert rotation.username() == rotation.user
    assert CANARY not in json.dumps(said)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"secret": "neo4j-admin"}', b'{"secret": 1}'])
async def test_a_request_for_anything_else_is_refused(rotation: RotationApp, body: bytes) -> None:
    before = rotation.azure.vault.current(SECRET)
    status, _ = await rotation.ask(body)
    assert status == 400
    assert rotation.azure.vault.current(SECRET) == before


async def test_a_vault_in_trouble_fails_the_event_so_that_it_is_delivered_again(rotation: RotationApp) -> None:
    rotation.azure.vault.troubles.add(Trouble(429), times=1)
    with pytest.raises(Exception, match="too many requests"):
        await rotation.event()
    rotation.azure.vault.writers = frozenset()
    with pytest.raises(RotationError, match="Secrets Officer"):
        await rotation.event()
    rotation.azure.vault.writers = frozenset({rotation.azure.tenant.rotation.object_id})
    await rotation.event()
    assert rotation.username() == f"{rotation.user}_alternate"


@pytest.mark.parametrize("wrong", [{}, {"NEO4J_M2M_ROTATED_SECRETS": ""}, {"NEO4J_M2M_VALID_DAYS": "soon"}])
async def test_a_misconfigured_app_has_the_same_functions_and_each_says_what_to_correct(
    rotation: RotationApp, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    """Without functions the host would run nothing, and nobody would notice."""
    names = sorted(each.get_function_name() for each in rotation.module.app.get_functions())
    for name in [name for name in os.environ if name.startswith("NEO4J_M2M_") and (not wrong or name in wrong)]:
        monkeypatch.delenv(name)
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("azure_function.rotation", None)
    functions = importlib.import_module("azure_function.rotation").app.get_functions()
    assert sorted(each.get_function_name() for each in functions) == names
    for each in functions:
        own: Any = each.get_user_function()
        if each.get_function_name() == "rotate_on_demand":
            answer = await own(func.HttpRequest("POST", "https://localhost/rotate", body=b""))
            assert answer.status_code == 503
            assert b"NEO4J_M2M" not in answer.get_body()
        else:
            with pytest.raises(RotationError, match=r"misconfigured.*NEO4J_M2M_"):
                await own(None)


async def test_the_servers_own_identity_can_neither_write_nor_read_the_administrators_vault(
    azure: Subscription,
) -> None:
    assert azure.tenant.function.object_id not in azure.vault.writers | azure.administrators.readers


@pytest.mark.parametrize(
    "changed",
    [
        {"NEO4J_M2M_ADMIN_VAULT_URL": ""},
        {"NEO4J_M2M_ADMIN_VAULT_URL": "https://v.vault.azure.net"},
        {"NEO4J_M2M_ADMIN_SECRET": ""},
        {"NEO4J_M2M_ROTATED_SECRETS": ""},
        {"NEO4J_M2M_ROTATED_SECRETS": "a,neo4j-admin"},
        {"NEO4J_M2M_ROTATE_DAYS_BEFORE": "60"},
    ],
)
def test_settings_that_would_rotate_nothing_or_show_the_administrator_are_refused(changed: dict[str, str]) -> None:
    environ = {
        "NEO4J_M2M_VAULT_URL": "https://v.vault.azure.net",
        "NEO4J_M2M_ADMIN_VAULT_URL": "https://a.vault.azure.net",
        "NEO4J_M2M_ADMIN_SECRET": "neo4j-admin",
        "NEO4J_M2M_ROTATED_SECRETS": "a",
    }
    AzureRotationSettings.from_environ(environ)
    with pytest.raises(SettingsError):
        AzureRotationSettings.from_environ({**environ, **changed})
