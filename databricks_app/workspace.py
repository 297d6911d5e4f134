"""What the platform tells an app about its workspace, and about the app's own service principal.

Source: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/system-env .
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import SecretStr

from core.addresses import is_loopback
from core.errors import SettingsError
from core.fetch import FetchFailed, fetch

__all__ = ["Workspace"]

logger = logging.getLogger(__name__)

_DISCOVERY = "/.well-known/databricks-config"
_ACCOUNT = "{account_id}"
_OIDC_PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")

_HOST = re.compile(r"(https?)://([A-Za-z0-9.-]+)(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Workspace:
    """A workspace: its origin, its id if known, and the client id and secret of the app's service principal.

    ``oidc_endpoint`` is where its tokens are issued, and who they say has issued them, if the workspace has said so.
    """

    host: str
    id: str | None
    client_id: str
    client_secret: SecretStr
    oidc_endpoint: str | None = None

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

    @property
    def issuer(self) -> str:
        """Who issues its tokens: the place that the workspace publishes, or else the usual one."""
        return self.oidc_endpoint or f"{self.host}/oidc"

    async def discovered(self) -> Workspace:
        """This workspace with what it publishes: where its tokens are issued, and its id if that is missing.

        A unified host issues tokens under ``/oidc/accounts/ACCOUNT-ID``. If a workspace publishes nothing usable, it is
        taken to issue them under ``/oidc``, as in databricks-sdk.

        Source: https://github.com/databricks/databricks-sdk-py (``Config._resolve_host_metadata``).
        """
        try:
            said = json.loads(await fetch(self.host + _DISCOVERY))
        except (FetchFailed, ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            logger.info("the workspace does not say where its tokens are issued; taking %s for that", self.issuer)
            return self
        endpoint, account, workspace_id = (said.get(name) for name in ("oidc_endpoint", "account_id", "workspace_id"))
        found = endpoint.rstrip("/") if isinstance(endpoint, str) else ""
        if _ACCOUNT in found and isinstance(account, str):
            found = found.replace(_ACCOUNT, account)
        # The workspace can speak only for its own host.
        if not found.startswith(f"{self.host}/") or not _OIDC_PATH.fullmatch(found.removeprefix(self.host)):
            logger.warning("the workspace names a place that cannot issue its tokens; taking %s for that", self.issuer)
            found = ""
        other_id = str(workspace_id) if isinstance(workspace_id, str | int) and str(workspace_id).isdigit() else None
        return replace(self, oidc_endpoint=found or None, id=self.id or other_id)

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
            f'[[issuer]]\nname = "workspace"\nplatform = "databricks"\nissuer = {json.dumps(self.issuer)}\n'
            f"audience = {json.dumps(self.id)}\napp_only = false\n"
        )
