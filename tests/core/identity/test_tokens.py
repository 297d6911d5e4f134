from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import Forbidden, IssuerUnavailable, Unauthenticated
from core.fetch import FetchFailed, fetch
from core.identity.issuers import TrustedIssuer, parse_issuers
from core.identity.tokens import TokenVerifier
from local.emulators.issuer import Client, Issuer, Resource, running_issuer
from tests.core.identity.platforms import accepting, issuers, served


@pytest.fixture(scope="module")
def of() -> Iterator[dict[str, Issuer]]:
    with served(issuers()) as running:
        yield running


def only(issuer: Issuer, platform: str, **options: Any) -> tuple[TrustedIssuer, ...]:
    text = f'[[issuer]]\nname = "only"\nplatform = "{platform}"\nissuer = "{issuer.issuers[0]}"\n'
    text += 'audience = "api://neo4j"\n' + "".join(f"{name} = {value}\n" for name, value in options.items())
    return parse_issuers(text, source="test")


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


async def test_nothing_is_fetched_before_a_token_needs_it(of: dict[str, Issuer]) -> None:
    fetched: list[str] = []

    async def counting(url: str) -> bytes:
        fetched.append(url)
        return await fetch(url)

    verifier = TokenVerifier(accepting(of), fetch=counting)
    with pytest.raises(Unauthenticated):
        await verifier.verify("x.y.z")
    with pytest.raises(Unauthenticated, match="issuer"):
        await verifier.verify(of["azure"].token("agent", iss="https://unknown.example"))
    assert fetched == []
    await verifier.verify(of["azure"].token("agent"))
    assert len(fetched) == 2
    for _ in range(10):
        await verifier.verify(of["azure"].token("agent", nonce_of_test=_))
    assert len(fetched) == 2


async def test_a_remembered_token_ends_with_its_expiry(of: dict[str, Issuer]) -> None:
    clock = Clock()
    verifier = TokenVerifier(accepting(of), clock=clock)
    token = of["oidc"].token("agent", exp=int(time.time()) + 60)
    first = await verifier.verify(token)
    assert await verifier.verify(token) is first
    clock.ahead = 89
    assert await verifier.verify(token) is first
    clock.ahead = 91
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.verify(token)


async def test_a_remembered_token_ends_with_its_key() -> None:
    clock = Clock()
    with served({"oidc": issuers()["oidc"]}) as of:
        verifier = TokenVerifier(accepting(of), clock=clock)
        token = of["oidc"].token("agent")
        await verifier.verify(token)
        of["oidc"].keys.rotate(keep=0)
        clock.ahead = 601
        with pytest.raises(Unauthenticated, match="key"):
            await verifier.verify(token)


