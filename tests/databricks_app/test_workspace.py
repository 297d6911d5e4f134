"""Where a workspace's tokens are issued, as the workspace says it, beside what databricks-sdk makes of the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from databricks.sdk.config import Config
from pydantic import SecretStr

from databricks_app.workspace import Workspace
from local.emulators.http_front import Answer, HttpFront, json_answer
from local.emulators.loopback_server import served

if TYPE_CHECKING:
    from core.asgi import Receive, Scope

ACCOUNT = "0d26daa6-5e44-4c97-a497-ef015f91254a"


class Host(HttpFront):
    """A host that publishes ``said`` of itself."""

    said: Any = None
    url = ""

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        if scope["path"] != "/.well-known/databricks-config" or self.said is None:
            return json_answer(404, {})
        if isinstance(self.said, bytes):
            return 200, [("content-type", "application/json")], self.said
        return json_answer(200, json.loads(json.dumps(self.said).replace("HOST", self.url)))


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    host = Host()
    with served(host, name="a host", bound=lambda url: setattr(host, "url", url)):
        yield host


def told(host: Host, workspace_id: str | None = "42") -> Workspace:
    return Workspace(host.url, workspace_id, "app", SecretStr("canary-apps-secret"))


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"oidc_endpoint": "HOST/oidc"}, "/oidc"),
        ({"oidc_endpoint": "HOST/oidc/"}, "/oidc"),
        ({"oidc_endpoint": "HOST/oidc/accounts/{account_id}", "account_id": ACCOUNT}, f"/oidc/accounts/{ACCOUNT}"),
    ],
)
async def test_tokens_are_issued_where_the_workspace_says_and_the_sdk_finds_the_same(
    host: Host, said: dict[str, str], path: str
) -> None:
    host.said = said
    workspace = await told(host).discovered()
    assert workspace.issuer == host.url + path
    assert f'issuer = "{host.url}{path}"' in workspace.issuers()
    found = Config(host=host.url, token="canary-a-token", auth_type="pat").discovery_url
    assert found == f"{workspace.issuer}/.well-known/oauth-authorization-server"


@pytest.mark.parametrize(
    "said",
    [
        None,
        b"{",
        b"[]",
        {},
        {"oidc_endpoint": 7},
        {"oidc_endpoint": "https://evil.example/oidc"},
        {"oidc_endpoint": "HOST.evil.example/oidc"},
        {"oidc_endpoint": "HOST@evil.example/oidc"},
        {"oidc_endpoint": "HOST/oidc?x=1"},
        {"oidc_endpoint": 'HOST/oidc"\nname = "x'},
        {"oidc_endpoint": "HOST/oidc/accounts/{account_id}"},
        {"oidc_endpoint": "HOST/oidc/accounts/{account_id}", "account_id": "../.."},
    ],
)
async def test_a_workspace_that_says_nothing_usable_issues_its_tokens_where_it_is_usual(host: Host, said: Any) -> None:
    host.said = said
    workspace = await told(host).discovered()
    assert replace(workspace, id="42") == told(host)
    assert workspace.issuer == f"{host.url}/oidc"


async def test_an_id_that_the_platform_did_not_tell_is_the_one_that_the_workspace_publishes(host: Host) -> None:
    host.said = {"oidc_endpoint": "HOST/oidc", "workspace_id": "4711"}
    assert (await told(host, None).discovered()).id == "4711"
    assert (await told(host).discovered()).id == "42"
    host.said = {"oidc_endpoint": "HOST/oidc", "workspace_id": "none"}
    assert (await told(host, None).discovered()).id is None


async def test_a_host_that_cannot_be_reached_is_no_reason_not_to_start() -> None:
    workspace = Workspace("http://127.0.0.1:9", "42", "app", SecretStr("canary-apps-secret"))
    assert await workspace.discovered() == workspace
