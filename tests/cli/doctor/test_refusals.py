"""How this project's own server refuses, with its real doors and a real issuer, and what ``doctor`` makes of that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from aws_lambda.identity import iam_caller
from cli.doctor.refusals import cause_of
from core.access.grant import Grant, read_only
from core.access.limits import CallLimits
from core.application import Application, Authenticate
from core.errors import SettingsError
from core.http import Request
from core.identity.bearer import BearerDoor
from core.identity.issuers import parse_issuers
from core.identity.principal import LOCAL_PRINCIPAL, Principal
from core.identity.resource_metadata import ResourceMetadata
from core.identity.tokens import TokenVerifier
from core.misconfigured import Misconfigured
from core.settings import Settings
from local.emulators.issuer import Issuer
from tests.core.identity.platforms import APP_ID, issuers, served

ACCEPT = ("accept", "application/json, text/event-stream")
JSON = ("content-type", "application/json")
PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'


async def nobody(request: Request) -> Principal:
    return LOCAL_PRINCIPAL


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with served({"azure": issuers()["azure"]}) as running:
        yield running["azure"]


def door_of(issuer: Issuer, **options: str) -> BearerDoor:
    text = f'[[issuer]]\nname = "only"\nplatform = "azure"\nissuer = "{issuer.issuers[0]}"\naudience = "{APP_ID}"\n'
    accepted = parse_issuers(text + "".join(f"{name} = {value}\n" for name, value in options.items()), source="test")
    return BearerDoor(TokenVerifier(accepted), ResourceMetadata(accepted))


async def remedy(
    server: Application | Misconfigured | Authenticate,
    token: str = "",
    path: str = "/mcp",
    platform: str | None = None,
    **options: Any,
) -> str:
    """What ``doctor`` says mends the refusal of a call with ``token``."""
    if not isinstance(server, Application | Misconfigured):
        server = Application(Settings(), server, **options)
    headers = [ACCEPT, JSON]
    if token:
        headers.append(("authorization", f"Bearer {token}"))
    response = await server.handle(Request("POST", path, tuple(headers), PING, "1"))
    answer = httpx2.Response(response.status, headers=response.headers, content=response.body)
    assert answer.status_code >= 400
    _, mends = cause_of(answer, platform, "--id agent")
    return mends


async def test_a_call_without_a_credential_needs_one(issuer: Issuer) -> None:
    assert await remedy(door_of(issuer).authenticate) == (
        "Choose a proof with --auth. If one was sent, a proxy in front of the server has removed it."
    )


async def test_a_token_of_another_issuer_is_led_to_the_page_of_texts(issuer: Issuer) -> None:
    stranger = issuer.token("agent", iss="https://unknown.example")
    assert "docs/troubleshooting.md" in await remedy(door_of(issuer).authenticate, stranger)


async def test_a_call_that_nobody_signed_is_led_to_the_page_of_texts() -> None:
    assert "docs/troubleshooting.md" in await remedy(iam_caller)


async def test_an_expired_token_is_an_old_token_or_a_wrong_clock(issuer: Issuer) -> None:
    expired = issuer.token("agent", exp=int(time.time()) - 3600)
    assert "look at the clocks" in await remedy(door_of(issuer).authenticate, expired)


async def test_a_token_for_another_audience_is_asked_for_with_another_scope(issuer: Issuer) -> None:
    elsewhere = issuer.token("agent", aud="api://elsewhere")
    assert "--scope" in await remedy(door_of(issuer).authenticate, elsewhere)


async def test_a_token_without_the_role_needs_the_role(issuer: Issuer) -> None:
    door = door_of(issuer, roles='["Graph.Never"]')
    assert "Give the caller a role or scope" in await remedy(door.authenticate, issuer.token("agent"))


async def test_an_issuer_out_of_reach_needs_a_way_to_it() -> None:
    with served({"azure": issuers()["azure"]}) as running:
        door, token = door_of(running["azure"]), running["azure"].token("agent")
    assert "open the way from the server to them" in await remedy(door.authenticate, token)


async def test_a_caller_whom_no_rule_admits_needs_a_rule(issuer: Issuer) -> None:
    mends = await remedy(door_of(issuer).authenticate, issuer.token("agent"), grant_for=lambda principal: None)
    assert mends.startswith("Add a rule")
    assert mends.endswith("--id agent")


@pytest.mark.parametrize("platform", ["aws", "azure", "databricks", None])
async def test_a_caller_with_too_many_calls_is_not_told_of_the_platforms_limits(platform: str | None) -> None:
    def once_a_minute(principal: Principal) -> Grant:
        return replace(read_only(principal), limits=CallLimits(calls_per_minute=1))

    application = Application(Settings(), nobody, grant_for=once_a_minute)
    served = await application.handle(Request("POST", "/mcp", (ACCEPT, JSON), PING, "1"))
    assert served.status == 200
    assert "limits of this caller's rule" in await remedy(application, platform=platform)


@pytest.mark.parametrize("platform", ["aws", "azure", "databricks", None])
async def test_a_failure_of_the_server_itself_is_in_its_own_log(platform: str | None) -> None:
    async def broken(request: Request) -> Principal:
        raise RuntimeError("canary-unforeseen")

    assert await remedy(broken, platform=platform) == "Look at the server's log."


async def test_a_path_where_nothing_is_ends_in_mcp(issuer: Issuer) -> None:
    assert await remedy(door_of(issuer).authenticate, issuer.token("agent"), "/sse") == "End the URL in /mcp."


async def test_a_host_that_is_not_served_is_called_by_another_name(issuer: Issuer) -> None:
    mends = await remedy(door_of(issuer).authenticate, allowed_hosts=frozenset({"localhost"}))
    assert mends.startswith("Call the server by localhost")


async def test_a_server_with_a_wrong_setting_says_so_in_its_log() -> None:
    assert "names the setting" in await remedy(Misconfigured(SettingsError("NEO4J_URI: must look like a URL")))
