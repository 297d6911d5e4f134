"""The apps of a workspace: what they are made of, who they are, and what their resources let them do.

An app has a service principal of its own. While a secret is among the app's resources the platform gives that service
principal the permission on the scope; it does so when the resource is added or changed, and not again later. So whoever
takes the permission away takes it from the app for good.

Sources: https://docs.databricks.com/api/workspace/apps (states, fields) and
https://docs.databricks.com/aws/en/dev-tools/databricks-apps/secrets (the permission on the scope).
"""

from __future__ import annotations

import secrets
import uuid
import zlib
from dataclasses import dataclass, field
from typing import Any

from local.emulators.databricks.workspace import ApiError, EmulatedWorkspace
from local.emulators.issuer import Client

__all__ = ["EmulatedApp", "EmulatedApps"]

_UPDATABLE = frozenset(
    {
        *("description", "budget_policy_id", "usage_policy_id", "resources", "user_api_scopes", "compute_size"),
        *("compute_min_instances", "compute_max_instances", "git_repository", "telemetry_export_destinations"),
    }
)
"""What an update may name in its mask; a field that there is not is refused, as version 1.14.1 of the CLI found."""


@dataclass
class EmulatedApp:
    """One app; ``document`` is what the API shows of it, ``deployments`` what was deployed, the newest last."""

    principal: Client
    document: dict[str, Any]
    deployments: list[dict[str, Any]] = field(default_factory=list)
    update: dict[str, Any] | None = None

    def secrets(self) -> dict[str, tuple[str, str, str]]:
        """The app's secret resources, by name: scope, key and permission of each."""
        return {
            one["name"]: (one["secret"]["scope"], one["secret"]["key"], one["secret"]["permission"])
            for one in self.document.get("resources", [])
            if "secret" in one
        }


