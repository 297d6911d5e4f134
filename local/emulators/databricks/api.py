"""The workspace as an ASGI app: its tokens, SCIM's Me, secrets and apps, as databricks-sdk and the CLI ask for them.

Sources: https://docs.databricks.com/api/workspace/secrets , https://docs.databricks.com/api/workspace/currentuser/me .
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from local.emulators.databricks.apps import EmulatedApps
from local.emulators.databricks.apps_api import APPS_PATH, answer_about_apps
from local.emulators.databricks.workspace import ApiError, EmulatedWorkspace
from local.emulators.http_front import Answer, HttpFront, body_of, header_values, json_answer
from local.emulators.issuer import IssuerApp
from local.emulators.loopback_server import served

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

__all__ = ["WorkspaceApp", "running_workspace"]

_ApiHandler = Callable[["WorkspaceApp", str, dict[str, Any]], dict[str, Any]]
"""Answers a request of a caller with some parameters."""

_LARGEST = 1 << 20
_ACCOUNT = "0d26daa6-5e44-4c97-a497-ef015f91254a"


class WorkspaceApp(HttpFront):
    """Serves ``workspace`` and its ``apps``, which are deployed from ``files``, the workspace's files by their paths.

    ``requests`` has the method and path of every request, for tests that count.

    ``failures`` has the statuses of the next answers of the secrets API, as from a workspace in trouble.
    """

    def __init__(self, workspace: EmulatedWorkspace) -> None:
        self.workspace = workspace
        self.apps = EmulatedApps(workspace)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.failures: list[int] = []
        self.issuer = IssuerApp(workspace.issuer)

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer a request to the issuer, or to one of the APIs."""
        self.requests.append((scope["method"], scope["path"]))
        if scope["path"].startswith("/oidc/"):
            return await self.issuer.answer(scope, receive)
        status, document = await self._document(scope, receive)
        return json_answer(status, document, [("retry-after", "1")] if status in (429, 503) else ())

    async def _document(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        asked = (scope["method"], scope["path"])
        if asked == ("GET", "/.well-known/databricks-config"):
            return 200, {
                "oidc_endpoint": f"{self.workspace.url}/oidc",
                "account_id": _ACCOUNT,
                "workspace_id": self.workspace.id,
            }
        if "/secrets/" in scope["path"] and self.failures:
            return self.failures.pop(0), {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Try again later."}
        try:
            headers = header_values(scope, "authorization")
            caller = self.workspace.caller(headers[0] if len(headers) == 1 else None)
            if scope["path"] == APPS_PATH or scope["path"].startswith(f"{APPS_PATH}/"):
                said = await _parameters(scope, receive)
                query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
                return 200, answer_about_apps(self.apps, *asked, query, said, caller=caller, files=self.files)
            return 200, _HANDLERS.get(asked, _nothing)(self, caller, await _parameters(scope, receive))
        except ApiError as error:
            return error.status, {"error_code": error.code, "message": str(error)}


async def _parameters(scope: Scope, receive: Receive) -> dict[str, Any]:
    if scope["method"] == "GET":
        return {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
    body = await body_of(receive, _LARGEST)
    if body is None:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "The request is too large.")
    try:
        said = json.loads(body or b"{}")
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ApiError(400, "MALFORMED_REQUEST", "The body is not a JSON object.")
    return said


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Missing required field: {name}")
    return value


def _nothing(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    raise ApiError(404, "ENDPOINT_NOT_FOUND", "There is no such endpoint.")


def _me(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    return app.workspace.described(caller)


def _get_secret(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    key = _text(said, "key")
    value = app.workspace.secret(_text(said, "scope"), key, by=caller)
    return {"key": key, "value": base64.b64encode(value).decode()}


def _put_secret(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    if "bytes_value" in said:
        try:
            value = base64.b64decode(_text(said, "bytes_value"), validate=True)
        except binascii.Error:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "bytes_value is not Base64.") from None
    else:
        value = _text(said, "string_value").encode()
    app.workspace.put_secret(_text(said, "scope"), _text(said, "key"), value, by=caller)
    return {}


def _list_secrets(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    return {"secrets": [{"key": key} for key in app.workspace.scope(_text(said, "scope"), caller, "READ").values]}


def _delete_secret(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    name, key = _text(said, "scope"), _text(said, "key")
    app.workspace.secret(name, key, by=caller)
    del app.workspace.scope(name, caller, "WRITE").values[key]
    return {}


def _create_scope(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    app.workspace.create_scope(_text(said, "scope"), caller)
    return {}


def _list_scopes(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    seen = [name for name, scope in app.workspace.scopes().items() if caller in scope.permissions]
    return {"scopes": [{"name": name, "backend_type": "DATABRICKS"} for name in seen]}


def _put_acl(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    app.workspace.permit(_text(said, "scope"), _text(said, "principal"), _text(said, "permission"), by=caller)
    return {}


def _delete_acl(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    app.workspace.withdraw(_text(said, "scope"), _text(said, "principal"), by=caller)
    return {}


def _delete_scope(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    app.workspace.delete_scope(_text(said, "scope"), by=caller)
    return {}


def _list_acls(app: WorkspaceApp, caller: str, said: dict[str, Any]) -> dict[str, Any]:
    permissions = app.workspace.scope(_text(said, "scope"), caller, "MANAGE").permissions
    return {"items": [{"principal": name, "permission": permission} for name, permission in permissions.items()]}


_HANDLERS: dict[tuple[str, str], _ApiHandler] = {
    ("GET", "/api/2.0/preview/scim/v2/Me"): _me,
    ("GET", "/api/2.0/secrets/get"): _get_secret,
    ("POST", "/api/2.0/secrets/put"): _put_secret,
    ("GET", "/api/2.0/secrets/list"): _list_secrets,
    ("POST", "/api/2.0/secrets/delete"): _delete_secret,
    ("POST", "/api/2.0/secrets/scopes/create"): _create_scope,
    ("GET", "/api/2.0/secrets/scopes/list"): _list_scopes,
    ("POST", "/api/2.0/secrets/acls/put"): _put_acl,
    ("POST", "/api/2.0/secrets/scopes/delete"): _delete_scope,
    ("POST", "/api/2.0/secrets/acls/delete"): _delete_acl,
    ("GET", "/api/2.0/secrets/acls/list"): _list_acls,
}


@contextlib.contextmanager
def running_workspace(workspace: EmulatedWorkspace) -> Iterator[WorkspaceApp]:
    """Serve ``workspace`` on a free port of the loopback interface while the context lasts.

    Raises:
        LocalError: The server does not start.
    """
    app = WorkspaceApp(workspace)
    with served(app, name="the workspace", bound=lambda url: setattr(workspace.issuer, "url", url)):
        yield app
