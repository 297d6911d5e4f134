"""The page for people at ``/``, and what it asks this server about its reader, at ``/page/me``.

Everything else the page asks for goes to ``/mcp``, as any client's calls do: there is no second way to the graph.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.http import JSON_HEADERS, Request, Response, plain
from core.page.files import ASSETS, HTML, PAGE_HEADERS, asset, index
from core.page.recent_calls import ABOUT_ME, RecentCalls
from core.version import server_version

if TYPE_CHECKING:
    from core.access.grant import Grant
    from core.audit import AuditRecord
    from core.identity.principal import Principal
    from core.settings import Settings

__all__ = ["Page", "Reader"]

_FOLDER = "/page/"
_ABOUT_ME = f"/{ABOUT_ME}"
_ROLES_SHOWN = 50

_ELSEWHERE = frozenset({"cross-site", "same-site"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the page, and what they may do.

    ``settings`` have the limits of ``grant``; ``tools`` are the names of those it allows. ``left_running`` finds the
    requests of theirs whose statements run on in the database.
    """

    principal: Principal
    grant: Grant
    settings: Settings
    tools: Iterable[str]
    left_running: Callable[[], Awaitable[list[str]]]


class Page:
    """Answers a browser: the page's files to anyone, the page and ``/page/me`` to callers who are admitted."""

    def __init__(self) -> None:
        self.calls = RecentCalls()

    @staticmethod
    def from_elsewhere(request: Request) -> Response | None:
        """The refusal, if a script of another site sent ``request`` with the cookies of a reader; else None.

        A browser says so in a header that no script can write. A link from elsewhere may lead here.

        Source: https://www.w3.org/TR/fetch-metadata/ .
        """
        followed = request.method in ("GET", "HEAD") and request.header("sec-fetch-mode") == "navigate"
        if followed or request.header("sec-fetch-site") not in _ELSEWHERE:
            return None
        return plain(403, "Web pages from elsewhere may not call this server.")

    @staticmethod
    def public(request: Request) -> Response | None:
        """The answer, if ``request`` is for one of the page's files; else None."""
        name = request.path.removeprefix(_FOLDER)
        return asset(name, request) if request.path.startswith(_FOLDER) and name in ASSETS else None

    @staticmethod
    def sign_in(request: Request, refusal: Response) -> Response:
        """``refusal``, with the page as its body if a person asked who has not proved who they are.

        Its status, its headers and its reason stay. The page then asks for a key or a token, which a browser cannot
        send by itself.
        """
        if refusal.status != 401 or request.path != "/" or request.method not in ("GET", "HEAD"):
            return refusal
        if "text/html" not in (request.header("accept") or ""):
            return refusal
        page = index(request.method)
        return replace(refusal, headers={**refusal.headers, **page.headers, "content-type": HTML}, body=page.body)

    @staticmethod
    def serves(path: str) -> bool:
        """Whether the page is at ``path``, or what it asks about its reader."""
        return path in ("/", _ABOUT_ME)

    async def answer(self, request: Request, reader: Reader, record: AuditRecord) -> Response:
        """The answer to ``request`` of an admitted caller. A look at oneself has a line in the audit."""
        if request.method not in ("GET", "HEAD"):
            return plain(405, "Ask for the page with GET. MCP is served at /mcp.", "GET, HEAD")
        if request.path == "/":
            record.no_call()
            return index(request.method)
        record.asked(ABOUT_ME)
        body = json.dumps(await self._about(reader), ensure_ascii=False).encode()
        return Response(200, {**PAGE_HEADERS, **JSON_HEADERS}, b"" if request.method == "HEAD" else body)

    async def _about(self, reader: Reader) -> dict[str, Any]:
        principal, grant, settings = reader.principal, reader.grant, reader.settings
        limits = grant.limits
        return {
            "server": {"name": "neo4j-m2m", "version": server_version()},
            "principal": {
                "id": principal.id,
                "name": principal.name,
                "kind": principal.kind,
                "platform": principal.platform,
                "tenant": principal.tenant,
                "proved_by": principal.proved_by,
                "roles": sorted(principal.roles)[:_ROLES_SHOWN],
            },
            "grant": {
                "rule": grant.rule,
                "writes": grant.writes,
                "tools": list(reader.tools),
                "limits": {
                    "rows": settings.max_rows,
                    "bytes": settings.max_bytes,
                    "seconds": settings.timeout,
                    "concurrent": limits.concurrent,
                    "calls_per_minute": limits.calls_per_minute,
                    "seconds_per_minute": limits.seconds_per_minute,
                },
            },
            "calls": self.calls.of(principal.identity),
            "left_running": await reader.left_running(),
        }
