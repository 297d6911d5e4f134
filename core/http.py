"""One HTTP request in, one response out: MCP's Streamable HTTP transport, without sessions and without streams.

Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports , and its earlier revisions for
clients that open with a handshake. A request is answered whole, as JSON; nothing has to be started before it or stopped
after it, so that the same code serves a function that is frozen between two calls.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from core.audit import AuditTrail, Line, Sink, log_line
from core.call import Call
from core.deadline import Deadline
from core.graph.views import Views
from core.health import Health
from core.identity.grant import Grant, GrantFor, read_only
from core.identity.principal import Principal
from core.jsonrpc import Exchange, answer_post
from core.server import build_server
from core.tools import ALL_TOOLS, ToolDeclaration

if TYPE_CHECKING:
    from core.credentials.database_auth import WorkloadTokens
    from core.credentials.secret_store import SecretStore
    from core.settings import Settings

__all__ = ["Application", "Authenticate", "Request", "Response"]

logger = logging.getLogger(__name__)

MCP_PATH = "/mcp"
HEALTH_PATH = "/health"

JSON_HEADERS = {"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, as any platform can give it.

    ``headers`` are the raw pairs, names in lower case, duplicates kept: a header sent twice is told from one sent once.
    ``body`` may end one byte past the body limit; the rest of a longer one need not be read.
    ``request_id`` is the platform's id of the request; ``deadline`` comes from the platform where it has one. ``facts``
    is what the platform itself says of the request: no client can put anything there.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    request_id: str
    deadline: Deadline | None = None
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def header(self, name: str) -> str | None:
        """The first value of the header ``name`` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; ``headers`` have lower-case names."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


Authenticate = Callable[[Request], Awaitable[Principal | Response]]
"""Proves who calls: a `Principal`, or the refusal (401 or 403) to send instead."""

SubjectToken = Callable[[Request], "SecretStr | None"]
"""Finds the token of the user on whose behalf a request is made, after it was accepted as the proof of who calls."""


