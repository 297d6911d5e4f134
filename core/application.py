"""The application: who may enter, what they may do and which tools there are, behind one door.

It serves MCP's Streamable HTTP transport without sessions and without streams. Source:
https://modelcontextprotocol.io/specification/2026-07-28/basic/transports , and its earlier revisions for clients that
open with a handshake. A request is answered whole, as JSON; nothing has to be started before it or stopped
after it, so that the same code serves a function that is frozen between two calls.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr

from core.access.grant import Grant, GrantFor, read_only
from core.access.limits import CallCounts, TooManyCalls
from core.audit import AuditRecord, AuditTrail, Sink, log_line
from core.call import Call
from core.database_scopes import DatabaseScopes
from core.deadline import Deadline
from core.finding import Finding
from core.from_settings import configured_page, configured_telemetry
from core.health import Health
from core.host_check import refuse_other_hosts
from core.http import (
    HEALTH_PATH,
    JSON_HEADERS,
    MCP_PATH,
    BodyLate,
    ClientGone,
    Request,
    Response,
    as_asked,
    bearer_token,
    plain,
)
from core.identity.principal import Principal
from core.jsonrpc import Exchange, answer_post, instead_of
from core.server import build_server
from core.stopwatch import Stopwatch
from core.tools import ALL_TOOLS, ToolDeclaration

if TYPE_CHECKING:
    from core.credentials.database_auth import WorkloadTokens
    from core.credentials.secret_store import SecretStore
    from core.examination import OwnName
    from core.page.page import Page
    from core.settings import Settings

__all__ = ["NOTHING_HERE", "NOT_ADMITTED", "TOO_LARGE", "Application", "Authenticate", "CanSend", "SubjectToken"]

logger = logging.getLogger(__name__)

Authenticate = Callable[[Request], Awaitable[Principal | Response]]
"""Proves who calls: a `Principal`, or the refusal (401 or 403) to send instead."""

SubjectToken = Callable[[Request], "SecretStr | None"]
"""Finds the token of the user on whose behalf a request is made; called once the request's proof was accepted."""

CanSend = Callable[[Response], bool]
"""Whether the platform can send a response of this size."""

NOT_ADMITTED = "No rule of this server's policy admits you. Its operator can change that."

NOTHING_HERE = f"There is nothing here. MCP is served at {MCP_PATH}."

TOO_LARGE = (
    "The call was made, but its answer is larger than this platform can send, so it was left out. What a statement "
    "wrote stays written. Ask for less: fewer rows, fewer or shorter columns, single properties instead of whole nodes."
)


