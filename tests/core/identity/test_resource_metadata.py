from __future__ import annotations

import json
import re
from typing import Any

import pytest

from core.http import Request
from core.identity.issuers import TrustedIssuer, parse_issuers
from core.identity.resource_metadata import ResourceMetadata, challenge

TWO = parse_issuers(
    """
[[issuer]]
name = "a"
platform = "azure"
issuer = ["https://login.example/t/v2.0", "https://sts.example/t/"]
audience = "api://neo4j"
[[issuer]]
name = "b"
platform = "databricks"
issuer = "https://w.example/oidc"
audience = "1234"
""",
    source="i",
)


def get(path: str = "/mcp", *headers: tuple[str, str]) -> Request:
    return Request("GET", path, headers or (("host", "graph.example"),), b"", "r")


def document(
    issuers: tuple[TrustedIssuer, ...] = TWO, request: Request | None = None, **options: Any
) -> dict[str, Any]:
    written = ResourceMetadata(issuers, **options).document(request or get())
    assert written is not None
    parsed: dict[str, Any] = json.loads(written)
    return parsed


def test_the_document_says_where_tokens_for_this_server_come_from() -> None:
    assert document(TWO[:1], resource="https://graph.example/mcp", name="Flights") == {
        "resource": "https://graph.example/mcp",
        "authorization_servers": ["https://login.example/t/v2.0", "https://sts.example/t/"],
        "scopes_supported": ["api://neo4j/.default"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Flights",
    }


def test_scopes_that_only_one_of_several_issuers_knows_are_not_told() -> None:
    # A client asks its issuer for all that it is told, and would be refused for what is another's.
    assert "scopes_supported" not in document()


@pytest.mark.parametrize(
    ("host", "resource"),
    [
        ("graph.example", "https://graph.example/mcp"),
        ("GRAPH.example:8443", "https://graph.example:8443/mcp"),
        ("localhost:8000", "http://localhost:8000/mcp"),
        ("[::1]:8000", "http://[::1]:8000/mcp"),
    ],
)
def test_without_a_configured_address_the_host_of_the_request_is_taken(host: str, resource: str) -> None:
    assert document(request=get("/x", ("host", host)))["resource"] == resource


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("a.example", "b.example"),
        ("",),
        ('a.example", x="y',),
        ("a.example\r\nx: y",),
        ("a.example/evil",),
        ("user@a.example",),
        ("a.example:port",),
        ("ä.example",),
        ("a" * 300,),
    ],
)
def test_an_invalid_host_is_never_repeated(hosts: tuple[str, ...]) -> None:
    request = Request("GET", "/mcp", tuple(("host", host) for host in hosts), b"", "r")
    metadata = ResourceMetadata(TWO)
    assert metadata.document(request) is None
    assert metadata.url(request) is None


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://graph.example/mcp", "https://graph.example/.well-known/oauth-protected-resource/mcp"),
        ("https://graph.example/api/mcp", "https://graph.example/.well-known/oauth-protected-resource/api/mcp"),
        ("https://graph.example", "https://graph.example/.well-known/oauth-protected-resource"),
    ],
)
def test_the_well_known_name_stands_between_host_and_path(resource: str, url: str) -> None:
    metadata = ResourceMetadata(TWO, resource=resource)
    assert metadata.url(get()) == url
    assert metadata.is_at(url.removeprefix("https://graph.example"))
    assert metadata.is_at("/.well-known/oauth-protected-resource")
    assert metadata.is_at("/.well-known/oauth-protected-resource/mcp")
    assert not metadata.is_at("/.well-known/oauth-protected-resource/other")
    assert not metadata.is_at("/mcp")


def test_a_challenge_names_its_parameters_in_quotes() -> None:
    assert challenge() == "Bearer"
    assert challenge(error="invalid_token", scope=None, resource_metadata="https://a.example/x") == (
        'Bearer error="invalid_token", resource_metadata="https://a.example/x"'
    )


@pytest.mark.parametrize("evil", ['x", error="y', "x\r\nset-cookie: y", "x\\", "ü", "x\x00", "x\ty"])
def test_no_value_leaves_its_quotes_or_its_header(evil: str) -> None:
    assert re.fullmatch(r'Bearer scope="[\x20\x21\x23-\x5b\x5d-\x7e]*"', challenge(scope=evil))
