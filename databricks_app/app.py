"""The app: ``python -m databricks_app.app``, behind the proxy of Databricks Apps.

Source: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/ (the port, the signals, the limits).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.application import Application
from core.asgi import AsgiApp, PlatformRequest, Scope
from core.deadline import Deadline
from core.errors import Neo4jM2mError, SettingsError
from core.from_settings import configured_grants, token_door
from core.misconfigured import Misconfigured
from databricks_app.identity import AppDoor
from databricks_app.log import REQUEST_ID, log_as_json, write_down
from databricks_app.secrets import SecretScopes
from databricks_app.settings import DatabricksSettings
from databricks_app.workspace import Workspace

if TYPE_CHECKING:
    from databricks_app.pats import PatVerifier

__all__ = ["application_of", "behind_the_proxy", "main"]

logger = logging.getLogger("databricks_app")

_DRAIN_SECONDS = 8
"""Seconds that running calls may take after SIGTERM; Databricks kills an app 15 seconds after it."""
_CLOSE_SECONDS = 1.5
_KEEP_ALIVE_SECONDS = 75
"""The proxy should close idle connections: one that the app closes first may already be in use again."""

_REFUSAL_SECONDS = 10.0

_PORT = "DATABRICKS_APP_PORT"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def application_of(settings: DatabricksSettings, workspace: Workspace) -> Application:
    """The server, with the door that ``settings`` ask for.

    Raises:
        PolicyError, IssuerError, SettingsError: What the settings hold does not parse, or lets nobody in.
    """
    issuers = workspace.issuers() if settings.issuers is None else settings.issuers
    tokens = token_door(settings.model_copy(update={"issuers": issuers}))
    pats: PatVerifier | None = None
    if settings.accept_pats:
        from databricks_app.pats import PatVerifier

        pats = PatVerifier(workspace.host)
    door = AppDoor(tokens, pats, caller_auth=settings.caller_auth, tenant=urlsplit(workspace.host).netloc)
    if settings.caller_auth == "proxy":
        logger.warning(
            "callers are whoever X-Forwarded-User names: this trusts that the proxy removes identity headers that "
            "a client sent, that it has checked CAN_USE, and that nothing else reaches this port"
        )
    return Application(
        settings,
        door.authenticate,
        grant_for=configured_grants(settings),
        secrets=SecretScopes(workspace, first_name=settings.secret, first=settings.secret_value),
        subject_token=door.subject_token,
        audit=write_down,
        page=True,
    )


def behind_the_proxy(application: Application | Misconfigured) -> AsgiApp:
    """``application`` as an ASGI app that answers in time, counted from the arrival, and logs with the proxy's id."""

    def told(scope: Scope) -> PlatformRequest:
        request_id = _request_id(scope)
        REQUEST_ID.set(request_id)
        seconds = application.settings.timeout if isinstance(application, Application) else _REFUSAL_SECONDS
        return PlatformRequest(request_id, Deadline.after(seconds))

    return AsgiApp(application, told)


def _request_id(scope: Scope) -> str:
    """The proxy's id of the request, if it is present and well-formed; else one of the app's own."""
    found = [value for name, value in scope["headers"] if name.lower() == b"x-request-id"]
    if len(found) == 1 and _REQUEST_ID.fullmatch(found[0]):
        return str(found[0].decode("ascii"))
    return str(uuid.uuid4())


def _port(environ: Mapping[str, str]) -> int:
    value = environ.get(_PORT, "")
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65_536:
        raise SettingsError(f"{_PORT} is not a port. Databricks Apps sets it for every app; elsewhere set it yourself.")
    return int(value)


async def _serve(application: Application | Misconfigured, host: str, port: int) -> None:
    import uvicorn

    config = uvicorn.Config(
        behind_the_proxy(application),
        host=host,
        port=port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has stopped; that must not end the process before all is closed.
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    logger.info("serving MCP on port %d", port)
    try:
        await server.serve()
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await application.close()
    logger.info("stopped")


def main() -> int:
    """Serve until told to stop; returns 0 then, or 1 if the settings are wrong, which the log explains.

    Where they are, every request is answered with 503 until then: an app that ends at once is started again and again,
    and its URL says no more than that there is no app.
    """
    log_as_json("INFO")
    try:
        port = _port(os.environ)
    except SettingsError as error:
        logger.error("the app does not start: %s", error)
        return 1
    application, host = _configured(os.environ)
    asyncio.run(_serve(application, host, port))
    return 0 if isinstance(application, Application) else 1


def _configured(environ: Mapping[str, str]) -> tuple[Application | Misconfigured, str]:
    """The server, or what says that it is misconfigured; and the address to listen on."""
    host: str = DatabricksSettings.model_fields["listen_host"].default
    try:
        settings = DatabricksSettings.from_environ(environ)
        host = settings.listen_host
        log_as_json(settings.log_level)
        return application_of(settings, asyncio.run(Workspace.from_environ(environ).discovered())), host
    except Neo4jM2mError as error:
        return Misconfigured(error), host


if __name__ == "__main__":
    sys.exit(main())
