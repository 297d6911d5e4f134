"""What an app is told of a request, and which requests do not reach it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from local.emulators.databricks.api import running_workspace
from local.emulators.databricks.apps_proxy import AppsProxy
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.issuer import Client, User
from local.emulators.loopback_server import served

AGENT = Client("agent", "canary-agents-secret", scopes=frozenset({"all-apis"}))
STRANGER = Client("stranger", "canary-strangers-secret", scopes=frozenset({"all-apis"}))
ADA = User("ada@example.com", "")


class Echo:
    """An app that answers what it was sent."""

    def __init__(self) -> None:
        self.requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"] == "/late":
            await asyncio.sleep(3)
        said = {
            "method": scope["method"],
            "target": (scope["raw_path"] + b"?" + scope["query_string"]).decode(),
            "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]],
            "body": body.decode("latin-1"),
        }
        answer = json.dumps(said).encode()
        headers = [(b"x-answer", b"1"), (b"x-answer", b"2"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


class Behind:
    """The proxy that is served at ``url``, the app behind it, and the workspace."""

    def __init__(self, url: str, proxy: AppsProxy, app: Echo, workspace: EmulatedWorkspace) -> None:
        self.url, self.proxy, self.app, self.workspace = url, proxy, app, workspace

    def ask(self, *headers: tuple[str, str], path: str = "/mcp", method: str = "POST") -> httpx2.Response:
        with httpx2.Client(trust_env=False, timeout=30) as client:
            return client.request(method, self.url + path, headers=list(headers), content=b"\xffbody")

    def proof(self, client: Client = AGENT) -> tuple[str, str]:
        return "authorization", f"Bearer {self.workspace.issuer.token(client.id)}"


@contextlib.contextmanager
def behind(**options: Any) -> Iterator[Behind]:
    workspace = EmulatedWorkspace([AGENT, STRANGER], [ADA], id="42")
    app = Echo()
    with running_workspace(workspace), served(app, name="an app") as app_url:
        proxy = AppsProxy(workspace, app_url, {AGENT.id, ADA.name}, **options)
        with served(proxy, name="a proxy") as url:
            yield Behind(url, proxy, app, workspace)


def values(response: httpx2.Response, name: str) -> list[str]:
    assert response.status_code == 418, response.text
    return [value for key, value in response.json()["headers"] if key == name]


def test_a_request_comes_through_whole_and_so_does_its_answer() -> None:
    with behind() as there:
        answer = there.ask(there.proof(), ("x-own", "a"), ("x-own", "b"), path="/a%20b?c=1&c=%2F", method="PATCH")
        said = answer.json()
        assert (said["method"], said["target"], said["body"]) == ("PATCH", "/a%20b?c=1&c=%2F", "\xffbody")
        assert values(answer, "x-own") == ["a", "b"]
        assert answer.headers.get_list("x-answer") == ["1", "2"]


def test_the_app_is_told_who_calls_as_it_is_documented() -> None:
    with behind(hands_on_authorization=True) as there:
        proof = there.proof()
        answer = there.ask(proof)
        assert values(answer, "x-forwarded-preferred-username") == ["agent"]
        assert values(answer, "x-forwarded-host") == [there.url.removeprefix("http://")]
        assert values(answer, "x-forwarded-email") == []
        assert values(answer, "x-forwarded-access-token") == []
        (user,), (request_id,) = values(answer, "x-forwarded-user"), values(answer, "x-request-id")
        assert user == f"{there.workspace.described(AGENT.id)['id']}@42"
        assert len(request_id) == 36
        assert values(answer, "authorization") == [proof[1]]
        ada = there.workspace.issuer.user_token(AGENT.id, ADA.name)
        there.proxy.user_authorization, there.proxy.hands_on_authorization = True, False
        answer = there.ask(("authorization", f"Bearer {ada}"))
        assert values(answer, "x-forwarded-email") == [ADA.name]
        assert values(answer, "x-forwarded-access-token") == [ada]
        assert values(answer, "authorization") == []


@pytest.mark.parametrize(("spoofed", "first"), [("strip", []), ("append", ["spoofed"])])
def test_headers_that_a_client_sends_itself_are_taken_away_or_come_first(spoofed: Any, first: list[str]) -> None:
    names = ("x-forwarded-user", "x-forwarded-host", "x-request-id", "x-real-ip", "x-forwarded-preferred-username")
    with behind(spoofed=spoofed) as there:
        answer = there.ask(there.proof(), *((name, "spoofed") for name in names))
        for name in names:
            found = values(answer, name)
            assert found[:-1] == first
            assert found[-1] != "spoofed"


def test_who_proves_nothing_or_may_not_use_the_app_does_not_reach_it() -> None:
    with behind() as there:
        issuer = there.workspace.issuer
        for headers in (
            [],
            [("authorization", "Bearer x.y.z")],
            [("authorization", "Basic YTpi")],
            [there.proof(), there.proof()],
            [("x-forwarded-access-token", issuer.token(AGENT.id)), ("x-forwarded-user", "agent")],
            [("authorization", f"Bearer {issuer.token(AGENT.id, exp=1)}")],
        ):
            for method in ("GET", "POST", "DELETE"):
                answer = there.ask(*headers, method=method)
                assert (answer.status_code, "location" in answer.headers) == (401, False)
        assert there.ask(there.proof(STRANGER)).status_code == 403
        assert there.app.requests == 0
        pat = there.workspace.issue_pat(AGENT.id).get_secret_value()
        assert there.ask(("authorization", f"Bearer {pat}")).status_code == 401
        there.proxy.admits_pats = True
        assert there.ask(("authorization", f"Bearer {pat}")).status_code == 418


def test_unless_told_otherwise_the_proxy_is_as_unkind_as_it_was_ever_reported_to_be() -> None:
    with behind() as there:
        answer = there.ask(there.proof(), ("x-forwarded-user", "boss"))
        assert values(answer, "authorization") == []
        assert values(answer, "x-forwarded-access-token") == []
        assert values(answer, "x-forwarded-user")[0] == "boss"
        there.proxy.user_form = "name"
        assert values(there.ask(there.proof()), "x-forwarded-user") == [AGENT.id]


def test_an_app_that_is_late_or_away_is_a_gateways_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with behind() as there:
        monkeypatch.setattr("local.emulators.databricks.apps_proxy._SECONDS", 0.5)
        assert there.ask(there.proof(), path="/late").status_code == 504
        there.proxy.app_url = "http://127.0.0.1:9"
        assert there.ask(there.proof()).status_code == 502


BROWSER = {"accept": "text/html,*/*;q=0.8"}


def test_a_person_signs_in_with_a_token_and_is_then_known_by_a_cookie() -> None:
    with behind() as there, httpx2.Client(trust_env=False, timeout=30, follow_redirects=False) as person:
        refused = person.get(there.url, headers=BROWSER)
        assert (refused.status_code, "<form" in refused.text) == (401, True)
        assert refused.headers["www-authenticate"].startswith("Bearer")
        sign_in = f"{there.url}/.emulator/sign-in"
        assert person.post(sign_in, data={"token": "x.y.z"}).status_code == 401
        assert there.app.requests == 0
        signed_in = person.post(sign_in, data={"token": there.workspace.issuer.token(AGENT.id)})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=Lax"} <= set(signed_in.headers["set-cookie"].split("; "))
        answer = person.get(there.url, headers=BROWSER)
        assert values(answer, "x-forwarded-preferred-username") == ["agent"]
        assert values(answer, "cookie") == []
        person.cookies.clear()
        assert person.get(there.url, headers={**BROWSER, "cookie": "emulated-session=forged"}).status_code == 401


def test_a_person_who_may_not_use_the_app_is_refused_when_they_have_signed_in() -> None:
    with behind() as there, httpx2.Client(trust_env=False, timeout=30) as person:
        token = there.workspace.issuer.token(STRANGER.id)
        assert person.post(f"{there.url}/.emulator/sign-in", data={"token": token}).status_code == 303
        assert person.get(there.url, headers=BROWSER).status_code == 403
        assert there.app.requests == 0
