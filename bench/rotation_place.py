"""The secret that an emulated platform's servers read, seen from behind the platform's own front."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from aws_lambda.rotated_secrets_manager import RotatedSecretsManager
from aws_lambda.staged_secret import StagedSecret
from core.credentials.rotated_secret import PairedSecrets, RotatedSecret
from core.credentials.secret_store import Secret, SecretNotFound
from local.emulators.issuer import Trouble

__all__ = ["CALLERS", "Place"]

CALLERS = 16
_MANY = 100_000


class InMemory:
    """The store of an emulated platform, written past its front."""

    def __init__(self, read: Callable[[str], str], write: Callable[[str, str], object]) -> None:
        self._read, self._write = read, write

    async def fetch(self, name: str) -> Secret:
        try:
            return Secret(name, SecretStr(self._read(name)))
        except Exception as error:
            raise SecretNotFound(name) from error

    async def write(self, name: str, text: SecretStr) -> None:
        self._write(name, text.get_secret_value())


class Place:
    """The secret that a platform's servers read, how often they did, and how an environment is ended."""

    def __init__(self, platform: str, running: Any) -> None:
        self.platform = platform
        self._running = running
        if platform == "aws":
            manager = running.secrets
            self._aws = RotatedSecretsManager(
                endpoint_url=manager.endpoint, region_name=manager.region, **manager.admin
            )
        elif platform == "azure":
            vault = running.subscription.vault
            self._store = InMemory(
                lambda name: vault.current(name).get_secret_value(),
                lambda name, text: vault.write(name, SecretStr(text)),
            )
        else:
            workspace = running.workspace.workspace
            self._store = InMemory(
                lambda name: workspace.secret(*name.split("/")).decode(),
                lambda name, text: workspace.put_secret(*name.split("/"), text.encode()),
            )

    def secret(self, token: str, *, claimed: bool) -> RotatedSecret:
        if self.platform == "aws":
            return StagedSecret(self._aws, self._running.line["secret_id"], token, claimed=claimed)
        name = self._running.line["secret_name"] if self.platform == "azure" else "neo4j/credential"
        return PairedSecrets(self._store, name, lease=0, settle=0)

    def set_down(self, down: bool) -> None:
        """Let the store fail whoever reads, until it is told otherwise."""
        if self.platform == "aws":
            self._running.secrets.front.down = down
        elif self.platform == "azure":
            troubles = self._running.subscription.vault.troubles
            troubles.clear()
            if down:
                troubles.add(Trouble(503), times=_MANY)
        else:
            self._running.workspace.failures[:] = [503] * _MANY if down else []

    def processes(self) -> int:
        """How many processes of the platform serve callers now, each with a memory of its own."""
        if self.platform != "aws":
            return 1
        function = self._running.functions[0]
        with function._lock:
            return max(1, len(function._idle))

    def reads(self) -> int:
        if self.platform == "aws":
            return int(self._running.secrets.front.reads)
        if self.platform == "azure":
            return int(self._running.subscription.vault.requests)
        return [path for _, path in self._running.workspace.requests].count("/api/2.0/secrets/get")

    async def end_an_environment(self) -> int:
        """End one of the environments as soon as it is idle; the number of those that were ended."""
        if self.platform != "aws":
            return 0
        function = self._running.functions[0]
        for _ in range(1000):
            with function._lock:
                environment = function._idle.pop() if function._idle else None
            if environment is not None:
                environment.kill()
                return 1
            await asyncio.sleep(0.001)
        return 0
