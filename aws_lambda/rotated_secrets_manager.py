"""Secrets Manager, written to by an operator: the credentials of the first users, and rotations by hand."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr

from aws_lambda.secrets import SecretsManager
from core.credentials.secret_store import SecretNotFound

__all__ = ["RotatedSecretsManager"]


class RotatedSecretsManager(SecretsManager):
    """Secrets by name or ARN, which are written, too."""

    async def write(self, name: str, text: SecretStr) -> None:
        """As `core.credentials.rotated_secret.WritableStore.write`."""
        try:
            await self.ask("put_secret_value", name, SecretString=text.get_secret_value())
        except SecretNotFound:
            if name.startswith("arn:"):
                raise  # a secret is created by its name
            await asyncio.to_thread(self._create, name, text)

    def _create(self, name: str, text: SecretStr) -> None:
        self._answered("create_secret", name, {"Name": name, "SecretString": text.get_secret_value()})
