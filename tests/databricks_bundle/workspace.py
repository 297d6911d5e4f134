"""The emulated workspace with what a bundle needs besides: a tree of files, and permissions.

Sources: https://docs.databricks.com/api/workspace/workspace and https://docs.databricks.com/api/workspace/permissions .
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from local.emulators.databricks.api import WorkspaceApp
from local.emulators.databricks.workspace import ApiError, EmulatedWorkspace
from local.emulators.http_front import Answer, body_of, header_values, json_answer

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

_LARGEST = 1 << 24
_BYTES = [("content-type", "application/octet-stream")]
_IMPORT = "/api/2.0/workspace-files/import-file/"
_FILES = "/api/2.0/workspace-files/"
_PERMISSIONS = "/api/2.0/permissions/"


class BundleWorkspace(WorkspaceApp):
    """``permissions`` has what was set, by object; ``unknown`` what was asked for and is not served."""

    def __init__(self, workspace: EmulatedWorkspace) -> None:
        super().__init__(workspace)
        self.folders = {"/Workspace"}
        self.permissions: dict[str, Any] = {}
        self.unknown: list[tuple[str, str]] = []

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer what a bundle asks for, and hand on what the workspace knows by itself."""
        path, method = scope["path"], scope["method"]
        if not path.startswith(("/api/2.0/workspace", _PERMISSIONS)):
            answer = await super().answer(scope, receive)
            if path.startswith("/api/") and b"ENDPOINT_NOT_FOUND" in answer[2]:
                self.unknown.append((method, path))
            return answer
        self.requests.append((method, path))
        try:
            self.workspace.caller(next(iter(header_values(scope, "authorization")), None))
            body = await body_of(receive, _LARGEST) or b""
            query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
            return self._kept(method, path, query, body)
        except ApiError as error:
            return json_answer(error.status, {"error_code": error.code, "message": str(error)})

    def _kept(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        if path.startswith(_IMPORT):
            name = unquote(path.removeprefix(_IMPORT))
            name = name if name.startswith("/") else f"/{name}"
            if name in self.files and query.get("overwrite") != "true":
                raise ApiError(409, "RESOURCE_ALREADY_EXISTS", f"Path ({name}) already exists.")
            self.files[name] = body
            self._make(name.rpartition("/")[0])
            return json_answer(200, {})
        if path.startswith(_FILES):
            return 200, _BYTES, self._file("/" + unquote(path.removeprefix(_FILES)))
        if path == "/api/2.0/workspace/export":
            return 200, _BYTES, self._file(query["path"])
        said = json.loads(body) if body else {}
        if path == "/api/2.0/workspace/mkdirs":
            self._make(said["path"])
            return json_answer(200, {})
        if path == "/api/2.0/workspace/get-status":
            return json_answer(200, self._status(query["path"]))
        if path == "/api/2.0/workspace/delete":
            for name in [name for name in self.files if name == said["path"] or name.startswith(said["path"] + "/")]:
                del self.files[name]
            return json_answer(200, {})
        if path.startswith(_PERMISSIONS):
            name = path.removeprefix(_PERMISSIONS)
            if method != "GET":
                self.permissions[name] = said["access_control_list"]
            return json_answer(200, {"object_id": name, "access_control_list": self.permissions.get(name, [])})
        self.unknown.append((method, path))
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'.")

    def _make(self, folder: str) -> None:
        parts = folder.split("/")
        self.folders |= {"/".join(parts[: count + 1]) for count in range(1, len(parts))}

    def _file(self, name: str) -> bytes:
        try:
            return self.files[name]
        except KeyError:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({name}) doesn't exist.") from None

    def _status(self, name: str) -> dict[str, Any]:
        if name in self.files:
            return {"object_type": "FILE", "path": name, "object_id": 1 + list(self.files).index(name)}
        if name in self.folders:
            return {"object_type": "DIRECTORY", "path": name, "object_id": 4711}
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({name}) doesn't exist.")
