from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from local.emulators.issuer import Client, Issuer, User, running_issuer
from local.emulators.issuer.delegation import ACCESS_TOKEN
from local.emulators.issuer.issuer import TOKEN_EXCHANGE
from tests.local.emulators.issuer.asking import (
    AGENT,
    ALICE,
    BOB,
    MIDDLE,
    Response,
    an_issuer,
    ask,
    unverified,
    verifier,
)

JWT = "urn:ietf:params:oauth:token-type:jwt"
STRANGERS_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NEXT = Client("next", "canary-nexts-secret", serves=frozenset({"api://neo4j"}), may_ask_for=frozenset({"api://other"}))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer(an_issuer("oidc", NEXT)) as running:
        yield running.issuer


def exchange(issuer: Issuer, token: str, *, client: Client = MIDDLE, **form: str) -> Response:
    asked = {"audience": "api://neo4j", "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    return ask(issuer, client, grant_type=TOKEN_EXCHANGE, **{**asked, **form})


@pytest.mark.parametrize("named", [{"audience": "api://neo4j"}, {"audience": "", "resource": "api://neo4j"}])
async def test_the_new_token_is_the_users_and_says_who_acts(issuer: Issuer, named: dict[str, str]) -> None:
    status, answer = exchange(issuer, issuer.user_token("agent", ALICE.name), **named)
    assert status == 200
    assert answer.keys() == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (answer["issued_token_type"], answer["token_type"]) == (ACCESS_TOKEN, "Bearer")
    claims = unverified(answer["access_token"])
    expected = {"sub": "oid-alice", "aud": "api://neo4j", "client_id": MIDDLE.id, "act": {"sub": MIDDLE.id}}
    assert expected.items() <= claims.items()
    principal = await verifier(issuer, "api://neo4j").verify(answer["access_token"])
    assert (principal.kind, principal.id, principal.roles) == ("user_on_behalf", "oid-alice", {"read", "write"})


@pytest.mark.parametrize("subject_type", [ACCESS_TOKEN, JWT])
@pytest.mark.parametrize("requested", [ACCESS_TOKEN, JWT])
def test_an_access_token_is_a_jwt_and_may_be_called_so(issuer: Issuer, subject_type: str, requested: str) -> None:
    subject = issuer.user_token("agent", ALICE.name)
    status, answer = exchange(issuer, subject, subject_token_type=subject_type, requested_token_type=requested)
    assert (status, answer["issued_token_type"]) == (200, requested)


def test_the_new_token_may_do_less_never_more(issuer: Issuer) -> None:
    narrow = issuer.user_token("agent", ALICE.name, scope="read")
    for subject, scope in [(issuer.user_token("agent", ALICE.name), "read"), (narrow, ""), (narrow, "read")]:
        status, answer = exchange(issuer, subject, scope=scope)
        assert (status, answer["scope"]) == (200, "read")
        assert unverified(answer["access_token"])["scope"] == "read"
    for scope in ("write", "read write", "read admin"):
        status, answer = exchange(issuer, narrow, scope=scope)
        assert (status, answer["error"]) == (400, "invalid_scope")


def test_the_new_token_ends_no_later_than_the_old_one() -> None:
    now = [1_800_000_000.0]
    with running_issuer(an_issuer("oidc", clock=lambda: now[0], lifetime=100)) as running:
        subject = running.issuer.user_token("agent", ALICE.name)
        now[0] += 70
        status, answer = exchange(running.issuer, subject)
        assert (status, answer["expires_in"]) == (200, 30)
        assert unverified(answer["access_token"])["exp"] == unverified(subject)["exp"]
        running.issuer.lifetime = 5
        assert exchange(running.issuer, subject)[1]["expires_in"] == 5
        now[0] += 30
        assert exchange(running.issuer, subject)[1]["error"] == "invalid_request"


def test_a_chain_of_services_names_all_who_act(issuer: Issuer) -> None:
    first = exchange(issuer, issuer.user_token("agent", ALICE.name))[1]["access_token"]
    status, answer = exchange(issuer, first, client=NEXT, audience="api://other")
    claims = unverified(answer["access_token"])
    assert (status, claims["sub"], claims["client_id"]) == (200, "oid-alice", "next")
    assert claims["act"] == {"sub": "next", "act": {"sub": MIDDLE.id}}


def test_a_token_for_several_resources_is_for_each_of_them(issuer: Issuer) -> None:
    subject = issuer.user_token("agent", ALICE.name, aud=["api://other", "api://mcp"])
    assert exchange(issuer, subject)[0] == 200
    elsewhere = issuer.user_token("agent", ALICE.name, aud=["api://other", "api://neo4j", 7])
    assert exchange(issuer, elsewhere)[1]["error"] == "invalid_request"


def test_whoever_serves_nothing_exchanges_nothing() -> None:
    plain = replace(MIDDLE, serves=frozenset())
    made = Issuer("oidc", [AGENT, plain], an_issuer("oidc").resources, users=[ALICE])
    with running_issuer(made) as running:
        for audience in (plain.id, "api://mcp"):
            subject = running.issuer.user_token("agent", ALICE.name, aud=audience)
            assert exchange(running.issuer, subject)[1]["error"] == "invalid_request"


def test_an_applications_token_is_not_taken_for_that_of_a_user_with_the_same_id() -> None:
    with running_issuer(an_issuer("oidc", users=[User(AGENT.id, "canary-namesake")])) as running:
        status, answer = exchange(running.issuer, running.issuer.token(AGENT.id))
    assert (status, answer["error"]) == (400, "invalid_request")


def refusals(issuer: Issuer) -> dict[str, tuple[dict[str, Any], str]]:
    """By what is wrong: the request's token, client and form; the error that it must get."""
    subject = issuer.user_token("agent", ALICE.name)
    head, _, signature = subject.split(".")
    forged = jwt.encode(unverified(subject), STRANGERS_KEY, "RS256", headers={"kid": issuer.keys.current.kid})
    now = int(time.time())

    def changed(**claims: Any) -> dict[str, str]:
        return {"token": issuer.user_token("agent", ALICE.name, **claims)}

    return {
        "another's claims": (
            {"token": f"{head}.{issuer.user_token('agent', BOB.name).split('.')[1]}.{signature}"},
            "invalid_request",
        ),
        "forged": ({"token": forged}, "invalid_request"),
        "no token": ({"token": "x.y.z"}, "invalid_request"),
        "nothing": ({"token": ""}, "invalid_request"),
        "another issuer": (changed(iss="https://another.example"), "invalid_request"),
        "expired": (changed(exp=now - 1), "invalid_request"),
        "not yet valid": (changed(nbf=now + 600), "invalid_request"),
        "for another service": (changed(aud="api://other"), "invalid_request"),
        "for the database": (changed(aud="api://neo4j"), "invalid_request"),
        "for nobody": (changed(aud=None), "invalid_request"),
        "by another client": ({"token": subject, "client": AGENT}, "invalid_request"),
        "by the next service": ({"token": subject, "client": NEXT, "audience": "api://other"}, "invalid_request"),
        "an application's": ({"token": issuer.token("agent", aud="api://mcp")}, "invalid_request"),
        "a removed user's": (changed(sub="oid-carol"), "invalid_request"),
        "a user by name": (changed(sub=ALICE.name), "invalid_request"),
        "no type": ({"token": subject, "subject_token_type": ""}, "invalid_request"),
        "another type": ({"token": subject, "subject_token_type": "urn:x"}, "invalid_request"),
        "an ID token wanted": (
            {"token": subject, "requested_token_type": "urn:ietf:params:oauth:token-type:id_token"},
            "invalid_request",
        ),
        "an actor token": ({"token": subject, "actor_token": subject, "actor_token_type": JWT}, "invalid_request"),
        "no target": ({"token": subject, "audience": ""}, "invalid_target"),
        "two targets": ({"token": subject, "resource": "api://other"}, "invalid_target"),
        "an unknown target": ({"token": subject, "audience": "api://nowhere"}, "invalid_target"),
        "a target not allowed": ({"token": subject, "audience": "api://other"}, "invalid_target"),
        "itself as target": ({"token": subject, "audience": "api://mcp"}, "invalid_target"),
    }


def test_each_refusal_has_the_error_of_the_specification(issuer: Issuer) -> None:
    for name, (request, error) in refusals(issuer).items():
        status, answer = exchange(issuer, **request)
        assert (status, answer.get("error")) == (400, error), name
        assert answer.keys() == {"error", "error_description"}, name
        assert len(request["token"]) < 10 or request["token"] not in str(answer), name


def test_a_client_that_does_not_prove_itself_is_refused(issuer: Issuer) -> None:
    subject = issuer.user_token("agent", ALICE.name)
    for client in (Client(MIDDLE.id, "wrong"), Client(MIDDLE.id), Client("nobody", "x")):
        status, answer = exchange(issuer, subject, client=client)
        assert (status, answer["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("shape", ["entra", "cognito", "databricks"])
def test_other_shapes_do_not_know_the_grant(shape: str) -> None:
    with running_issuer(an_issuer(shape)) as running:
        status, answer = exchange(running.issuer, running.issuer.user_token("agent", ALICE.name))
    assert (status, answer["error"]) == (400, "unsupported_grant_type")