def bearer_token(request: Request) -> SecretStr | None:
    """The bearer token that ``request`` carries, if it does."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return SecretStr(token.strip()) if scheme.lower() == "bearer" and token.strip() else None


class Application:
    """The server behind one door: who may enter, what he may do, which tools there are, and the graph.

    ``secrets`` is where the credentials are that settings and policy name, ``workload`` issues tokens of this server's
    own identity, and ``subject_token`` finds that of the user on whose behalf a request is made: for databases that are
    logged in to so. ``audit`` writes the audit's lines down.

    ``allowed_hosts`` names the hosts that a request may be addressed to, where the listener is reached by a browser on
    the same machine (DNS rebinding); None checks nothing, for doors that a platform guards.
    """

    def __init__(
        self,
        settings: Settings,
        authenticate: Authenticate,
        *,
        tools: Iterable[ToolDeclaration] = ALL_TOOLS,
        grant_for: GrantFor = read_only,
        secrets: SecretStore | None = None,
        workload: WorkloadTokens | None = None,
        subject_token: SubjectToken = bearer_token,
        audit: Sink = log_line,
        allowed_hosts: frozenset[str] | None = None,
    ) -> None:
        self.settings = settings
        self.server = build_server(tools)
        self.audit = AuditTrail(audit, statements=settings.audit_statements)
        self._secrets = secrets
        self._workload = workload
        self._views = self._new_views()
        self._authenticate = authenticate
        self.grant_for = grant_for
        self._subject_token = subject_token
        self._allowed_hosts = allowed_hosts
        self._health = Health(self._views)

    async def handle(self, request: Request) -> Response:
        """Answer ``request``. Never raises: what goes wrong is a response with a status and a reason.

        The order is fixed: the host it was addressed to, then who calls, then everything else about the request.
        """
        try:
            return await self._handle(request)
        except Exception as error:  # noqa: BLE001 - the door's last word: every request gets an answer
            logger.error("request %s failed: %s", request.request_id, type(error).__name__)
            return plain(500, "This server failed while it answered. The operator finds the cause in its log.")

    async def _handle(self, request: Request) -> Response:
        refusal = self._wrong_host(request)
        if refusal is not None:
            return refusal
        if request.path == HEALTH_PATH:
            return await self._answer_health(request)
        with self.audit.line(request.request_id) as line:
            response = await self._answer(request, line)
            line.sent(len(response.body), response.status)
            if not line.has_outcome:
                _refused(line, response)
            return response

    async def _answer(self, request: Request, line: Line) -> Response:
        principal = await self._authenticate(request)
        if isinstance(principal, Response):
            if principal.status < 400:
                line.no_call()
            return principal
        line.caller(principal)
        grant = self.grant_for(principal)
        if grant is None:
            return plain(403, "No rule of this server's policy admits you. Its operator can change that.")
        line.granted(grant)
        if request.path.rstrip("/") != MCP_PATH:
            return plain(404, f"There is nothing here. MCP is served at {MCP_PATH}.")
        if request.method != "POST":
            return plain(405, "MCP is served by POST only: this server keeps no session and opens no stream.", "POST")
        if len(request.body) > self.settings.body_limit:
            return plain(413, f"The body exceeds the limit of {self.settings.body_limit} bytes. Send less.")
        token = self._subject_token(request) if principal.kind == "user_on_behalf" else None
        call = self.open_call(principal, grant, request.request_id, line, request.deadline, token)
        return _response(await answer_post(self.server, request.headers, request.body, call))

    def open_call(
        self,
        principal: Principal,
        grant: Grant,
        request_id: str,
        line: Line,
        deadline: Deadline | None = None,
        subject_token: SecretStr | None = None,
    ) -> Call:
        """What the tools need to know of one call by ``principal``; a lower limit of ``grant`` holds."""
        settings = self.settings.lowered(grant.max_rows, grant.max_bytes, grant.timeout)
        view = self._views.of(grant, principal)
        latest = Deadline.after(settings.timeout)
        return Call(
            principal=principal,
            grant=grant,
            graph=view.graph,
            guard=view.guard,
            schema=view.schema,
            settings=settings,
            deadline=latest if deadline is None or deadline.at > latest.at else deadline,
            request_id=request_id,
            line=line,
            subject_token=subject_token,
        )

    def _credential_changed(self, name: str | None) -> None:
        self.audit.event("credential_changed", credential=name or "default")

    def _new_views(self) -> Views:
        return Views(self.settings, self._secrets, workload=self._workload, changed=self._credential_changed)

    def forget(self) -> None:
        """Begin anew, without connections and without anything remembered: for a process restored from a snapshot."""
        self._views = self._new_views()
        self._health = Health(self._views)

    async def close(self) -> None:
        """Close the connections to the database; the next call opens new ones."""
        await self._views.close()

    async def _answer_health(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return plain(405, "Ask for the health with GET.", "GET, HEAD")
        up = await self._health.database_answers()
        body = b'{"status":"ok","database":"up"}' if up else b'{"status":"degraded","database":"down"}'
        return Response(200 if up else 503, dict(JSON_HEADERS), b"" if request.method == "HEAD" else body)

    def _wrong_host(self, request: Request) -> Response | None:
        """The refusal of a request that a web page has led here under a name of its own (DNS rebinding), if it is one.

        Source: the transport's security warning on Host and Origin. 421 is RFC 9110's Misdirected Request.
        """
        if self._allowed_hosts is None:
            return None
        host = request.header("host")
        if host is None or host_name(host) not in self._allowed_hosts:
            return plain(421, "This server answers only on the host names of this machine's loopback interface.")
        origin = request.header("origin")
        if origin is not None:
            scheme, separator, rest = origin.partition("://")
            if not separator or scheme not in ("http", "https") or host_name(rest) not in self._allowed_hosts:
                return plain(403, "Web pages from elsewhere may not call this server.")
        return None


_OUTCOMES = {401: "unauthenticated", 403: "forbidden", 503: "unavailable"}


def _refused(line: Line, response: Response) -> None:
    """What the line says of a request that reached no tool, and no method of the protocol that ends in an answer."""
    if response.status < 400:
        line.answered("ok")
    elif response.headers.get("content-type", "").startswith("text/plain"):
        line.refused(_OUTCOMES.get(response.status, "refused"), response.body.decode(errors="replace"))
    else:
        line.answered("protocol_error")


def host_name(authority: str) -> str:
    """The host of ``HOST[:PORT]`` in lower case, IPv6 in its brackets; empty where it has another form."""
    host, separator, port = authority.rpartition(":")
    if separator and not port.isascii():
        return ""
    if not separator or authority.endswith("]"):
        return authority.lower()
    return host.lower() if port.isdigit() else ""


def plain(status: int, reason: str, allow: str | None = None) -> Response:
    """A response that says in one sentence why there is no other; ``allow`` names the methods that would do."""
    headers = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    if allow:
        headers["allow"] = allow
    return Response(status, headers, f"{reason}\n".encode())


def _response(exchange: Exchange) -> Response:
    if exchange.body is None:
        return Response(exchange.status, {"cache-control": "no-store"})
    return Response(exchange.status, dict(JSON_HEADERS), exchange.body)
