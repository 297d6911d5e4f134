"""The proxy in front of an app, as real HTTP: it demands a token of the workspace, and says in headers who calls.

What is documented is done as documented. Where public reports disagree, the unkind report is the default: the caller's
``Authorization`` is kept from the app, identity headers that a client sent itself come through before the proxy's own,
and personal access tokens are refused. Each of these can be switched. Whether the real proxy lets anybody read the
metadata by which clients find the workspace's tokens is not documented; this one does.

A person who opens an app's URL logs in to the workspace, and then has a cookie. Here the refusal that a browser gets is
a form, which takes a token or personal access token in place of a login.

Sources: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/http-headers (the headers) and
https://docs.databricks.com/aws/en/dev-tools/databricks-apps/connect-local (OAuth only, no personal access tokens).
"""

from __future__ import annotations

import secrets
import uuid
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs

import httpx2

from core.identity.resource_metadata import WELL_KNOWN, challenge
from local.emulators.databricks.workspace import ApiError, EmulatedWorkspace
from local.emulators.http_front import OF_THE_CONNECTION, Answer, HttpFront, body_of, header_values

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

__all__ = ["AppsProxy", "named"]

_Headers = list[tuple[bytes, bytes]]

_SECONDS = 120.0
_LARGEST = 10 * 1024 * 1024
_TEXT = [("content-type", "text/plain")]
_OWN = (b"x-real-ip", b"x-request-id")
_HTML = [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")]
_SIGN_IN = "/.emulator/sign-in"
_FORM = f"""<!doctype html><meta charset="utf-8"><title>Emulated workspace</title>
<h1>Sign in to the emulated workspace</h1>
<p>The real one asks who you are. Here, paste <code>pat</code> of the line that <code>emulate</code> has printed.</p>
<form method="post" action="{_SIGN_IN}"><input name="token" type="password" autofocus aria-label="Token">
<button>Sign in</button></form>
""".encode()
_COOKIE = "emulated-session"
_HOP_BY_HOP = frozenset(name.encode() for name in OF_THE_CONNECTION)


def named(workspace: EmulatedWorkspace, caller: str, user_form: Literal["number", "name"] = "number") -> dict[str, str]:
    """The headers by which the proxy tells an app that ``caller`` calls."""
    described = workspace.described(caller)
    user = f"{described['id']}@{workspace.id}" if user_form == "number" else caller
    said = {"x-forwarded-user": user, "x-forwarded-preferred-username": described["displayName"]}
    return said | ({"x-forwarded-email": caller} if workspace.is_user(caller) else {})


class AppsProxy(HttpFront):
    """The proxy of the app at ``app_url``, for whoever is in ``can_use``; it may be changed while it serves.

    ``spoofed`` says what happens to forwarded headers that a client sent: ``append`` puts the proxy's own behind them,
    ``strip`` takes them away. ``hands_on_authorization`` is whether the caller's token reaches the app;
    ``user_authorization`` hands it on as ``X-Forwarded-Access-Token``. ``user_form`` is what ``X-Forwarded-User`` looks
    like: ``NUMBER@WORKSPACE-ID``, or the ``name`` itself (an application id or an e-mail address).
    """

    def __init__(
        self,
        workspace: EmulatedWorkspace,
        app_url: str,
        can_use: set[str],
        *,
        spoofed: Literal["append", "strip"] = "append",
        hands_on_authorization: bool = False,
        user_authorization: bool = False,
        user_form: Literal["number", "name"] = "number",
        admits_pats: bool = False,
    ) -> None:
        self.app_url = app_url
        self.can_use = can_use
        self.spoofed = spoofed
        self.hands_on_authorization = hands_on_authorization
        self.user_authorization = user_authorization
        self.user_form = user_form
        self.admits_pats = admits_pats
        self._workspace = workspace
        self._signed_in: dict[str, str] = {}

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Find out who calls and whether they may, hand the request on to the app, and give its answer."""
        body = await body_of(receive, _LARGEST)
        if body is None:
            return 413, _TEXT, b"Payload Too Large\n"
        headers: _Headers = [(name.lower(), value) for name, value in scope["headers"]]
        host = next((value for name, value in headers if name == b"host"), b"localhost")
        token = header_values(scope, "authorization")
        if (scope["method"], scope["path"]) == ("POST", _SIGN_IN):
            return self._sign_in(body)
        caller = None
        if not scope["path"].startswith(WELL_KNOWN):
            try:
                caller = self._of_cookie(headers) if not token else None
                if caller is None:
                    caller = self._caller(token)
            except ApiError:
                metadata = f"http://{host.decode('latin-1')}{WELL_KNOWN}/mcp"
                said = ("www-authenticate", challenge(resource_metadata=metadata))
                if scope["method"] == "GET" and "text/html" in "".join(header_values(scope, "accept")):
                    return 401, [said, *_HTML], _FORM
                return 401, [said, *_TEXT], b"Unauthorized\n"
            if caller not in self.can_use:
                return 403, _TEXT, b"Forbidden\n"
        sent = self._forwarded(headers, host, caller, token)
        return await self._pass_on(scope, sent, body)

    def _sign_in(self, body: bytes) -> Answer:
        """The cookie of whoever the token in the form proves."""
        token = parse_qs(body.decode("latin-1")).get("token", [""])[0].strip()
        try:
            caller = self._caller([f"Bearer {token}"])
        except ApiError:
            return 401, _HTML, _FORM
        session = secrets.token_urlsafe(24)
        self._signed_in[session] = caller
        cookie = f"{_COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax"
        return 303, [("location", "/"), ("set-cookie", cookie), ("cache-control", "no-store")], b""

    def _of_cookie(self, headers: _Headers) -> str | None:
        """Whom a cookie of this proxy names."""
        sent = "; ".join(value.decode("latin-1") for name, value in headers if name == b"cookie")
        try:
            found = SimpleCookie(sent).get(_COOKIE)
        except CookieError:
            return None
        return None if found is None else self._signed_in.get(found.value)

    def _caller(self, token: list[str]) -> str:
        if len(token) != 1 or (not self.admits_pats and token[0].lower().startswith("bearer dapi")):
            raise ApiError(401, "UNAUTHENTICATED", "There is no token.")
        return self._workspace.caller(token[0])

    def _forwarded(self, headers: _Headers, host: bytes, caller: str | None, token: list[str]) -> _Headers:
        """The headers that the app gets."""
        gone = {b"host", b"cookie"} | _HOP_BY_HOP | (set() if self.hands_on_authorization else {b"authorization"})
        kept = [(name, value) for name, value in headers if name not in gone]
        if self.spoofed == "strip":
            kept = [(name, value) for name, value in kept if name not in _OWN and not name.startswith(b"x-forwarded-")]
        said = {"x-forwarded-host": host.decode("latin-1"), "x-real-ip": "127.0.0.1", "x-request-id": str(uuid.uuid4())}
        if caller is not None:
            said |= named(self._workspace, caller, self.user_form)
            if self.user_authorization and token:
                said["x-forwarded-access-token"] = token[0].partition(" ")[2]
        return [*kept, *((name.encode(), value.encode("latin-1")) for name, value in said.items())]

    async def _pass_on(self, scope: Scope, headers: _Headers, body: bytes) -> Answer:
        path = scope["raw_path"].decode("ascii")
        query = scope["query_string"].decode("ascii")
        url = f"{self.app_url}{path}{'?' + query if query else ''}"
        try:
            async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=_SECONDS) as client:
                # httpx2's own additions to a request would not come from the client.
                client.headers.clear()
                response = await client.request(scope["method"], url, headers=headers, content=body or None)
        except httpx2.TimeoutException:
            return 504, _TEXT, b"upstream request timeout\n"
        except httpx2.HTTPError:
            return 502, _TEXT, b"App Not Available\n"
        return response.status_code, response.headers.multi_items(), response.content
