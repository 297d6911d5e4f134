"""The function app: ``azure_function.app.app``, which ``function_app.py`` at the repository's root exports.

It has plain routes instead of `AsgiFunctionApp`, whose start-up races with the first requests. A worker has one event
loop for all calls, so one application and one driver live as long as the worker. Nothing is opened while the module is
imported: the first call that needs the database opens it, and simultaneous calls wait for it. A wrong
setting does not remove the routes: `core.misconfigured` answers on them.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func

from azure_function.identity import door_of, level_of
from azure_function.secrets import KeyVault
from azure_function.settings import AzureSettings
from azure_function.workload import OwnIdentity
from core.application import Application
from core.audit import log_line
from core.from_settings import configured_grants
from core.http import HEALTH_PATH, MCP_PATH, Request, as_asked
from core.misconfigured import Misconfigured

__all__ = ["app", "application", "application_of", "handle", "request_of"]

_METADATA_PATH = "/.well-known/oauth-protected-resource"

_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""Source: https://www.w3.org/TR/trace-context/#traceparent-header ."""

_operation: ContextVar[str] = ContextVar("operation", default="")


def application_of(settings: AzureSettings) -> Application:
    """The server, with the door that ``settings`` ask for.

    Raises:
        PolicyError, IssuerError: What the settings hold does not parse.
    """
    identity = OwnIdentity.of(settings)
    secrets = KeyVault(settings.vault_url, identity) if settings.vault_url is not None else None
    return Application(
        settings,
        door_of(settings, secrets),
        grant_for=configured_grants(settings),
        secrets=secrets,
        workload=identity.token,
        audit=write_down,
    )


def write_down(line: dict[str, Any]) -> None:
    """Write a line of the audit to the function's log, with the operation under which Application Insights counts it.

    The worker forwards it with the invocation's id, which is its ``request_id``. That costs no import.
    """
    operation = _operation.get()
    log_line({**line, "operation_id": operation} if operation else line)


def request_of(req: func.HttpRequest, context: func.Context) -> Request:
    """The request that the host hands over. It joins a header that was sent twice into one, with a comma."""
    return Request(
        method=req.method,
        path=urlsplit(req.url).path,
        headers=tuple((name.lower(), value) for name, value in req.headers.items()),
        body=req.get_body(),
        request_id=context.invocation_id,
    )


async def handle(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer one request."""
    trace = _TRACE_PARENT.fullmatch(context.trace_context.trace_parent or "")
    _operation.set(trace[1] if trace else "")
    request = request_of(req, context)
    response = as_asked(await application.handle(request), request.method, request.headers)
    return func.HttpResponse(response.body, status_code=response.status, headers=response.headers)


def _configured(environ: Mapping[str, str]) -> tuple[AzureSettings | None, Application | Misconfigured]:
    """The settings in ``environ`` and the server; or, where that cannot be built, what says so on every route."""
    try:
        settings = AzureSettings.from_environ(environ)
        for name in ("core", "azure_function"):
            logging.getLogger(name).setLevel(settings.log_level)
        return settings, application_of(settings)
    except Exception as error:  # noqa: BLE001 - whatever is raised while the app is imported leaves no route at all
        return None, Misconfigured(error)


for name in ("azure.identity", "azure.core", "msal"):
    logging.getLogger(name).setLevel(logging.WARNING)  # they log each request and each answer's headers
settings, application = _configured(os.environ)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name("mcp")
@app.route(route=MCP_PATH.strip("/"), auth_level=level_of(settings) if settings else func.AuthLevel.ANONYMOUS)
async def mcp(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """MCP. All methods come here, so that the caller is authenticated first, and only then learns the right method."""
    return await handle(req, context)


@app.function_name("health")
@app.route(route=HEALTH_PATH.strip("/"), auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Whether the database answers; anybody may ask."""
    return await handle(req, context)


if settings is not None and isinstance(application, Application) and application.has_page:

    @app.function_name("page")
    @app.route(route="{*path}", auth_level=level_of(settings))
    async def page(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """The page for people, and its files. Every path without a function of its own comes here, ``/`` among them."""
        return await handle(req, context)


if settings is None or settings.caller_auth == "entra":

    @app.function_name("metadata")
    @app.route(route=_METADATA_PATH.strip("/"), auth_level=func.AuthLevel.ANONYMOUS)
    async def metadata(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Where to get a token (RFC 9728)."""
        return await handle(req, context)

    @app.function_name("metadata_of_mcp")
    @app.route(route=(_METADATA_PATH + MCP_PATH).strip("/"), auth_level=func.AuthLevel.ANONYMOUS)
    async def metadata_of_mcp(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """The same, at the path where a client looks that knows the endpoint's URL."""
        return await handle(req, context)
