"""Tokens of Microsoft Entra, at the door of a function app: which open it, and which do not."""

from __future__ import annotations

import base64
import json
import time
import uuid
from typing import Any

import httpx2
import jwt
import pytest

from local.emulators.azure.emulate import Subscription, subscription
from local.emulators.azure.tenant import AUDIENCE, VAULT_RESOURCE, Tenant
from local.emulators.issuer import Client, Resource
from tests.azure_function.apps import App, function_app

pytestmark = pytest.mark.processes


def token(running: Subscription, **changed: Any) -> str:
    """A v2 token of the agent's, with ``changed`` claims."""
    return running.tokens.issuer.token(running.tenant.agent.id, **changed)


def token_v1(running: Subscription, client: Client, **changed: Any) -> str:
    """A token as an app registration gives that does not ask for version 2, which is the default in Entra."""
    issuer = running.tokens.issuer
    claims = issuer.claims(client, Resource(AUDIENCE, running.tenant.app_id, 1), client.scopes) | changed
    return issuer.sign(claims)


def requested(running: Subscription, client: Client, scope: str) -> dict[str, Any]:
    form = {
        "grant_type": "client_credentials",
        "client_id": client.id,
        "client_secret": client.secret or "",
        "scope": scope,
    }
    with httpx2.Client(trust_env=False) as http:
        answer: dict[str, Any] = http.post(running.tokens.issuer.token_url, data=form).json()
    return answer


def test_a_token_from_the_token_endpoint_opens_the_door_and_the_audit_says_whose_it_was(
    running: Subscription, entra: App
) -> None:
    agent = running.tenant.agent
    assert entra.post(token=requested(running, agent, f"{AUDIENCE}/.default")["access_token"]).status_code == 200
    principal = entra.audit()["principal"]
    assert principal == {
        "id": agent.object_id,
        "kind": "service_principal",
        "tenant": running.tenant.id,
        "proved_by": "token of contoso",
    }


def test_the_older_form_of_a_token_does_as_well(running: Subscription, entra: App) -> None:
    assert entra.post(token=token_v1(running, running.tenant.agent)).status_code == 200
    assert entra.audit()["principal"]["id"] == running.tenant.agent.object_id


def test_a_managed_identity_is_told_from_a_service_principal(running: Subscription, entra: App) -> None:
    project = running.tenant.project
    for presented in (running.tokens.issuer.token(project.id), token_v1(running, project)):
        assert entra.post(token=presented).status_code == 200
        principal = entra.audit()["principal"]
        assert (principal["kind"], principal["id"]) == ("managed_identity", project.object_id)


def test_a_user_on_whose_behalf_an_agent_calls_enters_only_where_users_may(
    running: Subscription, entra: App, issuers: str
) -> None:
    tenant = running.tenant
    delegated = running.tokens.issuer.user_token(tenant.agent.id, tenant.user.name)
    refused = entra.post(token=delegated)
    assert refused.status_code == 401
    assert "only applications" in refused.text
    with function_app(
        running, NEO4J_M2M_ISSUERS=tenant.issuers_text(running.tokens.issuer, app_only="false", roles='["access"]')
    ) as app:
        assert app.post(token=delegated).status_code == 200
        principal = app.audit()["principal"]
        assert (principal["kind"], principal["id"]) == ("user_on_behalf", tenant.user.object_id)


def other_key(running: Subscription) -> str:
    """The claims of a good token, signed by someone else whose key has the same name."""
    header = jwt.get_unverified_header(token(running))
    claims = jwt.decode(token(running), options={"verify_signature": False})
    stranger = Tenant().issuer()
    stranger.url = running.tokens.url
    return stranger.keys.current.sign(claims, {"kid": header["kid"]})


def unsigned(running: Subscription) -> str:
    claims = token(running).split(".")[1]
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{header}.{claims}."


NOW = int(time.time())

BAD: dict[str, dict[str, Any]] = {
    "another tenant": {"tid": str(uuid.uuid4())},
    "another audience": {"aud": "api://another"},
    "the audience of the vault": {"aud": VAULT_RESOURCE},
    "no audience": {"aud": None},
    "expired": {"exp": NOW - 3600, "iat": NOW - 7200, "nbf": NOW - 7200},
    "no expiry": {"exp": None},
    "not valid yet": {"nbf": NOW + 3600},
    "an ID token": {"azp": None},
    "an ID token of another flow": {"at_hash": "x"},
    "no object id": {"oid": None},
    "an unprintable object id": {"oid": "a\nb"},
    "both versions' client": {"appid": str(uuid.uuid4())},
}


@pytest.mark.parametrize("changed", list(BAD.values()), ids=list(BAD))
def test_a_token_that_is_not_for_this_server_or_not_now_is_refused(
    running: Subscription, entra: App, changed: dict[str, Any]
) -> None:
    refused = entra.post(token=token(running, **changed))
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert "principal" not in entra.audit()