class Application:
    """The server behind one door: who may enter, what they may do, which tools there are, and the graph.

    ``secrets`` is the store of the credentials that settings and policy name. ``workload`` issues tokens of this
    server's own identity, and ``subject_token`` finds the token of the user on whose behalf a request is made: both for
    databases that accept tokens. ``audit`` writes the audit's lines.

    ``allowed_hosts`` names the hosts that a request may be addressed to, for a listener that a browser on the same
    machine can reach (DNS rebinding). None means no check, for doors that a platform guards.

    ``can_send`` says whether the platform can send a response. In place of one that it cannot, the agent gets a
    sentence. None is for platforms that send any size. ``own_name`` asks the platform what this server is there, for
    ``doctor``. ``page`` says whether people get a page if the settings do not say so.
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
        can_send: CanSend | None = None,
        own_name: OwnName | None = None,
        page: bool = False,
    ) -> None:
        """Raises:
        SettingsError: There is to be a page, and this package has been built without its files.
        """
        self.settings = settings
        self.tools = {tool.name: tool for tool in tools}
        self.server = build_server(self.tools.values())
        self.telemetry = configured_telemetry(settings)
        self._page = configured_page(settings, default=page)
        self.audit = AuditTrail(
            audit,
            statements=settings.audit_statements,
            telemetry=self.telemetry,
            keep=None if self._page is None else self._page.calls.keep,
        )
        self._secrets = secrets
        self._workload = workload
        self._own_name = own_name
        self._scopes = self._new_scopes()
        self._authenticate = authenticate
        self.grant_for = grant_for
        self._counts = CallCounts()
        self._subject_token = subject_token
        self._allowed_hosts = allowed_hosts
        self._can_send = can_send
        self._health = Health(self._scopes)

    @property
    def has_page(self) -> bool:
        """Whether people get a page at ``/``."""
        return self._page is not None

    async def handle(self, request: Request) -> Response:
        """Answer ``request``. Never raises: a failure becomes a response with a status and a reason.

        An MCP client gets the reason as a JSON-RPC error, a person as text.

        The order is fixed: the host it was addressed to, then who calls, then everything else about the request.
        """
        try:
            response = await self._handle(request)
        except ClientGone:
            return Response(400)  # for nobody: there is no connection to send it on
        except Exception as error:  # noqa: BLE001 - the door's last word: every request gets an answer
            logger.error("request %s failed: %s", request.request_id, type(error).__name__)
            response = plain(500, "This server failed while it answered. The operator finds the cause in its log.")
        return as_asked(response, request.method, request.headers)

    async def _handle(self, request: Request) -> Response:
        refusal = self._from_elsewhere(request)
        if request.path == HEALTH_PATH:
            return refusal or await self._health.answer(request)
        if refusal is None and self._page is not None and (file := self._page.public(request)) is not None:
            return file
        with self.audit.record(request.request_id, request.headers) as record:
            response = as_asked(refusal or await self._answer(request, record), request.method, request.headers)
            record.responded(response)
            return response

    async def _answer(self, request: Request, record: AuditRecord) -> Response:
        principal = await self._authenticate(request)
        if isinstance(principal, Response):
            if principal.status < 400:
                record.no_call()
            return principal if self._page is None else self._page.sign_in(request, principal)
        grant = self.admit(principal, record)
        if grant is None:
            return plain(403, NOT_ADMITTED)
        if self._page is not None and self._page.serves(request.path):
            return await self._answer_page(self._page, request, principal, grant, record)
        if request.path.rstrip("/") != MCP_PATH:
            return plain(404, NOTHING_HERE)
        if request.method != "POST":
            return plain(405, "MCP is served by POST only: this server keeps no session and opens no stream.", "POST")
        try:
            with self.counted(principal, grant, record) as database_time:
                return await self._answer_counted(request, principal, grant, record, database_time)
        except TooManyCalls as refusal:
            response = plain(429, str(refusal))
            response.headers["retry-after"] = str(refusal.retry_after)
            return response

    async def _answer_counted(
        self, request: Request, principal: Principal, grant: Grant, record: AuditRecord, database_time: Stopwatch
    ) -> Response:
        try:
            body = await request.read()
        except BodyLate:
            return plain(408, f"The request was not complete after {self.settings.timeout:g} seconds.")
        if len(body) > self.settings.body_limit:
            return plain(413, f"The body exceeds the limit of {self.settings.body_limit} bytes. Send less.")
        token = self._subject_token(request) if principal.kind == "user_on_behalf" else None
        call = self.open_call(
            principal,
            grant,
            request.request_id,
            record,
            request.deadline,
            subject_token=token,
            database_time=database_time,
        )
        response = _response(await answer_post(self.server, request.headers, body, call))
        await self.tell_operator(call)
        if self._can_send is None or self._can_send(response):
            return response
        record.answered("too_large")
        return _response(instead_of(response.body, TOO_LARGE))

    async def _answer_page(
        self, page: Page, request: Request, principal: Principal, grant: Grant, record: AuditRecord
    ) -> Response:
        from core.page.page import Reader

        async def left_running() -> list[str]:
            return await self._scopes.of(grant, principal).database.left_running(principal.identity)

        settings = self.settings.capped(grant.max_rows, grant.max_bytes, grant.timeout)
        tools = [tool.name for tool in self.tools.values() if grant.allows(tool)]
        return await page.answer(request, Reader(principal, grant, settings, tools, left_running), record)

    @contextmanager
    def counted(self, principal: Principal, grant: Grant, record: AuditRecord) -> Iterator[Stopwatch]:
        """Count what runs inside as a call of ``principal``; the stopwatch is for `open_call`.

        Raises:
            TooManyCalls: The limits of ``grant`` allow no further call now. ``record`` notes it.
        """
        try:
            with self._counts.counted(principal.identity, grant.limits) as database_time:
                try:
                    yield database_time
                finally:
                    record.used(database_time)
        except TooManyCalls as refusal:
            record.refused("limited", str(refusal))
            raise

    def admit(self, principal: Principal, record: AuditRecord) -> Grant | None:
        """What the authenticated ``principal`` may do; None if no rule admits them. ``record`` notes which."""
        record.caller(principal)
        grant = self.grant_for(principal)
        if grant is None:
            record.refused("forbidden", NOT_ADMITTED)
        else:
            record.granted(grant)
        return grant

    def open_call(
        self,
        principal: Principal,
        grant: Grant,
        request_id: str,
        record: AuditRecord,
        deadline: Deadline | None = None,
        *,
        subject_token: SecretStr | None = None,
        database_time: Stopwatch | None = None,
    ) -> Call:
        """What the tools need to know about one call by ``principal``. A lower limit in ``grant`` applies."""
        settings = self.settings.capped(grant.max_rows, grant.max_bytes, grant.timeout)
        scope = self._scopes.of(grant, principal)
        latest = Deadline.after(settings.timeout)
        return Call(
            principal=principal,
            grant=grant,
            database=scope.database,
            guard=scope.guard,
            schema=scope.schema,
            settings=settings,
            deadline=latest if deadline is None or deadline.at > latest.at else deadline,
            request_id=request_id,
            audit=record,
            subject_token=subject_token,
            examine=self.examine,
            database_time=database_time or Stopwatch(),
        )

    async def tell_operator(self, call: Call) -> None:
        """Log why the database could not be used, if that is what became of ``call``. The caller is not told."""
        if call.audit.outcome == "unavailable":
            await self._health.tell_why(call.grant.credential, call.deadline)

    async def diagnose(self, deadline: Deadline) -> list[Finding]:
        """At which link the way to the database ends, if it does; for the operator, never for a caller."""
        return await self._health.diagnose(None, deadline)

    async def examine(self, deadline: Deadline) -> list[Finding]:
        """What there is at every link from the settings to the rights of the database user; for the operator."""
        from core.examination import Inside, examine

        return await examine(Inside(self.settings, self._scopes, self._secrets, self._own_name), deadline)

    def _new_scopes(self) -> DatabaseScopes:
        return DatabaseScopes(
            self.settings,
            self._secrets,
            workload=self._workload,
            changed=self.audit.credential_changed,
            survived=self.audit.statement_survived,
        )

    def forget(self) -> None:
        """Start over, without connections or remembered values: for a process restored from a snapshot."""
        self._scopes = self._new_scopes()
        self._health = Health(self._scopes)

    async def close(self) -> None:
        """Close the connections to the database; the next call opens new ones."""
        await self._scopes.close()

    def _from_elsewhere(self, request: Request) -> Response | None:
        """The refusal, if a web page from elsewhere sent the request here; else None."""
        if self._allowed_hosts is not None:
            return refuse_other_hosts(request, self._allowed_hosts)
        return None if self._page is None else self._page.from_elsewhere(request)


def _response(exchange: Exchange) -> Response:
    if exchange.body is None:
        return Response(exchange.status, {"cache-control": "no-store"})
    return Response(exchange.status, dict(JSON_HEADERS), exchange.body)
