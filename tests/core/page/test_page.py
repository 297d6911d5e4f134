from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.access.grant import Grant
from core.access.limits import CallLimits
from core.application import Application
from core.errors import SettingsError
from core.http import Request, Response, plain
from core.identity.principal import Principal
from core.page import files
from core.page.files import ASSETS
from core.settings import Settings
from tests.core.fixture_tools import FIXTURE_TOOLS, granting
from tests.core.mcp_requests import HI, HOSTS, post
from tests.support.principals import ALICE, each_other_principal

BROWSER = (("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),)


def get(path: str, *headers: tuple[str, str], method: str = "GET") -> Request:
    return Request(method, path, headers, b"", "request-1")


def door(answer: Principal | Response) -> Callable[[Request], Awaitable[Principal | Response]]:
    async def who(request: Request) -> Principal | Response:
        return answer

    return who


NOBODY = replace(plain(401, "The caller's identity is not proved: the request carries no credential."))
NOBODY.headers["www-authenticate"] = 'Bearer resource_metadata="https://x/.well-known/oauth-protected-resource"'


def served(answer: Principal | Response = ALICE, **options: Any) -> Application:
    options = {"grant_for": granting(FIXTURE_TOOLS), "tools": FIXTURE_TOOLS, "page": True, **options}
    return Application(options.pop("settings", Settings()), door(answer), **options)


def policy_of(response: Response) -> dict[str, set[str]]:
    parts = [part.split() for part in response.headers["content-security-policy"].split(";")]
    return {name: set(sources) for name, *sources in parts}


@pytest.mark.parametrize("path", ["/", "/page/me", *(f"/page/{name}" for name in ASSETS)])
async def test_a_browser_is_told_to_run_and_load_nothing_but_this_servers_own_files(path: str) -> None:
    response = await served().handle(get(path))
    assert response.status == 200
    policy = policy_of(response)
    for directive in ("default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"):
        assert policy[directive] == {"'none'"}
    for directive in ("script-src", "style-src", "connect-src", "img-src"):
        assert policy[directive] == {"'self'"}
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"


async def test_the_page_is_served_to_whoever_is_admitted_and_is_no_call_in_the_audit() -> None:
    lines: list[dict[str, Any]] = []
    response = await served(audit=lines.append).handle(get("/", *BROWSER))
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert b"<!doctype html>" in response.body
    assert lines == []


@pytest.mark.parametrize("path", ["/", "/page/me", "/page/page.js"])
async def test_head_is_answered_without_a_body(path: str) -> None:
    response = await served().handle(get(path, method="HEAD"))
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/page/me", "/page/page.js"])
async def test_no_other_method_is_taken(path: str, method: str) -> None:
    response = await served().handle(get(path, method=method))
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.parametrize("path", ["/", "/page/me", "/page/page.js", "/page/cytoscape.min.js"])
async def test_the_setting_decides_over_what_the_platform_does(path: str, page: bool) -> None:
    by_platform = Application(Settings(), door(ALICE), page=page)
    by_setting = Application(Settings(page=page), door(ALICE), page=not page)
    for application in (by_platform, by_setting):
        assert application.has_page is page
        assert (await application.handle(get(path))).status == (200 if page else 404)


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page",
        "/page/index.html",
        "/page/__init__.py",
        "/page/cytoscape.toml",
        "/page/../core/settings.py",
        "/page/..%2fcore%2fsettings.py",
        "/page//etc/passwd",
        "/page/me/",
        "/page/page.js/",
        "//",
    ],
)
async def test_nothing_is_served_but_the_files_of_the_list(path: str) -> None:
    assert (await served().handle(get(path))).status == 404
    assert (await served(NOBODY).handle(get(path))).status == 401


async def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    first = await served().handle(get("/page/cytoscape.min.js"))
    again = await served().handle(get("/page/cytoscape.min.js", ("if-none-match", first.headers["etag"])))
    assert (again.status, again.body) == (304, b"")


async def test_a_person_who_has_proved_nothing_gets_401_with_the_page_that_asks_for_a_key() -> None:
    lines: list[dict[str, Any]] = []
    response = await served(NOBODY, audit=lines.append).handle(get("/", *BROWSER))
    assert response.status == 401
    assert response.headers["www-authenticate"] == NOBODY.headers["www-authenticate"]
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert b"API key or bearer token" in response.body
    assert policy_of(response)["script-src"] == {"'self'"}
    assert [(line["outcome"], line["status"]) for line in lines] == [("unauthenticated", 401)]


