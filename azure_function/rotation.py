"""The rotation function app, which ``rotation_app.py`` shows to the worker by way of ``azure_function.rotation_entry``.

It is a function app of its own, with an identity of its own that may write one vault and read the administrator's:
Event Grid tells it that a secret is near its expiry, a timer looks every day, and whoever has a function key may ask.

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
from collections.abc import Iterable
from typing import Any

import azure.functions as func

from azure_function.rotated_vault import RotatedVault
from azure_function.rotation_settings import AzureRotationSettings
from azure_function.workload import OwnIdentity
from core.credentials.rotation import RotationReport
from core.credentials.rotation_errors import RotationError
from core.credentials.scheduled import SETTLE, rotate_each
from core.credentials.secret_store import SecretError

__all__ = ["app", "near_expiry", "rotate_on_demand", "rotate_when_near"]

logger = logging.getLogger(__name__)

_EVENTS = ("Microsoft.KeyVault.SecretNearExpiry", "Microsoft.KeyVault.SecretExpired")

settings = AzureRotationSettings.from_environ(os.environ)
for _name in ("core", "azure_function"):
    logging.getLogger(_name).setLevel(settings.log_level)
for _name in ("azure.identity", "azure.core", "msal", "neo4j"):
    logging.getLogger(_name).setLevel(logging.WARNING)
_identity = OwnIdentity(settings.identity, settings.identity_client_id)
vault = RotatedVault(settings.vault_url, _identity, days=settings.valid_days)
_administrators = RotatedVault(settings.admin_vault_url or settings.vault_url, _identity, days=settings.valid_days)
_one_at_a_time = asyncio.Lock()

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


async def _rotate(
    names: Iterable[str], *, settle: float = SETTLE
) -> tuple[list[RotationReport], dict[str, RotationError | SecretError]]:
    """Rotate each of ``names``; whoever calls this has the lock, and looked at the secrets under it."""
    return await rotate_each(
        names, vault, _administrators, settings.admin_secret, mode=settings.rotation_mode, settle=settle
    )


def _is_near(expires: datetime.datetime | None) -> bool:
    """Whether a secret is to be rotated now: it expires soon, has expired, or has no expiry at all."""
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=settings.rotate_days_before)
    return expires is None or expires < soon


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
    about = event.get_json()
    name, version = str(about.get("ObjectName", "")), str(about.get("Version", ""))
    if event.event_type not in _EVENTS or name not in settings.rotated_secrets:
        return
    async with _one_at_a_time:
        current, expires = await vault.state(name)
        if version != current:
            logger.info("%s: the event is about an earlier version, and it was rotated since", name)
        elif not _is_near(expires):
            logger.info("%s: the event comes before the days in which it is rotated", name)
        else:
            _raise_if_any((await _rotate([name]))[1])


@app.function_name("rotate_when_near")
@app.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")
async def rotate_when_near(timer: func.TimerRequest) -> None:
    """Rotate what expires soon, or has no expiry at all, in case that no event has come."""
    async with _one_at_a_time:
        near, failed = [], {}
        for name in settings.rotated_secrets:
            try:
                _, expires = await vault.state(name)
            except SecretError as error:
                failed[name] = error
                continue
            if _is_near(expires):
                near.append(name)
        _raise_if_any({**failed, **(await _rotate(near))[1]})


@app.function_name("rotate_on_demand")
@app.route(route="rotate", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def rotate_on_demand(req: func.HttpRequest) -> func.HttpResponse:
    """Rotate now: all secrets, or the one that the body names, ``{"secret": NAME, "now": true}``."""
    try:
        asked: Any = req.get_json() if req.get_body() else {}
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or asked.get("secret", settings.rotated_secrets[0]) not in settings.rotated_secrets:
        return _answer(400, {"error": "Send nothing, or JSON with secret: one of those that this app rotates."})
    names = [asked["secret"]] if "secret" in asked else settings.rotated_secrets
    async with _one_at_a_time:
        done, failed = await _rotate(names, settle=0.0 if asked.get("now") is True else SETTLE)
    said = {
        "rotated": [dataclasses.asdict(report) for report in done],
        "failed": {name: str(error) for name, error in failed.items()},
    }
    return _answer(503 if failed else 200, said)


def _answer(status: int, said: dict[str, Any]) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(said), status_code=status, mimetype="application/json")
