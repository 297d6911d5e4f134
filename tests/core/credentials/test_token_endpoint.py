from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from core.credentials.credential import ClientCredentials, OnBehalfOf
from core.credentials.token_endpoint import AccessToken, by_client_credentials, by_exchange
from core.errors import TokenRefused, TokenUnavailable
from local.emulators.issuer import Client, Issuer, Resource, RunningIssuer, User, running_issuer

SECRET = "canary-client-secret-77b1 +%/"
ALICE = User("alice", "p", "oid-alice", frozenset({"read"}))
SERVES = frozenset({"guid-mcp", "api://mcp"})


@pytest.fixture(scope="module", params=["entra", "oidc"])
def running(request: pytest.FixtureRequest) -> Iterator[RunningIssuer]:
    client = Client("server", SECRET, serves=SERVES, may_ask_for=frozenset({"api://neo4j"}))
    resources = [Resource("api://mcp", "guid-mcp"), Resource("api://neo4j", "guid-neo4j")]
    with running_issuer(Issuer(request.param, [client, Client("agent", "a")], resources, users=[ALICE])) as running:
        yield running


def described(running: RunningIssuer, **changed: Any) -> dict[str, Any]:
    entra = running.issuer.shape == "entra"
    asked = {"scope": "api://neo4j/.default"} if entra else {"audience": "api://neo4j"}
    endpoint = {"token_endpoint": running.issuer.token_url, "client_id": "server", "client_secret": SECRET}
    return {**endpoint, **asked, **changed}


def claims_of(token: AccessToken) -> dict[str, Any]:
    return jwt.decode(token.text.get_secret_value(), options={"verify_signature": False})


@pytest.mark.parametrize("way", ["client_secret_post", "client_secret_basic"])
async def test_a_client_gets_a_token_that_is_addressed_to_the_database(running: RunningIssuer, way: str) -> None:
    client = ClientCredentials.model_validate(described(running, client_authentication=way))
    token = await by_client_credentials(client)
    assert claims_of(token)["aud"] in ("guid-neo4j", "api://neo4j")
    assert token.expires_at == pytest.approx(time.time() + 3600, abs=5)
    assert SECRET not in repr(client) + repr(token)
    assert token.text.get_secret_value() not in repr(token)


async def test_a_users_token_is_exchanged_and_never_passed_on(running: RunningIssuer) -> None:
    exchange = "entra" if running.issuer.shape == "entra" else "rfc8693"
    middle = OnBehalfOf.model_validate(described(running, exchange=exchange))
    subject = running.issuer.user_token("agent", "alice")
    token = await by_exchange(middle, SecretStr(subject))
    assert token.text.get_secret_value() != subject
    assert claims_of(token)["aud"] in ("guid-neo4j", "api://neo4j")
    assert "oid-alice" in (claims_of(token).get("oid"), claims_of(token)["sub"])


async def test_a_refusal_says_the_code_and_quotes_nothing(running: RunningIssuer) -> None:
    wrong = ClientCredentials.model_validate(described(running, client_secret="canary-wrong-9c"))
    with pytest.raises(TokenRefused, match="invalid_client") as caught:
        await by_client_credentials(wrong)
    assert "canary" not in str(caught.value)
    exchange = "entra" if running.issuer.shape == "entra" else "rfc8693"
    middle = OnBehalfOf.model_validate(described(running, exchange=exchange))
    machine = running.issuer.token("agent")
    with pytest.raises(TokenRefused) as caught:
        await by_exchange(middle, SecretStr(machine))
    assert ("AADSTS7000114" in str(caught.value)) == (exchange == "entra")
    assert machine not in str(caught.value)


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_an_endpoint_in_trouble_is_told_from_one_that_refuses(running: RunningIssuer, status: int) -> None:
    running.app.failures.append(status)
    with pytest.raises(TokenUnavailable, match=str(status)) as caught:
        await by_client_credentials(ClientCredentials.model_validate(described(running)))
    assert not isinstance(caught.value, TokenRefused)


async def test_an_endpoint_that_is_away_is_told(running: RunningIssuer) -> None:
    gone = ClientCredentials.model_validate(described(running, token_endpoint="http://127.0.0.1:9/token"))
    with pytest.raises(TokenUnavailable, match="cannot be reached"):
        await by_client_credentials(gone)


@pytest.mark.parametrize(("life", "fresh"), [(3600, 3300), (60, 45), (4, 3), (-5, 0)])
def test_a_token_is_replaced_before_it_ends(life: float, fresh: float) -> None:
    lifetime = AccessToken(SecretStr("t"), time.time() + life).lifetime()
    assert lifetime.fresh == pytest.approx(fresh, abs=0.5)
    assert fresh <= lifetime.usable + 0.5 <= max(life, 0) + 0.5
