"""The inside half: what this process would find if it were the server, by the settings in its environment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from cli.extras import from_platform
from cli.secret_directory import SecretDirectory
from cli.settings import CommandLineSettings
from cli.workload import tokens_in_file
from core.database_scopes import DatabaseScopes
from core.deadline import Deadline
from core.errors import Neo4jM2mError, SettingsError
from core.examination import INSIDE_LINKS, Inside, examine
from core.finding import Finding, with_rest

if TYPE_CHECKING:
    from core.settings import Settings

__all__ = ["look_inside"]

_SECONDS = 30.0


def look_inside(platform: str | None, settings: CommandLineSettings) -> list[Finding]:
    """What is found at each link; ``platform`` None is `serve` on this machine.

    Raises:
        LocalError: The packages of the platform are not installed.
    """
    return asyncio.run(_look(platform, settings))


async def _look(platform: str | None, settings: CommandLineSettings) -> list[Finding]:
    try:
        inside = _PLATFORMS[platform](settings) if platform is not None else _of_this_machine(settings)
    except SettingsError as error:
        return with_rest([Finding("settings", "failed", str(error))], INSIDE_LINKS)
    try:
        return await examine(inside, Deadline.after(_SECONDS))
    finally:
        await inside.scopes.close()


def _of_this_machine(settings: CommandLineSettings) -> Inside:
    if settings.secret is None and settings.neo4j_uri is None:
        raise SettingsError(
            "No database is named: `serve` would start the embedded one. Set NEO4J_URI, NEO4J_USERNAME and "
            "NEO4J_PASSWORD to examine yours, or name a platform: neo4j-m2m doctor aws."
        )
    secrets = None if settings.credentials_dir is None else SecretDirectory(settings.credentials_dir)
    workload = None if settings.workload_token_file is None else tokens_in_file(settings.workload_token_file)
    return Inside(settings, DatabaseScopes(settings, secrets, workload=workload), secrets)


def _of_aws(_: CommandLineSettings) -> Inside:
    settings_class = from_platform("aws_lambda.settings", "aws").AwsSettings
    # Lambda sets both; boto3 reads the second one only.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    store = from_platform("aws_lambda.secrets", "aws").SecretsManager(**({"region_name": region} if region else {}))
    settings: Settings = settings_class.from_environ(_environ(settings_class))
    return Inside(settings, DatabaseScopes(settings, store), store, _asked(_aws_name))


def _of_azure(_: CommandLineSettings) -> Inside:
    settings_class = from_platform("azure_function.settings", "azure").AzureSettings
    settings: Any = settings_class.from_environ(_environ(settings_class))
    identity = from_platform("azure_function.workload", "azure").OwnIdentity.of(settings)
    vault = from_platform("azure_function.secrets", "azure").KeyVault
    store = None if settings.vault_url is None else vault(settings.vault_url, identity)

    async def own_name() -> str:
        from cli.claims import described

        token = await identity.token("https://vault.azure.net")
        return f"A token for Key Vault: {described(token.text.get_secret_value())}."

    return Inside(settings, DatabaseScopes(settings, store, workload=identity.token), store, own_name)


def _of_databricks(_: CommandLineSettings) -> Inside:
    settings_class = from_platform("databricks_app.settings", "databricks").DatabricksSettings
    settings: Any = settings_class.from_environ(_environ(settings_class))
    workspace = from_platform("databricks_app.workspace", "databricks").Workspace.from_environ(os.environ)
    scopes = from_platform("databricks_app.secrets", "databricks").SecretScopes
    store = scopes(workspace, first_name=settings.secret, first=settings.secret_value)

    async def own_name() -> str:
        return f"The service principal {workspace.client_id} of {workspace.host}."

    return Inside(settings, DatabaseScopes(settings, store), store, own_name)


_PLATFORMS: dict[str, Callable[[CommandLineSettings], Inside]] = {
    "aws": _of_aws,
    "azure": _of_azure,
    "databricks": _of_databricks,
}


def _environ(settings_class: type[Settings]) -> dict[str, str]:
    """This process's environment, without what only the command line knows."""
    own = {CommandLineSettings.variable(name) for name in CommandLineSettings.model_fields}
    theirs = {settings_class.variable(name) for name in settings_class.model_fields}
    return {name: value for name, value in os.environ.items() if name not in own - theirs}


def _asked(ask: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    async def own_name() -> str:
        return await asyncio.to_thread(ask)

    return own_name


def _aws_name() -> str:
    """Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html (needs no permission)."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError

    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
    region = os.environ.get("AWS_REGION") or None
    try:
        return f"{boto3.Session().client('sts', region_name=region, config=config).get_caller_identity()['Arn']}."
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        raise Neo4jM2mError(f"AWS does not accept the credentials of this process ({code}).") from None
    except (EndpointConnectionError, HTTPClientError) as error:
        raise Neo4jM2mError(
            f"AWS does not answer when asked for this process's identity ({type(error).__name__}): look at the network."
        ) from None
    except BotoCoreError as error:
        raise Neo4jM2mError(
            f"This process has no credentials on AWS ({type(error).__name__}): set AWS_PROFILE, or run it with a role."
        ) from None
