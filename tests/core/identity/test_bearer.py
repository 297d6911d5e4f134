"""The door, and the SDK's own clients in front of it: they find their way with nothing but their credentials."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from mcp import Client as McpClient
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.streamable_http import streamable_http_client

from core.application import Application
from core.asgi import AsgiApp
from core.errors import IssuerUnavailable
from core.http import Request, Response
from core.identity.bearer import BearerDoor
from core.identity.issuers import parse_issuers
from core.identity.principal import Principal
from core.identity.resource_metadata import ResourceMetadata
from core.identity.tokens import TokenVerifier
from core.settings import Settings
from local.emulators.issuer import Client, Issuer, Resource, running_issuer
from tests.core.fixture_tools import FIXTURE_TOOLS, granting

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Memory:
    def __init__(self) -> None:
        self.tokens: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return None

    async def set_client_info(self, client_info: Any) -> None:
        pass


@contextlib.contextmanager
def serving(door: BearerDoor, listener: socket.socket) -> Iterator[None]:
    application = Application(
        Settings(timeout=5), door.authenticate, tools=FIXTURE_TOOLS, grant_for=granting(FIXTURE_TOOLS)
    )
    server = uvicorn.Server(uvicorn.Config(AsgiApp(application), lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def world(shape: Any, platform: str, scope: str) -> Iterator[tuple[str, Issuer]]:
    """A server and an issuer in the ``shape`` of a platform; the operator configured the one to trust the other."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        scope = scope.replace("URL", url)
        agent = Client("agent", "a secret: +%/", public_key=PUBLIC_PEM, object_id="agent", scopes=frozenset({scope}))
        with running_issuer(Issuer(shape, [agent], [Resource(url)])) as running:
            text = f'[[issuer]]\nname = "i"\nplatform = "{platform}"\nissuer = "{running.issuer.issuers[0]}"\n'
            text += f'audience = "{url}"\nroles = ["{scope}"]\nclients = ["agent"]\n'
            accepted = parse_issuers(text, source="test")
            with serving(BearerDoor(TokenVerifier(accepted), ResourceMetadata(accepted)), listener):
                yield url, running.issuer


PLATFORMS = [
    ("entra", "azure", "Graph.Read"),
    ("cognito", "aws", "URL/read"),
    ("databricks", "databricks", "all-apis"),
    ("oidc", "oidc", "graph:read"),
]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform[1])
async def test_an_sdk_client_finds_its_way_with_nothing_but_its_credentials(
    platform: tuple[str, str, str], method: Any
) -> None:
    with world(*platform) as (url, issuer):
        auth: httpx2.Auth
        if method == "private_key_jwt":
            signing = SignedJWTParameters(issuer="agent", subject="agent", signing_key=PRIVATE_PEM)
            auth = PrivateKeyJWTOAuthProvider(
                url, Memory(), "agent", signing.create_assertion_provider(), issuer=issuer.issuers[0]
            )
        else:
            auth = ClientCredentialsOAuthProvider(
                url, Memory(), "agent", "a secret: +%/", token_endpoint_auth_method=method, issuer=issuer.issuers[0]
            )
        async with httpx2.AsyncClient(auth=auth) as http, McpClient(streamable_http_client(url, http_client=http)) as c:
            result = await c.call_tool("echo", {"text": "hi"})
            assert result.structured_content == {"echo": "hi", "principal": "agent"}


async def test_a_client_with_a_wrong_secret_gets_no_token_and_so_no_call() -> None:
    with world(*PLATFORMS[3]) as (url, issuer):
        auth = ClientCredentialsOAuthProvider(url, Memory(), "agent", "wrong", issuer=issuer.issuers[0])
        with pytest.raises(BaseExceptionGroup):
            async with httpx2.AsyncClient(auth=auth) as http, McpClient(streamable_http_client(url, http_client=http)):
                pass


ONE = parse_issuers(
    '[[issuer]]\nname = "a"\nplatform = "oidc"\nissuer = "https://a.example"\naudience = "x"\nroles = ["read"]',
    source="test",
)
KEY_PRINCIPAL = Principal("key", "api_key", "foundry-prod")


class Keys:
    async def verify(self, key: str) -> Principal | None:
        if key == "n4m_down":
            raise IssuerUnavailable("the keys cannot be read.")
        return KEY_PRINCIPAL if key == "n4m_right" else None


def request(*headers: tuple[str, str], method: str = "POST", path: str = "/mcp") -> Request:
    return Request(method, path, (("host", "graph.example"), *headers), b"", "r")


