"""A secret of Secrets Manager whose candidate is a version of its own, under the staging label AWSPENDING.

Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html .
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from pydantic import SecretStr

from aws_lambda.secrets import SecretsManager
from core.credentials.rotation_errors import RotationRefused, RotationUnderWay
from core.credentials.secret_store import Secret, SecretError, SecretNotFound

__all__ = ["StagedSecret", "token_by_hand"]

_CURRENT = "AWSCURRENT"
_PENDING = "AWSPENDING"

_LEASE = 120.0
"""Seconds for which a pending version belongs to the rotation that wrote it. A rotation ends sooner."""


class StagedSecret:
    """The secret ``name``, whose candidate is the version ``token``: Secrets Manager's name of one rotation.

    ``claimed`` says whether Secrets Manager has given the label AWSPENDING to that version already, as it does before
    it calls a rotation function. If not, it is given by `propose`, to one rotation at a time.
    """

    def __init__(self, secrets: SecretsManager, name: str, token: str, *, claimed: bool) -> None:
        self.name = name
        self.token = token
        self._secrets = secrets
        self._claimed = claimed

    async def stages(self) -> dict[str, list[str]]:
        """The labels of each version.

        Raises:
            SecretError: They cannot be read.
        """
        described = await self._secrets.ask("describe_secret", self.name)
        stages: dict[str, list[str]] = described.get("VersionIdsToStages", {})
        return stages

    async def refuse_unless_it_is_rotated(self) -> bool:
        """Look at what every step of a rotation has to look at first; True if this rotation has ended already.

        Raises:
            SecretError: The secret cannot be read.
            RotationRefused: Secrets Manager does not rotate it, or no such rotation of it is under way.
        """
        described = await self._secrets.ask("describe_secret", self.name)
        if not described.get("RotationEnabled"):
            raise RotationRefused(f"Rotation is not turned on for {self.name}. Turn it on in Secrets Manager.")
        stages = described.get("VersionIdsToStages", {}).get(self.token)
        if stages is None:
            raise RotationRefused(f"{self.name} has no version for this rotation. Let Secrets Manager begin it.")
        if _CURRENT in stages:
            return True
        if _PENDING not in stages:
            raise RotationRefused(f"The version of {self.name} for this rotation is not pending any more.")
        return False

    async def current(self) -> Secret:
        """As `core.credentials.rotated_secret.RotatedSecret.current`."""
        return await self._secrets.fetch(self.name)

    async def candidate(self) -> SecretStr | None:
        """As `core.credentials.rotated_secret.RotatedSecret.candidate`."""
        stages = (await self.stages()).get(self.token, [])
        if _PENDING not in stages or _CURRENT in stages:
            return None
        try:
            answer = await self._secrets.ask("get_secret_value", self.name, VersionId=self.token, VersionStage=_PENDING)
        except SecretNotFound:
            return None  # Secrets Manager has made the version, and nobody has given it a value
        return SecretStr(answer["SecretString"]) if answer.get("SecretString") else None

    async def propose(self, text: SecretStr) -> None:
        """As `core.credentials.rotated_secret.RotatedSecret.propose`.

        A version cannot be written twice: one that does not fit any more loses its label, and the next rotation begins
        with a version of its own.

        Raises:
            RotationRefused: There was such a version.
        """
        if await self.candidate() is not None:
            await self._label(_PENDING, remove=self.token)
            raise RotationRefused(
                f"The pending version of {self.name} does not follow the current one any more: that was edited "
                "meanwhile. It was set aside. Rotate again."
            )
        label = _PENDING if self._claimed else f"rotation-{self.token}"
        await self._secrets.ask(
            "put_secret_value",
            self.name,
            ClientRequestToken=self.token,
            SecretString=text.get_secret_value(),
            VersionStages=[label],
        )
        if not self._claimed:
            await self._claim()
            await self._label(label, remove=self.token)

    async def _claim(self) -> None:
        """Take the label AWSPENDING. Secrets Manager moves it only from where the request says that it is."""
        stages = await self.stages()
        ended = next((version for version, its in stages.items() if {_PENDING, _CURRENT} <= set(its)), None)
        try:
            await self._label(_PENDING, move=self.token, remove=ended)
        except SecretError:
            holders = [version for version, its in (await self.stages()).items() if _PENDING in its]
            if holders in ([], [ended]):
                raise
            raise RotationUnderWay(f"Another rotation of {self.name} began just now; this one gives way.") from None

    async def publish(self, text: SecretStr) -> None:
        """As `core.credentials.rotated_secret.RotatedSecret.publish`."""
        stages = await self.stages()
        current = next((version for version, its in stages.items() if _CURRENT in its), None)
        if current != self.token:
            await self._label(_CURRENT, move=self.token, remove=current)
        if _PENDING in stages.get(self.token, []):
            # Left there, it would keep every later rotation away once somebody has written the secret by hand.
            await self._label(_PENDING, remove=self.token)

    async def _label(self, label: str, *, move: str | None = None, remove: str | None = None) -> None:
        versions = {"MoveToVersionId": move, "RemoveFromVersionId": remove}
        said: dict[str, Any] = {name: version for name, version in versions.items() if version is not None}
        await self._secrets.ask("update_secret_version_stage", self.name, VersionStage=label, **said)


async def token_by_hand(secrets: SecretsManager, name: str) -> tuple[str, bool]:
    """The token for a rotation that Secrets Manager has not begun, and whether its version is pending already.

    Raises:
        RotationUnderWay: Another rotation began a moment ago.
        SecretError: The secret cannot be read.
    """
    answer = await secrets.ask("list_secret_version_ids", name)
    for version in answer.get("Versions", []):
        its = set(version.get("VersionStages", []))
        if _PENDING in its and _CURRENT not in its:
            age = time.time() - version["CreatedDate"].timestamp()
            if age < _LEASE:
                raise RotationUnderWay(
                    f"Another rotation of {name} began {max(0.0, age):.0f} seconds ago and may still run. If it has "
                    f"ended, try again in {_LEASE - age:.0f} seconds: this rotation then goes on where that one ended."
                )
            return str(version["VersionId"]), True
    return str(uuid.uuid4()), False
