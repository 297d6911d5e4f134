from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.errors import Unauthenticated
from local.emulators.issuer import Client, Issuer, Resource, User, running_issuer
from tests.local.emulators.issuer.asking import (
    AGENT,
    ALICE,
    BOB,
    PASSWORD,
    Response,
    an_issuer,
    ask,
    older_endpoint,
    unverified,
    verifier,
)


@pytest.fixture(scope="module")
def entra() -> Iterator[Issuer]:
    with running_issuer(an_issuer("entra")) as running:
        yield running.issuer


@pytest.fixture(scope="module")
def oidc() -> Iterator[Issuer]:
    with running_issuer(an_issuer("oidc")) as running:
        yield running.issuer


def sign_in(issuer: Issuer, user: User = ALICE, *, at: str | None = None, **form: str) -> Response:
    return ask(issuer, AGENT, at=at, grant_type="password", username=user.name, password=user.password, **form)


def test_entras_newer_token_names_user_and_client(entra: Issuer) -> None:
    status, answer = sign_in(entra, scope="api://neo4j/.default")
    claims = unverified(answer["access_token"])
    assert status == 200
    assert answer["scope"] == "api://neo4j/read api://neo4j/write"
    expected = {"ver": "2.0", "aud": "guid-neo4j", "oid": "oid-alice", "azp": "agent", "scp": "read write"}
    assert (expected | {"idtyp": "user", "preferred_username": ALICE.name}).items() <= claims.items()
    assert not claims.keys() & {"roles", "upn", "appid", "xms_mirid"}


async def test_entras_older_token_does_in_other_words_and_is_verified(entra: Issuer) -> None:
    status, answer = sign_in(entra, at=older_endpoint(entra), resource="api://older")
    claims = unverified(answer["access_token"])
    assert status == 200
    expected = {"ver": "1.0", "aud": "api://older", "appid": "agent", "upn": ALICE.name, "idtyp": "user"}
    assert expected.items() <= claims.items()
    assert not claims.keys() & {"azp", "preferred_username", "app_displayname", "roles"}
    principal = await verifier(entra, "api://older").verify(answer["access_token"])
    assert (principal.kind, principal.id, principal.name) == ("user_on_behalf", "oid-alice", ALICE.name)


def test_the_subject_in_entras_tokens_is_another_for_each_resource(entra: Issuer) -> None:
    tokens = [sign_in(entra, scope=f"{name}/.default")[1]["access_token"] for name in ("api://mcp", "api://neo4j")]
    first, second = map(unverified, tokens)
    assert first["sub"] != second["sub"]
    assert first["oid"] == second["oid"] not in (first["sub"], second["sub"])


async def test_application_roles_of_a_user_stand_beside_the_scopes(entra: Issuer) -> None:
    answer = sign_in(entra, BOB, scope="api://mcp/.default")[1]
    assert (await verifier(entra, "guid-mcp").verify(answer["access_token"])).roles == {"Graph.Admin", "read"}


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("api://mcp/read", "read"),
        ("api://mcp/read api://mcp/write", "read write"),
        ("openid offline_access api://mcp/.default profile", "read write"),
        ("guid-mcp/.default", "read write"),
    ],
)
def test_entra_is_asked_for_scopes_of_one_resource(entra: Issuer, scope: str, granted: str) -> None:
    status, answer = sign_in(entra, scope=scope)
    assert (status, unverified(answer["access_token"])["scp"]) == (200, granted)


@pytest.mark.parametrize(
    ("scope", "code", "number"),
    [
        ("", "invalid_request", 900144),
        ("openid", "invalid_request", 900144),
        ("api://mcp/.default api://neo4j/.default", "invalid_scope", 28000),
        ("api://mcp/.default api://mcp/read", "invalid_scope", 70011),
        ("api://mcp/admin", "invalid_grant", 65001),
    ],
)
def test_entra_says_by_number_which_scopes_are_not_available(entra: Issuer, scope: str, code: str, number: int) -> None:
    status, answer = sign_in(entra, scope=scope)
    assert (status, answer["error"], answer["error_codes"]) == (400, code, [number])
    assert answer["error_description"].startswith(f"AADSTS{number}: ")