@pytest.mark.parametrize("form", ["v2 without its end", "v1 without its slash", "another host", "common"])
def test_the_issuer_is_compared_letter_by_letter(running: Subscription, entra: App, form: str) -> None:
    v2, v1 = running.tokens.issuer.issuers
    forged = {
        "v2 without its end": v2.removesuffix("/v2.0"),
        "v1 without its slash": v1.rstrip("/"),
        "another host": v2.replace("127.0.0.1", "127.0.0.2"),
        "common": v2.replace(running.tenant.id, "common"),
    }[form]
    assert entra.post(token=token(running, iss=forged)).status_code == 401


@pytest.mark.parametrize("forge", [other_key, unsigned, lambda running: token(running)[:-4] + "AAAA"])
def test_what_the_tenant_has_not_signed_is_refused(running: Subscription, entra: App, forge: Any) -> None:
    assert entra.post(token=forge(running)).status_code == 401


def test_a_caller_without_the_role_is_told_what_it_lacks(running: Subscription, entra: App) -> None:
    for roles in (None, [], ["Graph.Other"]):
        refused = entra.post(token=token(running, roles=roles))
        assert refused.status_code == 403
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


def test_of_several_clients_that_are_listed_each_may_call_and_no_other(running: Subscription) -> None:
    tenant = running.tenant
    listed = f'["{tenant.agent.id}", "{tenant.project.id}"]'
    text = tenant.issuers_text(running.tokens.issuer, clients=listed)
    with function_app(running, NEO4J_M2M_ISSUERS=text) as app:
        for client in (tenant.agent, tenant.project):
            assert app.post(token=running.tokens.issuer.token(client.id)).status_code == 200
            assert app.post(token=token_v1(running, client)).status_code == 200
        for presented in (running.tokens.issuer.token(tenant.intruder.id), token_v1(running, tenant.intruder)):
            assert app.post(token=presented).status_code == 401


def test_a_key_that_is_rotated_is_known_at_once_and_one_that_is_withdrawn_no_longer() -> None:
    with subscription() as other:
        text = other.tenant.issuers_text(other.tokens.issuer)
        with function_app(other, NEO4J_M2M_ISSUERS=text) as app:
            unseen = token(other, uti="unseen")
            assert app.post(token=token(other)).status_code == 200
            other.tokens.issuer.keys.rotate(keep=0)
            assert app.post(token=token(other)).status_code == 200
            assert app.post(token=unseen).status_code == 401


SPOOFED = {
    "x_ms_client_principal_id": "",
    "x_ms_client_principal_idp": "aad",
    "x_ms_client_principal_name": "agent",
    "x_ms_token_aad_access_token": "x",
}


@pytest.mark.parametrize("easy_auth", ["", "True"])
def test_headers_that_say_who_calls_are_no_proof_and_change_nothing(
    running: Subscription, issuers: str, easy_auth: str
) -> None:
    tenant = running.tenant
    principal = {"auth_typ": "aad", "claims": [{"typ": "oid", "val": tenant.agent.object_id}]}
    spoofed = {
        **SPOOFED,
        "x_ms_client_principal_id": tenant.agent.object_id,
        "x_ms_client_principal": base64.b64encode(json.dumps(principal).encode()).decode(),
    }
    policy = f'[[rule]]\nname = "the agent"\nid = "{tenant.agent.object_id}"\n'
    with function_app(
        running, NEO4J_M2M_ISSUERS=issuers, NEO4J_M2M_POLICY=policy, WEBSITE_AUTH_ENABLED=easy_auth
    ) as app:
        assert app.post(**spoofed).status_code == 401
        assert app.post(token="x.y.z", **spoofed).status_code == 401
        stranger = running.tokens.issuer.token(tenant.intruder.id)
        assert app.post(token=stranger, **spoofed).status_code == 403
        assert app.audit()["principal"]["id"] == tenant.intruder.object_id
        assert app.post(token=token(running), **spoofed).status_code == 200


def test_who_has_no_token_is_told_where_to_get_one_and_the_metadata_is_there(running: Subscription, entra: App) -> None:
    refused = entra.post()
    assert refused.status_code == 401
    where = refused.headers["www-authenticate"].partition('resource_metadata="')[2].partition('"')[0]
    assert where == f"{entra.origin}/.well-known/oauth-protected-resource/mcp"
    with httpx2.Client(trust_env=False) as client:
        for url in (where, where.removesuffix("/mcp")):
            document = client.get(url).json()
            assert document["resource"] == entra.url
            assert document["authorization_servers"] == list(running.tokens.issuer.issuers)
            assert document["scopes_supported"] == [f"{AUDIENCE}/.default"]
        assert client.post(where).status_code == 405


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"])
def test_who_calls_is_asked_before_the_method_is_looked_at(running: Subscription, entra: App, method: str) -> None:
    with httpx2.Client(trust_env=False) as client:
        assert client.request(method, entra.url).status_code == 401
        answered = client.request(method, entra.url, headers={"authorization": f"Bearer {token(running)}"})
    assert (answered.status_code, answered.headers["allow"]) == (405, "POST")
