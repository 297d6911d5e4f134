"""The vault and the identity endpoint refuse whom the real ones refuse."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import jwt
import pytest
from pydantic import SecretStr

from local.emulators.azure.emulate import Subscription, subscription
from local.emulators.azure.tenant import AUDIENCE, VAULT_RESOURCE
from local.emulators.issuer import Client, Resource

CANARY = "canary-in-the-vault-0e51"


@pytest.fixture(scope="module")
def azure() -> Iterator[Subscription]:
    with subscription() as running:
        running.vault.write("neo4j-agent", SecretStr(CANARY))
        yield running


@pytest.fixture(scope="module")
def client(azure: Subscription) -> Iterator[httpx2.Client]:
    context = ssl.create_default_context(cafile=azure.authority)
    with httpx2.Client(trust_env=False, timeout=20, verify=context) as client:
        yield client


def vault_token(azure: Subscription, client: Client, **changed: Any) -> str:
    issuer = azure.tokens.issuer
    resource = Resource(VAULT_RESOURCE, token_version=1)
    return issuer.sign(issuer.claims(client, resource, client.scopes) | changed)


def read(azure: Subscription, client: httpx2.Client, token: str, name: str = "neo4j-agent") -> httpx2.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return client.get(f"{azure.vault_url}/secrets/{name}?api-version=7.6", headers=headers)


def test_who_may_read_reads_the_current_version_and_older_ones_by_name(
    azure: Subscription, client: httpx2.Client
) -> None:
    first = azure.vault.write("twice", SecretStr("one"))
    second = azure.vault.write("twice", SecretStr("two"))
    token = vault_token(azure, azure.tenant.function)
    assert read(azure, client, token, "twice").json()["value"] == "two"
    assert read(azure, client, token, f"twice/{first}").json()["value"] == "one"
    assert read(azure, client, token, "twice").json()["id"] == f"{azure.vault_url}/secrets/twice/{second}"


def test_whose_token_does_not_hold_gets_the_challenge_and_who_may_not_read_is_forbidden(
    azure: Subscription, client: httpx2.Client
) -> None:
    function, issuer = azure.tenant.function, azure.tokens.issuer
    stranger = azure.tenant.issuer()
    stranger.url = issuer.url
    forged = stranger.sign(issuer.claims(function, Resource(VAULT_RESOURCE, token_version=1), ()))
    for token in (
        "",
        "x.y.z",
        forged,
        issuer.token(function.id),
        vault_token(azure, function, exp=int(time.time()) - 1),
        vault_token(azure, function, aud=AUDIENCE),
        vault_token(azure, function, iss="https://elsewhere"),
    ):
        refused = read(azure, client, token)
        assert refused.status_code == 401
        assert f'resource="{VAULT_RESOURCE}"' in refused.headers["www-authenticate"]
    for caller in (azure.tenant.agent, azure.tenant.intruder, azure.tenant.project):
        refused = read(azure, client, vault_token(azure, caller))
        assert refused.status_code == 403
        assert CANARY not in refused.text


def test_a_token_that_the_token_endpoint_gives_for_the_vault_is_a_jwt_that_the_vault_knows(
    azure: Subscription, client: httpx2.Client
) -> None:
    agent = azure.tenant.agent
    form = {"grant_type": "client_credentials", "client_id": agent.id, "client_secret": agent.secret or ""}
    asked = client.post(azure.tokens.issuer.token_url, data={**form, "scope": f"{VAULT_RESOURCE}/.default"})
    token = asked.json()["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == VAULT_RESOURCE
    assert read(azure, client, token).status_code == 403
    readers, azure.vault.readers = azure.vault.readers, azure.vault.readers | {agent.object_id}
    assert read(azure, client, token).json()["value"] == CANARY
    azure.vault.readers = readers


@pytest.mark.parametrize(("method", "status"), [("PUT", 403), ("DELETE", 405), ("PATCH", 405), ("POST", 405)])
def test_a_reader_cannot_change_the_vault(azure: Subscription, client: httpx2.Client, method: str, status: int) -> None:
    headers = {"authorization": f"Bearer {vault_token(azure, azure.tenant.function)}"}
    response = client.request(method, f"{azure.vault_url}/secrets/neo4j-agent", headers=headers, json={"value": "x"})
    assert response.status_code == status
    assert read(azure, client, vault_token(azure, azure.tenant.function)).json()["value"] == CANARY


def test_the_vault_answers_over_tls_only_to_those_who_know_its_authority(azure: Subscription) -> None:
    with httpx2.Client(trust_env=False, timeout=20) as unknowing, pytest.raises(httpx2.ConnectError):
        unknowing.get(azure.vault_url)
    with httpx2.Client(trust_env=False, timeout=20) as plain, pytest.raises(httpx2.HTTPError):
        plain.get(azure.vault_url.replace("https:", "http:"))


def ask(azure: Subscription, client: httpx2.Client, header: str | None = None, **params: str) -> httpx2.Response:
    asked = {"api-version": "2019-08-01", "resource": VAULT_RESOURCE, **params}
    headers = {"x-identity-header": azure.environ["IDENTITY_HEADER"] if header is None else header}
    return client.get(azure.environ["IDENTITY_ENDPOINT"], params=asked, headers=headers)


def test_the_identity_endpoint_gives_tokens_of_what_is_assigned_and_only_with_its_header(
    azure: Subscription, client: httpx2.Client
) -> None:
    given = ask(azure, client, client_id=azure.tenant.function.id).json()
    claims = jwt.decode(given["access_token"], options={"verify_signature": False})
    assert (claims["oid"], claims["aud"]) == (azure.tenant.function.object_id, VAULT_RESOURCE)
    assert int(given["expires_on"]) == claims["exp"]
    assert ask(azure, client).json()["client_id"] == azure.tenant.function.id
    assert ask(azure, client, "").status_code == 401
    assert ask(azure, client, "wrong").status_code == 401
    assert ask(azure, client, client_id=azure.tenant.project.id).status_code == 400
    assert ask(azure, client, **{"api-version": "2017-09-01"}).status_code == 400
    assert ask(azure, client, resource="https://nothing.example").status_code == 500