class EmulatedApps:
    """The apps of ``workspace``, by name. Nothing happens at once: what was begun is done when it is next looked at."""

    def __init__(self, workspace: EmulatedWorkspace) -> None:
        self.apps: dict[str, EmulatedApp] = {}
        self._workspace = workspace

    def create(self, asked: dict[str, Any], *, by: str | None, compute: bool = True) -> EmulatedApp:
        """Make the app that ``asked`` describes, for ``by``; it starts if ``compute`` says so.

        Raises:
            ApiError: There is one of that name, or ``by`` may not give it one of its resources.
        """
        name = str(asked.get("name") or "")
        if name in self.apps:
            raise ApiError(409, "RESOURCE_ALREADY_EXISTS", f"An app with the same name already exists: {name}")
        principal = Client(
            str(uuid.uuid4()), secrets.token_urlsafe(24), scopes=frozenset({"all-apis"}), name=f"app {name}"
        )
        document = {
            **{key: value for key, value in asked.items() if key == "name" or key in _UPDATABLE},
            "id": str(uuid.uuid4()),
            "url": f"https://{name}-{self._workspace.id}.aws.databricksapps.com",
            "service_principal_client_id": principal.id,
            "service_principal_id": zlib.crc32(principal.id.encode()),
            "service_principal_name": principal.name,
            "compute_status": {"state": "STARTING" if compute else "STOPPED"},
            "app_status": {"state": "UNAVAILABLE"},
        }
        app = EmulatedApp(principal, document)
        self._check(app.secrets(), by)
        self._workspace.issuer.authentication.add(principal)
        self.apps[name] = app
        self._grant(app, {})
        return app

    def get(self, name: str) -> EmulatedApp:
        """The app ``name``, one step further with whatever it was about.

        Raises:
            ApiError: There is no such app.
        """
        app = self.apps.get(name)
        if app is None:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"App {name} does not exist or is deleted.")
        if app.document["compute_status"]["state"] == "DELETING":
            # Shown once more, as an app is for some time that was deleted.
            del self.apps[name]
        elif app.document["compute_status"]["state"] == "STARTING":
            app.document["compute_status"] = {"state": "ACTIVE"}
        return app

    def change(self, name: str, asked: dict[str, Any], fields: frozenset[str], *, by: str | None) -> EmulatedApp:
        """Give ``fields`` of the app ``name`` the values in ``asked``; one that is not there is emptied.

        Raises:
            ApiError: There is no such app or field, or ``by`` may not give it one of its resources.
        """
        app = self.get(name)
        if unknown := fields - _UPDATABLE:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"update_mask contains invalid fields: {sorted(unknown)}")
        changed = EmulatedApp(app.principal, {**app.document, **{key: asked.get(key) for key in fields}})
        changed.document = {key: value for key, value in changed.document.items() if value is not None}
        before, after = app.secrets(), changed.secrets()
        self._check({key: value for key, value in after.items() if before.get(key) != value}, by)
        app.document = changed.document
        for scope, _, _ in {value for key, value in before.items() if after.get(key) != value}:
            self._revoke(app, scope)
        self._grant(app, before)
        return app

    def start(self, name: str) -> EmulatedApp:
        """Start the app's compute."""
        app = self.get(name)
        if app.document["compute_status"]["state"] != "ACTIVE":
            app.document["compute_status"] = {"state": "STARTING"}
        return app

    def stop(self, name: str) -> EmulatedApp:
        """Stop the app's compute."""
        app = self.get(name)
        app.document |= {"compute_status": {"state": "STOPPED"}, "app_status": {"state": "UNAVAILABLE"}}
        return app

    def deploy(self, name: str, asked: dict[str, Any], files: frozenset[str]) -> dict[str, Any]:
        """Begin a deployment of ``source_code_path`` in ``asked`` to the app ``name``; ``files`` is what there is.

        Raises:
            ApiError: The app is not running, a deployment is under way, or there is no ``app.yaml`` in that folder.
        """
        app = self.get(name)
        source = str(asked.get("source_code_path") or app.document.get("default_source_code_path") or "")
        if app.document["compute_status"]["state"] != "ACTIVE":
            raise ApiError(400, "BAD_REQUEST", f"Cannot deploy app {name} as it is not in RUNNING state.")
        if app.deployments and app.deployments[-1]["status"]["state"] == "IN_PROGRESS":
            raise ApiError(409, "RESOURCE_CONFLICT", "There is an active deployment in progress.")
        if f"{source}/app.yaml" not in files:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"There is no app.yaml in {source}.")
        deployment: dict[str, Any] = {
            **{key: asked[key] for key in ("mode", "command", "env_vars") if key in asked},
            "deployment_id": uuid.uuid4().hex,
            "source_code_path": source,
            "status": {"state": "IN_PROGRESS", "message": "Preparing source code for new app deployment."},
        }
        app.deployments.append(deployment)
        app.document["default_source_code_path"] = source
        return deployment

    def deployment(self, name: str, deployment_id: str) -> dict[str, Any]:
        """A deployment of the app ``name``, done once it is asked for."""
        app = self.get(name)
        found = next((one for one in app.deployments if one["deployment_id"] == deployment_id), None)
        if found is None:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"App {name} has no deployment {deployment_id}.")
        if found["status"]["state"] == "IN_PROGRESS":
            found["status"] = {"state": "SUCCEEDED", "message": "App started successfully"}
            app.document |= {"active_deployment": found, "app_status": {"state": "RUNNING"}}
        return found

    def delete(self, name: str) -> EmulatedApp:
        """Delete the app ``name``, its service principal, and what that may do.

        Raises:
            ApiError: There is no such app, or it is being deleted already.
        """
        app = self.apps.get(name)
        if app is None:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"App {name} does not exist or is deleted.")
        if app.document["compute_status"]["state"] == "DELETING":
            raise ApiError(400, "BAD_REQUEST", f"Cannot delete app {name} as it is already being deleted.")
        for scope, _, _ in set(app.secrets().values()):
            self._revoke(app, scope)
        self._workspace.issuer.authentication.remove(app.principal.id)
        app.document["compute_status"] = {"state": "DELETING"}
        return app

    def _check(self, resources: dict[str, tuple[str, str, str]], by: str | None) -> None:
        """Whoever adds a secret to an app must be able to give it away; and there must be one."""
        for scope, key, _ in resources.values():
            if key not in self._workspace.scope(scope, by, "MANAGE").values:
                raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Secret {key} does not exist in scope {scope}.")

    def _grant(self, app: EmulatedApp, before: dict[str, tuple[str, str, str]]) -> None:
        for name, (scope, key, permission) in app.secrets().items():
            if before.get(name) != (scope, key, permission):
                self._workspace.permit(scope, app.principal.id, permission)

    def _revoke(self, app: EmulatedApp, scope: str) -> None:
        found = self._workspace.scopes().get(scope)
        if found is not None:
            found.permissions.pop(app.principal.id, None)
