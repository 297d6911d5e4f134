"""What the platform tells an app about its workspace, and about the app's own service principal.

Source: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/system-env .
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from core.errors import SettingsError
from core.fetch import is_loopback

__all__ = ["Workspace"]

_HOST = re.compile(r"(https?)://([A-Za-z0-9.-]+)(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Workspace:
    """A workspace: its origin, its id if known, and the client id and secret of the app's service principal."""

    host: str
    id: str | None
    client_id: str
    client_secret: SecretStr

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Workspace:
        """The workspace that the platform's own variables describe.

        Raises:
            SettingsError: A variable is missing, or the host is invalid.
        """
        wanted = ("DATABRICKS_HOST", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET")
        missing = [name for name in wanted if not environ.get(name, "").strip()]
        if missing:
            raise SettingsError(
                f"{', '.join(missing)} is not set. Databricks Apps sets it for every app; elsewhere set it yourself."
            )
        said = environ["DATABRICKS_HOST"].strip().rstrip("/").lower()
        host = said if "://" in said else f"https://{said}"
        parts = _HOST.fullmatch(host)
        if parts is None or (parts[1] == "http" and not is_loopback(parts[2])):
            raise SettingsError("DATABRICKS_HOST: must be the workspace's origin, https://HOST and nothing after it.")
        workspace_id = environ.get("DATABRICKS_WORKSPACE_ID", "").strip() or None
        return cls(host, workspace_id, environ["DATABRICKS_CLIENT_ID"], SecretStr(environ["DATABRICKS_CLIENT_SECRET"]))

    def issuers(self) -> str:
        """The list of issuers if the operator gave none: the workspace itself, for tokens of this workspace.

        The only audience in such a token is the workspace. Users may enter, as what they are: ``user_on_behalf``.

        Raises:
            SettingsError: The workspace's id is not known, so a token could be for any workspace.
        """
        if self.id is None:
            raise SettingsError(
                "DATABRICKS_WORKSPACE_ID is not set, so the audience of the workspace's tokens is not known. Set "
                "NEO4J_M2M_ISSUERS to say whose tokens are accepted, and with which audience."
            )
        return (
            f'[[issuer]]\nname = "workspace"\nplatform = "databricks"\nissuer = {json.dumps(self.host + "/oidc")}\n'
            f"audience = {json.dumps(self.id)}\napp_only = false\n"
        )
