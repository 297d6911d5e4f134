from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import jwt
import pytest

from core.identity.issuers import parse_issuers
from core.identity.tokens import TokenVerifier
from local.emulators.issuer import Client, Issuer, Resource, User, running_issuer
from local.emulators.issuer.delegation import ACCESS_TOKEN
from local.emulators.issuer.issuer import JWT_BEARER, TOKEN_EXCHANGE

SERVER = Resource("api://mcp", "guid-mcp")
DATABASE = Resource("api://neo4j", "guid-neo4j")
OTHER = Resource("api://other", "guid-other")
ALICE = User("alice@contoso.example", "s3cret +%", "oid-alice", frozenset({"read", "write"}))
AGENT = Client("agent", "a")
MIDDLE = Client(
    "guid-mcp",
    "m",
    serves=frozenset({"guid-mcp", "api://mcp"}),
    may_ask_for=frozenset({"api://neo4j"}),
)


@pytest.fixture(scope="module", params=["entra", "oidc"])
def issuer(request: pytest.FixtureRequest) -> Iterator[Issuer]:
    made = Issuer(request.param, [AGENT, MIDDLE], [SERVER, DATABASE, OTHER], users=[ALICE], tenant="contoso")
    with running_issuer(made) as running:
        yield running.issuer


def ask(issuer: Issuer, client: Client, **form: str) -> tuple[int, dict[str, Any]]:
    fields = {"client_id": client.id, "client_secret": client.secret or "", **form}
    with httpx2.Client(trust_env=False) as http:
        response = http.post(issuer.token_url, data=fields)
    return response.status_code, response.json()


def sign_in(issuer: Issuer, **changed: str) -> tuple[int, dict[str, Any]]:
    form = {"grant_type": "password", "username": ALICE.name, "password": ALICE.password}
    where = {"scope": "api://mcp/.default"} if issuer.shape == "entra" else {"resource": "api://mcp"}
    return ask(issuer, AGENT, **{**form, **where, **changed})


def swap(issuer: Issuer, token: str, *, to: str = "api://neo4j", client: Client = MIDDLE, **changed: str) -> Any:
    if issuer.shape == "entra":
        form = {"grant_type": JWT_BEARER, "assertion": token, "requested_token_use": "on_behalf_of"}
        return ask(issuer, client, **{**form, "scope": f"{to}/.default", **changed})
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    return ask(issuer, client, **{**form, "audience": to, **changed})


def verifier(issuer: Issuer, audience: str) -> TokenVerifier:
    platform = "azure" if issuer.shape == "entra" else "oidc"
    text = f'[[issuer]]\nname = "t"\nplatform = "{platform}"\nissuer = "{issuer.issuers[0]}"\n'
    return TokenVerifier(parse_issuers(text + f'audience = ["{audience}"]\napp_only = false\n', source="test"))


def audience(issuer: Issuer, resource: Resource) -> str:
    return resource.app_id if issuer.shape == "entra" else resource.identifier


async def test_a_user_signs_in_with_a_password_and_is_known_as_a_user(issuer: Issuer) -> None:
    status, answer = sign_in(issuer)
    assert status == 200
    principal = await verifier(issuer, audience(issuer, SERVER)).verify(answer["access_token"])
    assert (principal.kind, principal.id) == ("user_on_behalf", "oid-alice")
    assert principal.roles == {"read", "write"}


@pytest.mark.parametrize("changed", [{"password": "wrong"}, {"username": "nobody"}, {"password": ""}])
def test_a_wrong_password_is_refused(issuer: Issuer, changed: dict[str, str]) -> None:
    status, answer = sign_in(issuer, **changed)
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert issuer.shape != "entra" or "AADSTS50126" in answer["error_description"]


async def test_a_users_token_is_exchanged_for_one_that_is_addressed_elsewhere(issuer: Issuer) -> None:
    subject = sign_in(issuer)[1]["access_token"]
    status, answer = swap(issuer, subject)
    assert status == 200
    principal = await verifier(issuer, audience(issuer, DATABASE)).verify(answer["access_token"])
    assert (principal.kind, principal.id) == ("user_on_behalf", "oid-alice")
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    if issuer.shape == "entra":
        assert claims["azp"] == MIDDLE.id
    else:
        assert claims["act"] == {"sub": MIDDLE.id}
        assert answer["issued_token_type"] == ACCESS_TOKEN


def test_what_may_not_be_exchanged_is_refused(issuer: Issuer) -> None:
    subject = issuer.user_token("agent", ALICE.name)
    over = issuer.user_token("agent", ALICE.name, exp=int(time.time()) - 1)
    elsewhere = issuer.user_token("agent", ALICE.name, aud=audience(issuer, OTHER))
    machine = issuer.token("agent")
    head, body, signature = subject.split(".")
    stranger = issuer.user_token("agent", ALICE.name, oid="oid-x", **({"sub": "x"} if issuer.shape == "oidc" else {}))
    entra, oidc = issuer.shape == "entra", issuer.shape == "oidc"
    for refused, code in [
        (swap(issuer, over), "AADSTS500133"),
        (swap(issuer, elsewhere), "AADSTS500131"),
        (swap(issuer, machine), "AADSTS7000114"),
        (swap(issuer, f"{head}.{body}.{signature[::-1]}"), "AADSTS50013"),
        (swap(issuer, "no token"), "AADSTS50013"),
        (swap(issuer, subject, to="api://other"), "AADSTS65001"),
        (swap(issuer, subject, to="api://nowhere"), "AADSTS500011"),
        (swap(issuer, subject, client=AGENT), "AADSTS500131"),
        (swap(issuer, stranger), ""),
    ]:
        assert refused[0] == 400, refused
        assert not entra or code in refused[1]["error_description"]
    assert swap(issuer, subject)[0] == 200
    for changed in [{"requested_token_use": "other"}] if entra else []:
        assert swap(issuer, subject, **changed)[0] == 400
    for changed in [{"subject_token_type": "x"}, {"requested_token_type": "x"}, {"scope": "admin"}] if oidc else []:
        assert swap(issuer, subject, **changed)[0] == 400


def test_an_exchanged_token_ends_no_later_and_may_no_more_than_the_one_it_came_from(issuer: Issuer) -> None:
    if issuer.shape != "oidc":
        return
    soon = int(time.time()) + 30
    subject = issuer.user_token("agent", ALICE.name, exp=soon, scope="read")
    answer = swap(issuer, subject)[1]
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["exp"] == soon
    assert (claims["scope"], answer["expires_in"] <= 30) == ("read", True)
    assert swap(issuer, subject, scope="read write")[0] == 400


def test_an_issuer_without_users_knows_none_of_these_grants() -> None:
    with running_issuer(Issuer("oidc", [AGENT], [SERVER])) as running:
        status, answer = sign_in(running.issuer)
    assert (status, answer["error"]) == (400, "unsupported_grant_type")