def test_a_resource_that_there_is_not_is_refused(entra: Issuer, oidc: Issuer) -> None:
    assert sign_in(entra, scope="api://nowhere/read")[1]["error"] == "invalid_resource"
    assert sign_in(entra, scope="read")[1]["error"] == "invalid_resource"
    assert sign_in(oidc, resource="api://nowhere")[1]["error"] == "invalid_target"


def test_a_wrong_password_is_refused_as_entra_does(entra: Issuer) -> None:
    form = {"grant_type": "password", "username": ALICE.name, "scope": "api://mcp/.default"}
    for password in ("wrong", PASSWORD.upper(), PASSWORD + " ", ""):
        status, answer = ask(entra, AGENT, **form, password=password)
        assert (status, answer["error"], answer["error_codes"]) == (400, "invalid_grant", [50126])
        assert "invalid username or password" in answer["error_description"]
        assert answer.keys() >= {"trace_id", "correlation_id", "timestamp", "error_uri"}


def test_the_right_password_is_of_no_use_without_the_clients_secret(entra: Issuer) -> None:
    stranger = Client(AGENT.id, "wrong")
    form = {"grant_type": "password", "username": ALICE.name, "password": PASSWORD, "scope": "api://mcp/.default"}
    status, answer = ask(entra, stranger, **form)
    assert (status, answer["error"]) == (401, "invalid_client")


def test_nobody_signs_in_to_an_account_without_a_password() -> None:
    with running_issuer(an_issuer("oidc", users=[User("locked", "")])) as running:
        status, answer = ask(running.issuer, AGENT, grant_type="password", username="locked")
    assert (status, answer["error"]) == (400, "invalid_grant")


def test_elsewhere_than_at_entra_the_scope_narrows_the_token(oidc: Issuer) -> None:
    status, answer = sign_in(oidc, resource="api://neo4j", scope="read")
    claims = unverified(answer["access_token"])
    assert (status, answer["scope"]) == (200, "read")
    expected = {"sub": "oid-alice", "client_id": "agent", "scope": "read", "aud": "api://neo4j"}
    assert expected.items() <= claims.items()
    status, answer = sign_in(oidc, scope="read admin")
    assert (status, answer["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("shape", ["databricks", "cognito"])
async def test_a_workspaces_or_pools_user_has_tokens_from_tests_only(shape: str) -> None:
    with running_issuer(an_issuer(shape)) as running:
        issuer = running.issuer
        status, answer = sign_in(issuer)
        assert (status, answer["error"]) == (400, "unsupported_grant_type")
        token = issuer.user_token("agent", ALICE.name)
        principal = await verifier(issuer, "agent" if shape == "cognito" else "api://mcp").verify(token)
    assert (principal.kind, principal.id, principal.roles) == ("user_on_behalf", "oid-alice", {"read", "write"})


async def test_a_test_may_change_and_remove_claims_of_a_users_token(entra: Issuer) -> None:
    token = entra.user_token("agent", ALICE.name, scp="read", idtyp=None, exp=1)
    claims = unverified(token)
    assert (claims["scp"], "idtyp" in claims) == ("read", False)
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier(entra, "guid-mcp").verify(token)
    without = entra.user_token("agent", ALICE.name, idtyp=None)
    assert (await verifier(entra, "guid-mcp").verify(without)).kind == "user_on_behalf"


def test_a_token_of_whom_nobody_knows_is_a_clear_error(entra: Issuer) -> None:
    with pytest.raises(LookupError, match="user carol"):
        entra.user_token("agent", "carol")
    with pytest.raises(LookupError, match="client nobody"):
        entra.user_token("nobody", ALICE.name)


def test_a_user_is_shown_without_the_password() -> None:
    assert "canary" not in repr(ALICE) + repr([BOB])
    assert User("carol", "x").id == "carol"


def test_a_client_signs_its_user_in_when_there_is_one_resource_only() -> None:
    with running_issuer(Issuer("oidc", [AGENT], [Resource("api://one")], users=[ALICE])) as running:
        assert unverified(sign_in(running.issuer)[1]["access_token"])["aud"] == "api://one"
