"""``serve``: MCP on this machine, over HTTP on the loopback interface or over stdio."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import socket
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from cli.access import access, local_access
from cli.database import served_database
from cli.keys import own_ring
from cli.output import say
from cli.settings import CommandLineSettings
from cli.workload import tokens_in_file
from core.access.grant import Grant
from core.addresses import is_loopback
from core.application import Application
from core.asgi import AsgiApp
from core.audit import AuditRecord
from core.deadline import Deadline
from core.errors import LocalError
from core.finding import first_failure
from core.http import MCP_PATH
from core.identity.principal import LOCAL_PRINCIPAL

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

    from core.call import Call
    from core.credentials.database_auth import WorkloadTokens

__all__ = ["serve_http", "serve_stdio"]

logger = logging.getLogger(__name__)

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

DEFAULT_PORT = 8000
"""Tried first if no port was given; if it is in use, any free one is taken."""

_DIAGNOSIS_SECONDS = 15.0

_DRAIN_SECONDS = 5
"""Seconds that running calls may take after the server was told to stop."""


def serve_http(settings: CommandLineSettings, *, host: str, port: int | None) -> None:
    """Serve until told to stop; prints one JSON line with ``url`` on stdout once it answers.

    Raises:
        PolicyError: The policy does not parse, or lets nobody in.
        LocalError: The port is taken, or the embedded database does not start.
    """
    door = access(settings)
    loopback = is_loopback(host)
    if not loopback and not door.proves:
        raise LocalError(
            f"Binding {host} would open the graph to everyone who can reach it: callers need not prove who they are. "
            f"Configure {settings.variable('issuers')} or {settings.variable('keys_file')} first, or leave out --host."
        )
    with _listener(host, port) as listener, served_database(settings) as complete:
        if not door.proves:
            _tell_of_unused_keys(settings)
        application = Application(
            complete,
            door.authenticate,
            grant_for=door.grant_for,
            secrets=door.secrets,
            workload=_workload(settings),
            allowed_hosts=LOOPBACK_NAMES if loopback else None,
            page=True,
        )
        asyncio.run(_serve_http(application, listener))


def _tell_of_unused_keys(settings: CommandLineSettings) -> None:
    ring = own_ring()
    if ring.exists():
        say(
            f"There is a key ring, {ring}, and this server does not ask for its keys: whoever reaches it is let in. To "
            f"ask for them, set {settings.variable('keys_file')}={ring}"
        )


def _workload(settings: CommandLineSettings) -> WorkloadTokens | None:
    return None if settings.workload_token_file is None else tokens_in_file(settings.workload_token_file)


def _listener(host: str, port: int | None) -> socket.socket:
    """A socket bound to ``port`` of ``host``; None means the default one, or any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, since asyncio turns Nagle's algorithm off only if it can see that it is TCP. With Nagle, an
    # answer whose head and body are sent separately waits 40 ms for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for attempt in (DEFAULT_PORT, 0) if port is None else (port,):
        try:
            listener.bind((host.strip("[]"), attempt))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and attempt and port is None:
                continue
            listener.close()
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
            raise LocalError(
                f"Port {attempt} of {host} {why}. Choose another with --port, or leave it out for a free one."
            ) from None
        return listener
    raise AssertionError("port 0 is always free")


async def _serve_http(application: Application, listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        AsgiApp(application),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    telling: asyncio.Task[None] | None = None
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event to wait for
            await asyncio.sleep(0.01)
        if server.started:
            host, port = listener.getsockname()[:2]
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}{MCP_PATH}"
            print(json.dumps({"url": url}), flush=True)
            say(f"Serving MCP at {url}. Ctrl-C stops it.")
            if application.has_page:
                say(f"For people, in a browser: {url.removesuffix(MCP_PATH)}/")
            say(f"Next, what to paste into a client: neo4j-m2m connect claude --url {url}")
            telling = asyncio.create_task(_tell_of_database(application))
        await serving
    finally:
        if telling is not None:
            telling.cancel()
        await application.close()


async def _tell_of_database(application: Application) -> None:
    """Say at once if the database cannot be used, and why: whoever starts the server reads it, no caller does."""
    failure = first_failure(await application.diagnose(Deadline.after(_DIAGNOSIS_SECONDS)))
    if failure is not None:
        say(f"The database cannot be used ({failure.link}): {failure.sentence()}")


def serve_stdio(settings: CommandLineSettings) -> None:
    """Serve the client at the other end of stdin and stdout until it closes them, or this process is told to stop.

    Nothing but MCP messages is written to stdout.

    Raises:
        PolicyError: The policy does not parse, or lets nobody in.
        LocalError: The embedded database does not start.
    """
    door, grant = local_access(settings)
    with served_database(settings) as complete:
        say("Serving MCP over stdio.")
        application = Application(complete, door.authenticate, secrets=door.secrets, workload=_workload(settings))
        # A read of stdin cannot be interrupted. In a daemon thread, it need not be: this thread waits for the end of
        # the conversation or for a signal, whichever comes first, and releases the database in both cases.
        done = threading.Event()
        threading.Thread(target=_converse, args=(application, grant, done), daemon=True).start()
        done.wait()


def _converse(application: Application, grant: Grant, done: threading.Event) -> None:
    try:
        asyncio.run(_serve_stdio(application, grant))
    except Exception as error:  # noqa: BLE001 - a thread has nobody above it to tell
        logger.error("the conversation over stdio failed: %s", type(error).__name__)
    finally:
        done.set()


async def _serve_stdio(application: Application, grant: Grant) -> None:
    from mcp.server.runner import serve_dual_era_loop
    from mcp.server.stdio import stdio_server

    async def with_a_call_of_its_own(ctx: ServerRequestContext[Call], call_next: CallNext) -> HandlerResult:
        request_id = str(uuid.uuid4())
        with application.audit.record(request_id) as record:
            record.caller(LOCAL_PRINCIPAL)
            record.granted(grant)
            record.asked(ctx.method)
            call = application.open_call(LOCAL_PRINCIPAL, grant, request_id, record)
            result = await call_next(replace(ctx, lifespan_context=call))
            if not record.has_outcome:
                record.answered("ok")
            await application.tell_operator(call)
            return result

    application.server.middleware.append(with_a_call_of_its_own)
    first = application.open_call(LOCAL_PRINCIPAL, grant, "stdio", AuditRecord("stdio", statements=False))
    telling = asyncio.create_task(_tell_of_database(application))
    try:
        async with stdio_server() as (reading, writing):
            await serve_dual_era_loop(application.server, reading, writing, lifespan_state=first)
    finally:
        telling.cancel()
        with contextlib.suppress(TimeoutError):
            await application.close()
