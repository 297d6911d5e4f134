"""The secret store of each platform, as an operator's command writes to it; the SDK of none is imported before that."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from cli.extras import from_platform
from cli.secret_directory import SecretDirectory
from cli.settings import CommandLineSettings
from core.credentials.rotated_secret import PairedSecrets, RotatedSecret, WritableStore
from core.credentials.secret_store import SecretStore
from core.errors import SettingsError

__all__ = ["CREDENTIAL_STORES", "OperatorStores", "add_store_options", "stores_of"]

CREDENTIAL_STORES = ("aws", "azure", "databricks", "local")


@dataclass(frozen=True)
class OperatorStores:
    """``store`` has the credentials of servers, ``administrators`` that of the administrator."""

    platform: str
    store: WritableStore
    administrators: SecretStore

    def close(self) -> None:
        """Close what is open towards the stores."""
        for store in (self.store, self.administrators):
            if callable(close := getattr(store, "close", None)):
                close()

    async def rotated(self, secret: str) -> RotatedSecret:
        """The secret ``secret`` as a rotation by hand sees it.

        Raises:
            SecretError: It cannot be read.
            RotationUnderWay: Another rotation began a moment ago.
        """
        if self.platform != "aws":
            return PairedSecrets(self.store, secret)
        staged = from_platform("aws_lambda.staged_secret", self.platform)
        token, claimed = await staged.token_by_hand(self.store, secret)
        found: RotatedSecret = staged.StagedSecret(self.store, secret, token, claimed=claimed)
        return found


def add_store_options(command: argparse.ArgumentParser) -> None:
    """What says where secrets are kept, and who administers the database."""
    command.add_argument("platform", choices=CREDENTIAL_STORES, help="whose secret store; local: a directory of files")
    command.add_argument("secret", metavar="SECRET", help="the secret that servers read; on Databricks SCOPE/KEY")
    command.add_argument(
        "--admin-secret",
        metavar="NAME",
        help="the secret with the database administrator's credential, which servers must not be able to read",
    )
    command.add_argument("--vault-url", metavar="URL", help="azure: the vault of the secret that servers read")
    command.add_argument("--admin-vault-url", metavar="URL", help="azure: the vault of the administrator's credential")
    command.add_argument(
        "--valid-days", type=int, default=60, metavar="60", help="azure: days until the secret expires (%(default)s)"
    )


def stores_of(arguments: argparse.Namespace, settings: CommandLineSettings) -> OperatorStores:
    """The stores that ``arguments`` choose, with the identity that the platform's SDK finds on this machine.

    Raises:
        SettingsError: Something is missing to say where they are.
        LocalError: The platform's SDK is not installed.
    """
    platform: str = arguments.platform
    if platform == "aws":
        manager = from_platform("aws_lambda.rotated_secrets_manager", platform).RotatedSecretsManager()
        return OperatorStores(platform, manager, manager)
    if platform == "azure":
        return _vaults(arguments)
    if platform == "databricks":
        scopes = from_platform("databricks_app.secrets", platform).WritableScopes()
        return OperatorStores(platform, scopes, scopes)
    if settings.credentials_dir is None:
        raise SettingsError("Set NEO4J_M2M_CREDENTIALS_DIR to the directory whose files are the secrets.")
    directory = SecretDirectory(settings.credentials_dir)
    return OperatorStores(platform, directory, directory)


def _vaults(arguments: argparse.Namespace) -> OperatorStores:
    if arguments.vault_url is None:
        raise SettingsError("Say with --vault-url which vault the secret is in: https://NAME.vault.azure.net .")
    kind = "environment" if os.environ.get("AZURE_CLIENT_ID") else "cli"
    identity = from_platform("azure_function.workload", "azure").OwnIdentity(kind)
    vault = from_platform("azure_function.rotated_vault", "azure").RotatedVault
    store = vault(arguments.vault_url, identity, days=arguments.valid_days)
    if arguments.admin_vault_url is None:
        return OperatorStores("azure", store, store)
    return OperatorStores("azure", store, vault(arguments.admin_vault_url, identity, days=arguments.valid_days))