async def test_no_more_than_a_bounded_number_of_tokens_is_remembered(
    of: dict[str, Issuer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.identity.tokens._REMEMBERED_LIMIT", 3)
    verifier = TokenVerifier(accepting(of))
    for number in range(10):
        await verifier.verify(of["oidc"].token("agent", number=number))
    assert len(verifier._remembered) == 3


async def test_a_refused_token_is_refused_again(of: dict[str, Issuer]) -> None:
    verifier = TokenVerifier(accepting(of))
    token = of["oidc"].token("agent", scope="other")
    for _ in range(2):
        with pytest.raises(Forbidden) as caught:
            await verifier.verify(token)
        assert caught.value.scopes == ("read",)


async def test_after_a_rotation_old_and_new_tokens_are_accepted() -> None:
    with served({"azure": issuers()["azure"]}) as of:
        verifier = TokenVerifier(accepting(of))
        old = of["azure"].token("agent")
        await verifier.verify(old)
        of["azure"].keys.rotate()
        await verifier.verify(of["azure"].token("agent"))
        await verifier.verify(old)


async def test_with_its_issuer_out_of_reach_a_token_is_neither_accepted_nor_refused(of: dict[str, Issuer]) -> None:
    async def nothing(url: str) -> bytes:
        raise FetchFailed("it answered with status 500")

    with pytest.raises(IssuerUnavailable):
        await TokenVerifier(accepting(of), fetch=nothing).verify(of["azure"].token("agent"))


async def test_a_genuine_token_of_a_platform_that_is_not_configured_is_refused(of: dict[str, Issuer]) -> None:
    verifier = TokenVerifier(accepting({"azure": of["azure"]}))
    with pytest.raises(Unauthenticated, match="issuer"):
        await verifier.verify(of["aws"].token("agent", aud="api://neo4j"))


@pytest.mark.parametrize(("name", "platform"), [("aws", "azure"), ("databricks", "azure"), ("azure", "aws"),
                                                ("oidc", "aws"), ("azure", "databricks")])  # fmt: skip
async def test_an_issuer_that_is_configured_as_one_of_another_platform_gets_nobody_in(
    of: dict[str, Issuer], name: str, platform: str
) -> None:
    verifier = TokenVerifier(only(of[name], platform, app_only="false"))
    with pytest.raises(Unauthenticated):
        await verifier.verify(of[name].token("agent", aud="api://neo4j"))


@pytest.mark.parametrize(
    ("name", "claims", "id_", "roles"),
    [
        ("azure", {"oid": "o-1", "sub": "s-1", "scp": "Graph.Read Graph.Write", "roles": None, "aud": "api://neo4j"},
         "o-1", {"Graph.Read", "Graph.Write"}),
        ("aws", {"sub": "s-1", "username": "ada", "cognito:groups": ["g"]}, "s-1", {"api://neo4j/read", "g"}),
        ("databricks", {"sub": "ada@contoso.example"}, "ada@contoso.example", {"all-apis"}),
        ("oidc", {"sub": "s-1", "scp": ["a"]}, "s-1", {"read", "a"}),
    ],
)  # fmt: skip
async def test_a_users_token_names_the_user_where_users_are_allowed(
    of: dict[str, Issuer], name: str, claims: dict[str, Any], id_: str, roles: set[str]
) -> None:
    principal = await TokenVerifier(only(of[name], name, app_only="false")).verify(of[name].token("agent", **claims))
    assert (principal.kind, principal.id, principal.roles) == ("user_on_behalf", id_, roles)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "agent"},
        {"sub": "agent@clients"},
        {"sub": "8f3e", "preferred_username": "service-account-agent"},
        {"client_id": None, "azp": "agent", "sub": "agent"},
        {"client_id": None, "cid": "agent", "sub": "agent"},
    ],
    ids=["RFC 9068", "Auth0", "Keycloak", "azp", "Okta"],
)
async def test_an_applications_token_is_known_as_such_at_every_provider(
    of: dict[str, Issuer], claims: dict[str, Any]
) -> None:
    principal = await TokenVerifier(only(of["oidc"], "oidc")).verify(of["oidc"].token("agent", **claims))
    assert (principal.kind, principal.id) == ("service_principal", "agent")


@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": None},
        {"client_id": ""},
        {"client_id": 7},
        {"client_id": "agent\nuser=admin"},
        {"sub": "ada\nuser=admin"},
        {"sub": None},
        {"client_id": "a" * 600},
        {"client_id": "\ud800"},
        {"scope": {"read": 1}},
        {"scope": [1]},
        {"aud": ["api://neo4j", 7]},
        {"exp": True},
        {"exp": 10**400},
        {"nbf": "soon"},
    ],
)
async def test_claims_of_another_form_are_refused(of: dict[str, Issuer], claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        await TokenVerifier(only(of["oidc"], "oidc", app_only="false")).verify(of["oidc"].token("agent", **claims))


async def test_a_name_is_only_shown_and_cannot_break_a_line(of: dict[str, Issuer]) -> None:
    verifier = TokenVerifier(only(of["oidc"], "oidc", app_only="false"))
    principal = await verifier.verify(of["oidc"].token("agent", sub="u", preferred_username="a\nb" + "c" * 999))
    assert principal.name.startswith("a bccc")
    assert len(principal.name) == 200


async def test_one_key_set_serves_an_issuer_whose_place_is_configured() -> None:
    client = Client("agent", "s", object_id="o", scopes=frozenset({"r"}))
    with running_issuer(Issuer("entra", [client], [Resource("api://neo4j", "api://neo4j")])) as running:
        issuer = running.issuer
        text = f'[[issuer]]\nname = "a"\nplatform = "azure"\nissuer = ["{issuer.issuers[0]}", "{issuer.issuers[1]}"]\n'
        text += f'audience = "api://neo4j"\njwks_uri = "{issuer.url}/{issuer.tenant}/discovery/keys"\n'
        verifier = TokenVerifier(parse_issuers(text, source="test"))
        for iss in issuer.issuers:
            await verifier.verify(issuer.token("agent", iss=iss))
        assert [path for _, path in running.app.requests] == [f"/{issuer.tenant}/discovery/keys"]
