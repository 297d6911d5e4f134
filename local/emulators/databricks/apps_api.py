"""The apps API of a workspace, as the CLI and the SDKs call it.

Source: https://docs.databricks.com/api/workspace/apps .
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from local.emulators.databricks.apps import EmulatedApps
from local.emulators.databricks.workspace import ApiError

__all__ = ["APPS_PATH", "answer_about_apps"]

APPS_PATH = "/api/2.0/apps"

_PATH = re.compile(rf"{APPS_PATH}(?:/(?P<name>[a-z0-9-]+)(?:/(?P<what>[a-z]+)(?:/(?P<id>[0-9a-f]+))?)?)?")


@dataclass(frozen=True)
class _Asked:
    """One request: of whom, about which app, with what; ``files`` are the paths of all workspace files."""

    caller: str
    name: str
    id: str
    query: dict[str, str]
    said: dict[str, Any]
    files: frozenset[str]


def answer_about_apps(
    apps: EmulatedApps,
    method: str,
    path: str,
    query: dict[str, str],
    said: dict[str, Any],
    *,
    caller: str,
    files: Iterable[str] = (),
) -> dict[str, Any]:
    """What the API answers ``caller``; ``files`` are the paths of all workspace files.

    Raises:
        ApiError: There is no such endpoint or app, or the request cannot be.
    """
    found = _PATH.fullmatch(path)
    if found is not None:
        shape = "".join(("NAME " if found["name"] else "", found["what"] or "", " ID" if found["id"] else "")).strip()
        handler = _HANDLERS.get((method, shape))
        if handler is not None:
            asked = _Asked(caller, found["name"] or "", found["id"] or "", query, said, frozenset(files))
            return handler(apps, asked)
    raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'.")


def _create(apps: EmulatedApps, asked: _Asked) -> dict[str, Any]:
    return apps.create(asked.said, by=asked.caller, compute=asked.query.get("no_compute") != "true").document


def _patch(apps: EmulatedApps, asked: _Asked) -> dict[str, Any]:
    return apps.change(asked.name, asked.said, frozenset(asked.said) - {"name"}, by=asked.caller).document


def _begin_update(apps: EmulatedApps, asked: _Asked) -> dict[str, Any]:
    fields = frozenset(str(asked.said.get("update_mask", "")).split(","))
    app = apps.change(asked.name, asked.said.get("app") or {}, fields, by=asked.caller)
    app.update = {"status": {"state": "IN_PROGRESS"}}
    return app.update


def _get_update(apps: EmulatedApps, asked: _Asked) -> dict[str, Any]:
    app = apps.get(asked.name)
    if app.update is None:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", "The app was never updated.")
    current, app.update = app.update, {"status": {"state": "SUCCEEDED"}}
    return current


_HANDLERS: dict[tuple[str, str], Callable[[EmulatedApps, _Asked], dict[str, Any]]] = {
    ("POST", ""): _create,
    ("GET", ""): lambda apps, asked: {"apps": [app.document for app in apps.apps.values()]},
    ("GET", "NAME"): lambda apps, asked: apps.get(asked.name).document,
    ("PATCH", "NAME"): _patch,
    ("DELETE", "NAME"): lambda apps, asked: apps.delete(asked.name).document,
    ("POST", "NAME update"): _begin_update,
    ("GET", "NAME update"): _get_update,
    ("POST", "NAME start"): lambda apps, asked: apps.start(asked.name).document,
    ("POST", "NAME stop"): lambda apps, asked: apps.stop(asked.name).document,
    ("POST", "NAME deployments"): lambda apps, asked: apps.deploy(asked.name, asked.said, asked.files),
    ("GET", "NAME deployments"): lambda apps, asked: {"app_deployments": apps.get(asked.name).deployments[::-1]},
    ("GET", "NAME deployments ID"): lambda apps, asked: apps.deployment(asked.name, asked.id),
}