DOOR = BearerDoor(TokenVerifier(ONE), ResourceMetadata(ONE), api_keys=Keys())


async def refused(*headers: tuple[str, str], by: BearerDoor = DOOR) -> Response:
    answer = await by.authenticate(request(*headers))
    assert isinstance(answer, Response)
    return answer


async def test_who_brings_nothing_is_told_where_to_go_and_of_no_error() -> None:
    answer = await refused()
    assert (answer.status, answer.headers["www-authenticate"]) == (
        401,
        'Bearer scope="read", resource_metadata="https://graph.example/.well-known/oauth-protected-resource/mcp"',
    )


@pytest.mark.parametrize("path", ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"])
async def test_the_metadata_is_for_anyone_and_to_be_read_only(path: str) -> None:
    answer = await DOOR.authenticate(request(method="GET", path=path))
    assert isinstance(answer, Response)
    assert answer.status == 200
    assert json.loads(answer.body)["authorization_servers"] == ["https://a.example"]
    head = await DOOR.authenticate(request(method="HEAD", path=path))
    assert isinstance(head, Response)
    assert (head.status, head.body) == (200, b"")
    posted = await DOOR.authenticate(request(path=path))
    assert isinstance(posted, Response)
    assert (posted.status, posted.headers["allow"]) == (405, "GET, HEAD")
    nowhere = await DOOR.authenticate(Request("GET", path, (("host", "a b"),), b"", "r"))
    assert isinstance(nowhere, Response)
    assert nowhere.status == 400


@pytest.mark.parametrize(
    "header",
    [("x-api-key", "n4m_right"), ("authorization", "Bearer n4m_right"), ("authorization", "bEARER  n4m_right")],
)
async def test_an_api_key_may_stand_in_either_header(header: tuple[str, str]) -> None:
    assert await DOOR.authenticate(request(header)) is KEY_PRINCIPAL


@pytest.mark.parametrize(
    "headers",
    [
        [("x-api-key", "n4m_wrong")],
        [("x-api-key", "")],
        [("x-api-key", "a.b.c")],
        [("authorization", "Bearer n4m_wrong")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer a b")],
        [("authorization", "Basic bjRtX3JpZ2h0")],
        [("authorization", "n4m_right")],
        [("authorization", "Bearer n4m_right"), ("x-api-key", "n4m_right")],
        [("x-api-key", "n4m_right"), ("x-api-key", "n4m_wrong")],
        [("authorization", "Bearer n4m_right"), ("authorization", "Bearer n4m_right")],
    ],
)
async def test_any_other_credential_or_more_than_one_is_refused(headers: list[tuple[str, str]]) -> None:
    answer = await refused(*headers)
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert b"n4m_" not in answer.body


async def test_keys_out_of_reach_are_a_503_that_says_when_to_come_again() -> None:
    answer = await refused(("x-api-key", "n4m_down"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


async def test_a_door_without_keys_or_without_issuers_takes_none_of_them() -> None:
    assert (await refused(("x-api-key", "n4m_right"), by=BearerDoor(TokenVerifier(ONE)))).status == 401
    bare = BearerDoor(None, api_keys=Keys())
    answer = await refused(("authorization", "Bearer a.b.c"), by=bare)
    assert answer.status == 401
    assert "resource_metadata" not in answer.headers["www-authenticate"]
    path = "/.well-known/oauth-protected-resource"
    unserved = await bare.authenticate(request(method="GET", path=path))
    assert isinstance(unserved, Response)
    assert unserved.status == 401


class Anyone(TokenVerifier):
    async def verify(self, token: str) -> Principal:
        return Principal("oidc", "service_principal", "anyone")


async def test_a_token_does_not_pass_for_an_api_key() -> None:
    door = BearerDoor(Anyone(ONE), api_keys=Keys())
    assert isinstance(await door.authenticate(request(("authorization", "Bearer a.b.c"))), Principal)
    assert (await refused(("x-api-key", "a.b.c"), by=door)).status == 401


@pytest.mark.parametrize(
    ("headers", "reason"),
    [((), "the request carries no credential"), ((("x-api-key", "n4m_wrong"),), "the API key is not valid")],
)
async def test_the_log_says_why_a_caller_was_refused(
    headers: tuple[tuple[str, str], ...], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "core.identity.bearer"):
        await refused(*headers)
    assert [line.getMessage().partition(": ")[2] for line in caplog.records] == [reason]
