"""Key Vault as the place of a rotated credential: secrets with an expiry, and the tags that say what they are.

The tags are those of Microsoft's tutorial on rotating two sets of credentials, so that its tools find what they look
for: https://learn.microsoft.com/azure/key-vault/secrets/tutorial-rotation-dual .
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from pydantic import SecretStr

from azure_function.secrets import KeyVault
from azure_function.workload import OwnIdentity
from core.credentials.rotated_secret import CANDIDATE_SUFFIX

__all__ = ["RotatedVault"]


class RotatedVault(KeyVault):
    """A vault whose secrets are written, too: each is good for ``days``, after which Key Vault tells that it expired.

    A candidate does not expire: only what is in use is to be rotated.
    """

    def __init__(self, url: str, identity: OwnIdentity, *, days: int) -> None:
        super().__init__(url, identity)
        self._days = days

    async def write(self, name: str, text: SecretStr) -> None:
        """As `core.credentials.rotated_secret.WritableStore.write`; a new version."""
        more: dict[str, Any] = {}
        if not name.endswith(CANDIDATE_SUFFIX):
            expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=self._days)
            more = {"expires_on": expires, "tags": {**_described(text), "ValidityPeriodDays": str(self._days)}}
        value = text.get_secret_value()
        await self.ask(name, lambda client: client.set_secret(name, value, content_type="application/json", **more))

    def close(self) -> None:
        """Close the connection to the vault; the next use opens another."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    async def state(self, name: str) -> tuple[str, datetime.datetime | None]:
        """The current version of the secret ``name``, and when it expires.

        Raises:
            SecretError: as `fetch`.
        """
        properties = (await self.ask(name, lambda client: client.get_secret(name))).properties
        return properties.version or "", properties.expires_on


def _described(text: SecretStr) -> dict[str, str]:
    """The user and the database of a credential: what a tag may show, and no password."""
    said = json.loads(text.get_secret_value())
    return {"CredentialId": str(said["username"]), "ProviderAddress": str(said["uri"])}
