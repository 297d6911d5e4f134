"""The same server in AgentCore Runtime: ``python -m aws_lambda.agentcore_runtime [--port N]``.

AgentCore Runtime starts a process that serves MCP at ``0.0.0.0:8000/mcp`` without sessions; it adds a header
``Mcp-Session-Id``, which this server ignores. It proves its callers before they reach the process. With OAuth it passes
the token on where ``Authorization`` is among the headers that it may pass, and this server verifies it once more. With
IAM it says nothing of who signed: every call is that of the one principal in ``NEO4J_M2M_GATEWAY_PRINCIPAL``.

Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-mcp-protocol-contract.html .
"""

from __future__ import annotations

import argparse
import logging
import os

import uvicorn

from aws_lambda.secrets import SecretsManager
from aws_lambda.settings import AwsSettings
from core.application import Application, Authenticate
from core.asgi import AsgiApp
from core.errors import Neo4jM2mError, SettingsError
from core.from_settings import configured_grants, stored_api_keys, token_door
from core.http import Request, Response
from core.identity.principal import Principal

__all__ = ["application_of", "main"]

_PORT = 8000
_HOST = "0.0.0.0"  # noqa: S104 - the contract of AgentCore Runtime; nothing but the service reaches the process


def application_of(settings: AwsSettings) -> Application:
    """The server, with the door that ``settings`` ask for.

    Raises:
        SettingsError: They do not say who calls.
        PolicyError, IssuerError: What they hold does not parse.
    """
    secrets = SecretsManager()
    door: Authenticate
    if settings.caller_auth == "jwt":
        door = token_door(settings, stored_api_keys(settings, secrets, platform="aws")).authenticate
    elif settings.gateway_principal is not None:
        door = _as(settings.gateway_principal)
    else:
        raise SettingsError(
            "AgentCore Runtime does not tell who signed a request. Set NEO4J_M2M_GATEWAY_PRINCIPAL to the name by "
            "which the policy knows whoever may invoke the runtime, or NEO4J_M2M_CALLER_AUTH=jwt."
        )
    return Application(settings, door, grant_for=configured_grants(settings), secrets=secrets)


def _as(name: str) -> Authenticate:
    principal = Principal(
        platform="aws",
        kind="service_principal",
        id=name,
        name="AgentCore Runtime",
        proved_by="agentcore runtime, iam",
        issuer="aws agentcore runtime",
    )

    async def authenticate(request: Request) -> Principal | Response:
        return principal

    return authenticate


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop.

    Raises:
        SystemExit: A setting is wrong; the log says which.
    """
    parser = argparse.ArgumentParser(prog="python -m aws_lambda.agentcore_runtime")
    parser.add_argument("--port", type=int, default=_PORT, help="8000 is what AgentCore Runtime wants")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        settings = AwsSettings.from_environ(os.environ)
        logging.getLogger("core").setLevel(settings.log_level)
        application = application_of(settings)
    except Neo4jM2mError as error:
        raise SystemExit(str(error)) from None
    uvicorn.run(
        AsgiApp(application), host=_HOST, port=asked.port, lifespan="off", access_log=False, log_level="warning"
    )


if __name__ == "__main__":
    main()