async def test_the_files_that_ask_for_a_key_come_without_one_and_leave_no_line_in_the_audit() -> None:
    lines: list[dict[str, Any]] = []
    for name in ASSETS:
        assert (await served(NOBODY, audit=lines.append).handle(get(f"/page/{name}"))).status == 200
    assert lines == []


@pytest.mark.parametrize("request_", [get("/"), get("/page/me", *BROWSER), get("/elsewhere", *BROWSER)])
async def test_everything_else_is_refused_in_the_words_of_the_door(request_: Request) -> None:
    response = await served(NOBODY).handle(request_)
    assert (response.status, response.body) == (401, NOBODY.body)
    assert response.headers["www-authenticate"] == NOBODY.headers["www-authenticate"]


@pytest.mark.parametrize("path", ["/", "/page/me"])
async def test_whoever_no_rule_admits_is_told_so_as_everywhere_else(path: str) -> None:
    response = await served(grant_for=lambda principal: None).handle(get(path, *BROWSER))
    assert response.status == 403
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert b"No rule of this server's policy admits you" in response.body


async def about(application: Application) -> dict[str, Any]:
    response = await application.handle(get("/page/me"))
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    told: dict[str, Any] = json.loads(response.body)
    return told


async def test_a_reader_is_told_who_they_are_and_what_they_may_do() -> None:
    grant = Grant(
        "alice reads",
        tools=frozenset({"echo"}),
        max_rows=10,
        timeout=7,
        credential="stored-billing",
        impersonate="billing_user",
        limits=CallLimits(concurrent=2, calls_per_minute=30),
    )
    told = await about(served(grant_for=lambda principal: grant))
    assert told["principal"] == {
        "id": "alice",
        "name": "Alice",
        "kind": "user_on_behalf",
        "platform": "azure",
        "tenant": "contoso",
        "proved_by": "token of contoso",
        "roles": ["Graph.Read"],
    }
    assert (told["grant"]["rule"], told["grant"]["writes"], told["grant"]["tools"]) == ("alice reads", False, ["echo"])
    limits = told["grant"]["limits"]
    assert (limits["rows"], limits["seconds"], limits["concurrent"]) == (10, 7, 2)
    assert "billing" not in json.dumps(told), "how the server logs in is the operator's"


async def test_what_the_page_knows_holds_no_secret_of_the_server() -> None:
    settings = Settings(
        neo4j_uri="bolt://canary-host", neo4j_password="canary-password", cursor_key="canary-cursor-key" * 3
    )
    application = served(settings=settings)
    assert "canary" not in json.dumps(await about(application))
    for path in ("/", *(f"/page/{name}" for name in ASSETS)):
        assert b"canary" not in (await application.handle(get(path))).body


async def test_a_reader_sees_their_last_calls_the_newest_first_and_no_look_at_them() -> None:
    lines: list[dict[str, Any]] = []
    application = served(audit=lines.append)
    for number in range(30):
        await application.handle(replace(post(HI), request_id=f"request-{number}"))
    calls = (await about(application))["calls"]
    assert [line["request_id"] for line in calls] == [f"request-{number}" for number in range(29, 9, -1)]
    assert {"time", "tool", "outcome", "duration_ms", "parameters"} <= set(calls[0])
    assert len((await about(application))["calls"]) == 20
    assert [line["method"] for line in lines[30:]] == ["page/me", "page/me"], "who looked is in the audit"


