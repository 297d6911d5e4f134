"""The rotation function app, which ``rotation_app.py`` at the repository's root exports.

It is a function app of its own, with an identity of its own that may write one vault and read the administrator's:
Event Grid tells it that a secret is near its expiry, a timer looks every day, and whoever has a function key may ask.

An exception while the app is imported would leave no function at all, and the host may log nothing of it: the
credential would grow old in silence. So a wrong setting leaves every function in place, and each fails with what is to
be corrected.

Sources: https://learn.microsoft.com/azure/key-vault/secrets/tutorial-rotation-dual and
https://learn.microsoft.com/azure/event-grid/event-schema-key-vault .
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import json
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

import azure.functions as func

from azure_function.rotated_vault import RotatedVault
from azure_function.rotation_settings import AzureRotationSettings
from azure_function.workload import OwnIdentity
from core.credentials.rotation import RotationReport
from core.credentials.rotation_errors import RotationError
from core.credentials.scheduled import SETTLE, rotate_each
from core.credentials.secret_store import SecretError
from core.errors import SettingsError

__all__ = ["app", "near_expiry", "rotate_on_demand", "rotate_when_near"]

logger = logging.getLogger(__name__)

_EVENTS = ("Microsoft.KeyVault.SecretNearExpiry", "Microsoft.KeyVault.SecretExpired")

_one_at_a_time = asyncio.Lock()


class VaultRotation:
    """What is rotated, by ``settings``, and the vaults that hold it; nothing is opened before the first use."""

    def __init__(self, settings: AzureRotationSettings) -> None:
        identity = OwnIdentity(settings.identity, settings.identity_client_id)
        self.settings = settings
        self.vault = RotatedVault(settings.vault_url, identity, days=settings.valid_days)
        self.administrators = RotatedVault(
            settings.admin_vault_url or settings.vault_url, identity, days=settings.valid_days
        )

    async def rotate(
        self, names: Iterable[str], *, settle: float = SETTLE
    ) -> tuple[list[RotationReport], dict[str, RotationError | SecretError]]:
        """Rotate each of ``names``; whoever calls this has the lock, and looked at the secrets under it."""
        settings = self.settings
        return await rotate_each(
            names, self.vault, self.administrators, settings.admin_secret, mode=settings.rotation_mode, settle=settle
        )

    def is_near(self, expires: datetime.datetime | None) -> bool:
        """Whether a secret is to be rotated now: it expires soon, has expired, or has no expiry at all."""
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=self.settings.rotate_days_before)
        return expires is None or expires < soon


def _configured(environ: Mapping[str, str]) -> VaultRotation | str:
    """The rotation that ``environ`` asks for; or, where a setting is wrong, the text that says so."""
    try:
        settings = AzureRotationSettings.from_environ(environ)
        for name in ("core", "azure_function"):
            logging.getLogger(name).setLevel(settings.log_level)
        return VaultRotation(settings)
    except SettingsError as error:
        said = f"The rotation is misconfigured, and nothing is rotated: {error}"
        logger.error(said)
        return said


for _name in ("azure.identity", "azure.core", "msal", "neo4j"):
    logging.getLogger(_name).setLevel(logging.WARNING)
rotation = _configured(os.environ)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def _ready() -> VaultRotation:
    """The rotation.

    Raises:
        RotationError: A setting is wrong.
    """
    if isinstance(rotation, str):
        raise RotationError(rotation)
    return rotation


def _raise_if_any(failed: dict[str, RotationError | SecretError]) -> None:
    """So that the platform counts a failure, sends an alert, and delivers the event again."""
    if failed:
        raise RotationError("; ".join(f"{name} was not rotated: {error}" for name, error in failed.items()))


@app.function_name("near_expiry")
@app.event_grid_trigger(arg_name="event")
async def near_expiry(event: func.EventGridEvent) -> None:
    """Rotate the secret that an event is about, unless that was done already, or is not due.

    Event Grid delivers an event again if it has no answer in 30 seconds, so the first delivery may still be at work.
    And Key Vault tells of every secret that is valid for less than 30 days, also of one that was rotated just now.
    """
    own = _ready()
    about = event.get_json()
    name, version = str(about.get("ObjectName", "")), str(about.get("Version", ""))
    if event.event_type not in _EVENTS or name not in own.settings.rotated_secrets:
        return
    async with _one_at_a_time:
        current, expires = await own.vault.state(name)
        if version != current:
            logger.info("%s: the event is about an earlier version, and it was rotated since", name)
        elif not own.is_near(expires):
            logger.info("%s: the event comes before the days in which it is rotated", name)
        else:
            _raise_if_any((await own.rotate([name]))[1])


@app.function_name("rotate_when_near")
@app.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")
async def rotate_when_near(timer: func.TimerRequest) -> None:
    """Rotate what expires soon, or has no expiry at all, in case that no event has come."""
    own = _ready()
    async with _one_at_a_time:
        near, failed = [], {}
        for name in own.settings.rotated_secrets:
            try:
                _, expires = await own.vault.state(name)
            except SecretError as error:
                failed[name] = error
                continue
            if own.is_near(expires):
                near.append(name)
        _raise_if_any({**failed, **(await own.rotate(near))[1]})


@app.function_name("rotate_on_demand")
@app.route(route="rotate", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def rotate_on_demand(req: func.HttpRequest) -> func.HttpResponse:
    """Rotate now: all secrets, or the one that the body names, ``{"secret": NAME, "now": true}``."""
    try:
        own = _ready()
    except RotationError as error:
        logger.error(str(error))
        return _answer(503, {"error": "The rotation is misconfigured; the app's log says what to correct."})
    secrets = own.settings.rotated_secrets
    try:
        asked: Any = req.get_json() if req.get_body() else {}
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or asked.get("secret", secrets[0]) not in secrets:
        return _answer(400, {"error": "Send nothing, or JSON with secret: one of those that this app rotates."})
    names = [asked["secret"]] if "secret" in asked else secrets
    async with _one_at_a_time:
        done, failed = await own.rotate(names, settle=0.0 if asked.get("now") is True else SETTLE)
    said = {
        "rotated": [dataclasses.asdict(report) for report in done],
        "failed": {name: str(error) for name, error in failed.items()},
    }
    return _answer(503 if failed else 200, said)


def _answer(status: int, said: dict[str, Any]) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(said), status_code=status, mimetype="application/json")