async def test_a_line_shows_no_value_and_no_more_of_a_statement_than_the_audit_has() -> None:
    application = Application(Settings(), door(ALICE), page=True)
    arguments = {"query": "RETURN 'canary-in-a-statement'", "params": {"p": "canary-in-a-parameter"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read-cypher"}}
    message["params"]["arguments"] = arguments  # type: ignore[index]
    await application.handle(post(message))
    line = (await about(application))["calls"][0]
    assert line["tool"] == "read-cypher"
    assert line["parameters"] == ["p"]
    assert "canary" not in json.dumps(line)
    assert set(line) <= {
        *("time", "request_id", "method", "tool", "statement_sha256", "parameters", "outcome", "reason", "rows"),
        *("bytes", "status", "duration_ms", "database_ms"),
    }


@each_other_principal
async def test_nobody_sees_the_calls_of_another(other: Principal, is_another: bool) -> None:
    now = [ALICE]

    async def who(request: Request) -> Principal | Response:
        return now[0]

    application = Application(
        Settings(), who, page=True, grant_for=granting(FIXTURE_TOOLS), tools=FIXTURE_TOOLS, audit=lambda line: None
    )
    await application.handle(post(HI))
    now[0] = other
    assert len((await about(application))["calls"]) == (0 if is_another else 1)


async def test_without_a_page_no_line_is_kept() -> None:
    application = Application(Settings(), door(ALICE), page=False)
    assert application.audit._keep is None


@pytest.mark.parametrize("path", ["/", "/page/me", "/page/page.js"])
async def test_under_a_foreign_host_name_there_is_no_page(path: str) -> None:
    application = served(allowed_hosts=HOSTS)
    assert (await application.handle(get(path, ("host", "rebound.example")))).status == 421
    assert (await application.handle(get(path, ("host", "localhost:8000")))).status == 200


async def test_the_pages_own_script_may_call() -> None:
    own = (("host", "127.0.0.1:8000"), ("origin", "http://127.0.0.1:8000"), ("sec-fetch-site", "same-origin"))
    for application in (served(allowed_hosts=HOSTS), served()):
        assert (await application.handle(post(HI, *own))).status == 200
        assert (await application.handle(get("/page/me", *own))).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_script_of_another_site_is_refused_and_a_link_from_there_leads_here(site: str) -> None:
    script = (("sec-fetch-site", site), ("sec-fetch-mode", "cors"))
    application = served()
    for request in (post(HI, *script), get("/page/me", *script), get("/page/page.js", *script)):
        assert (await application.handle(request)).status == 403
    link = (("sec-fetch-site", site), ("sec-fetch-mode", "navigate"))
    assert (await application.handle(get("/", *link))).status == 200
    assert (await application.handle(post(HI, *link))).status == 403, "a form is not a link"


async def test_a_page_that_was_asked_for_and_left_out_of_the_package_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "FOLDER", tmp_path)
    with pytest.raises(SettingsError, match=r"NEO4J_M2M_PAGE.*docs/page\.md"):
        Application(Settings(page=True), door(ALICE))
    assert not Application(Settings(), door(ALICE)).has_page


async def test_what_still_runs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def left_running(self: Any, caller: Any) -> list[str]:
        asked.append(caller)
        return ["request-7"]

    monkeypatch.setattr("core.graph.database.Database.left_running", left_running)
    assert (await about(served()))["left_running"] == ["request-7"]
    assert asked == [ALICE.identity]


def test_the_page_holds_no_script_and_no_style_of_its_own() -> None:
    text = (files.FOLDER / files.INDEX).read_text()
    for script in re.findall(r"<script\b[^>]*>(.*?)</script>", text, re.DOTALL):
        assert script == ""
    assert not re.search(r"<style\b|\bstyle=|\bon\w+=|javascript:|https?:|//", re.sub(r"<!.*?>", "", text))


@pytest.mark.parametrize("name", sorted(name for name in ASSETS if name.endswith(".js") and "cytoscape" not in name))
def test_no_script_writes_markup_or_stores_anything(name: str) -> None:
    text = (files.FOLDER / name).read_text()
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacent|document\.write|createContextualFragment|DOMParser|eval\(|Function\(|"
        r"localStorage|sessionStorage|indexedDB|document\.cookie|https?://(?!www\.w3\.org/2000/svg)"
    )
    assert re.findall(forbidden, text) == []


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_whatever_the_page_names_is_served(name: str) -> None:
    folder = files.FOLDER
    texts = [path.read_text() for path in (*folder.glob("*.html"), *folder.glob("*.js"))]
    assert any(f"page/{name}" in text or f"./{name}" in text for text in texts), f"{name} is served for nothing"
    named = {found for text in texts for found in re.findall(r'(?:"page/|from "\./)([\w.]+)"', text)}
    assert named - {"me"} <= set(ASSETS)
