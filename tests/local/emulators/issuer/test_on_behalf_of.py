from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import jwt
import msal  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.emulators.issuer import Client, Issuer, running_issuer
from local.emulators.issuer.issuer import JWT_BEARER
from tests.local.emulators.issuer.asking import (
    AGENT,
    ALICE,
    MIDDLE,
    Response,
    an_issuer,
    ask,
    older_endpoint,
    unverified,
    verifier,
)

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
BY_KEY = Client(
    "by-key", public_key=PUBLIC_PEM, serves=frozenset({"api://other"}), may_ask_for=frozenset({"guid-neo4j"})
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer(an_issuer("entra", BY_KEY)) as running:
        yield running.issuer


def on_behalf(issuer: Issuer, token: str, *, client: Client = MIDDLE, at: str | None = None, **form: str) -> Response:
    asked = {"scope": "api://neo4j/.default", "requested_token_use": "on_behalf_of", "assertion": token}
    return ask(issuer, client, at=at, grant_type=JWT_BEARER, **{**asked, **form})


async def test_the_new_token_is_the_users_and_names_the_middle_tier(issuer: Issuer) -> None:
    status, answer = on_behalf(issuer, issuer.user_token("agent", ALICE.name))
    assert status == 200
    claims = unverified(answer["access_token"])
    expected = {"aud": "guid-neo4j", "oid": "oid-alice", "azp": "guid-mcp", "scp": "read write", "idtyp": "user"}
    assert expected.items() <= claims.items()
    principal = await verifier(issuer, "guid-neo4j").verify(answer["access_token"])
    assert (principal.kind, principal.id, principal.roles) == ("user_on_behalf", "oid-alice", {"read", "write"})
    assert principal.platform == "azure"


async def test_the_older_endpoint_names_a_resource_and_gives_an_older_token(issuer: Issuer) -> None:
    subject = issuer.user_token("agent", ALICE.name)
    status, answer = on_behalf(issuer, subject, at=older_endpoint(issuer), scope="", resource="api://older")
    assert status == 200
    assert unverified(answer["access_token"])["appid"] == "guid-mcp"
    principal = await verifier(issuer, "api://older").verify(answer["access_token"])
    assert (principal.kind, principal.id) == ("user_on_behalf", "oid-alice")


@pytest.mark.parametrize("audience", ["guid-mcp", "api://mcp"])
@pytest.mark.parametrize("version", [0, 1])
def test_a_tokens_audience_may_be_the_client_id_or_the_identifier(issuer: Issuer, audience: str, version: int) -> None:
    subject = issuer.user_token("agent", ALICE.name, aud=audience, iss=issuer.issuers[version])
    assert on_behalf(issuer, subject)[0] == 200


def test_a_client_serves_itself_without_being_told() -> None:
    plain = replace(MIDDLE, serves=frozenset())
    with running_issuer(Issuer("entra", [AGENT, plain], an_issuer("entra").resources, users=[ALICE])) as running:
        for audience in ("guid-mcp", "api://mcp"):
            subject = running.issuer.user_token("agent", ALICE.name, aud=audience)
            assert on_behalf(running.issuer, subject)[0] == 200


def test_a_client_may_prove_itself_by_assertion_while_it_brings_another(issuer: Issuer) -> None:
    claims = {"iss": "by-key", "sub": "by-key", "aud": issuer.token_url, "jti": uuid.uuid4().hex}
    proof = jwt.encode({**claims, "exp": int(time.time()) + 60}, PRIVATE, algorithm="RS256")
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    subject = issuer.user_token("agent", ALICE.name, aud="guid-other")
    form = {"client_assertion": proof, "client_assertion_type": kind}
    status, answer = on_behalf(issuer, subject, client=BY_KEY, **form)
    assert (status, unverified(answer["access_token"])["azp"]) == (200, "by-key")
    assert on_behalf(issuer, subject, client=BY_KEY, **form)[0] == 401


def test_a_chain_of_services_hands_the_user_on() -> None:
    last = Client("guid-neo4j", "last-secret", may_ask_for=frozenset({"api://other"}))
    with running_issuer(an_issuer("entra", last)) as running:
        first = on_behalf(running.issuer, running.issuer.user_token("agent", ALICE.name))[1]["access_token"]
        status, answer = on_behalf(running.issuer, first, client=last, scope="api://other/.default")
        claims = unverified(answer["access_token"])
    assert (status, claims["aud"], claims["oid"], claims["azp"]) == (200, "guid-other", "oid-alice", "guid-neo4j")


def refusals(issuer: Issuer) -> dict[str, tuple[dict[str, Any], str, int]]:
    """By what is wrong: the request's assertion, client and form; the error and the number that it must get."""
    subject = issuer.user_token("agent", ALICE.name)
    head, body, signature = subject.split(".")
    other_body = issuer.user_token("agent", "bob@contoso.example").split(".")[1]
    unsigned = jwt.encode(unverified(subject), "", algorithm="none", headers={"kid": issuer.keys.current.kid})
    public = issuer.keys.current.jwk["n"]
    confused = jwt.encode(unverified(subject), public, algorithm="HS256", headers={"kid": issuer.keys.current.kid})
    forged = jwt.encode(unverified(subject), PRIVATE, "RS256", headers={"kid": issuer.keys.current.kid})
    unknown_key = jwt.encode(unverified(subject), PRIVATE, "RS256", headers={"kid": "another"})
    now = int(time.time())

    def changed(**claims: Any) -> dict[str, str]:
        return {"token": issuer.user_token("agent", ALICE.name, **claims)}

    return {
        "broken signature": ({"token": f"{head}.{body}.{signature[::-1]}"}, "invalid_grant", 50013),
        "another's claims": ({"token": f"{head}.{other_body}.{signature}"}, "invalid_grant", 50013),
        "no signature": ({"token": unsigned}, "invalid_grant", 50013),
        "key confusion": ({"token": confused}, "invalid_grant", 50013),
        "forged": ({"token": forged}, "invalid_grant", 50013),
        "unknown key": ({"token": unknown_key}, "invalid_grant", 50013),
        "no token at all": ({"token": "x"}, "invalid_grant", 50013),
        "not even text": ({"token": "é.ü.\U0001f600"}, "invalid_grant", 50013),
        "another issuer": (changed(iss="https://sts.windows.net/other/"), "invalid_grant", 50013),
        "no expiry": (changed(exp=None), "invalid_grant", 50013),
        "an odd expiry": (changed(exp="tomorrow"), "invalid_grant", 50013),
        "expired": (changed(exp=now - 1), "invalid_grant", 500133),
        "not yet valid": (changed(nbf=now + 600), "invalid_grant", 500133),
        "for another service": (changed(aud="guid-other"), "invalid_grant", 500131),
        "for the database": (changed(aud="api://neo4j"), "invalid_grant", 500131),
        "for nobody": (changed(aud=None), "invalid_grant", 500131),
        "by another client": ({"token": subject, "client": AGENT}, "invalid_grant", 500131),
        "an application's": ({"token": issuer.token("agent")}, "unauthorized_client", 7000114),
        "a removed user's": (changed(oid="oid-carol"), "invalid_grant", 50034),
        "no user's": (changed(oid=None), "invalid_grant", 50034),
        "no consent": ({"token": subject, "scope": "api://other/.default"}, "invalid_grant", 65001),
        "no such scope": ({"token": subject, "scope": "api://neo4j/admin"}, "invalid_grant", 65001),
        "another use": ({"token": subject, "requested_token_use": "other"}, "invalid_request", 90023),
        "no use": ({"token": subject, "requested_token_use": ""}, "invalid_request", 900144),
        "no assertion": ({"token": ""}, "invalid_request", 900144),
        "no scope": ({"token": subject, "scope": ""}, "invalid_request", 900144),
    }


def test_each_refusal_has_entras_error_and_number(issuer: Issuer) -> None:
    for name, (request, error, number) in refusals(issuer).items():
        status, answer = on_behalf(issuer, **request)
        assert (status, answer.get("error"), answer.get("error_codes")) == (400, error, [number]), name
        assert answer["error_description"].startswith(f"AADSTS{number}: "), name
        assert answer.get("suberror") == ("consent_required" if number == 65001 else None), name
        assert not request["token"] or len(request["token"]) < 10 or request["token"] not in str(answer), name


def test_a_resource_that_there_is_not_is_refused(issuer: Issuer) -> None:
    status, answer = on_behalf(issuer, issuer.user_token("agent", ALICE.name), scope="api://nowhere/.default")
    assert (status, answer["error"]) == (400, "invalid_resource")
    assert "AADSTS500011" in answer["error_description"]


def test_a_client_with_a_wrong_secret_is_refused_before_its_assertion_is_read(issuer: Issuer) -> None:
    wrong = Client(MIDDLE.id, "wrong")
    status, answer = on_behalf(issuer, issuer.user_token("agent", ALICE.name), client=wrong)
    assert (status, answer["error"]) == (401, "invalid_client")


def test_a_token_whose_key_is_withdrawn_is_refused() -> None:
    with running_issuer(an_issuer("entra")) as running:
        subject = running.issuer.user_token("agent", ALICE.name)
        running.issuer.keys.rotate(keep=1)
        assert on_behalf(running.issuer, subject)[0] == 200
        running.issuer.keys.rotate(keep=0)
        assert on_behalf(running.issuer, subject)[1]["error_codes"] == [50013]


def test_by_the_issuers_own_clock_an_assertion_ends_on_the_second() -> None:
    now = [1_800_000_000.0]
    with running_issuer(an_issuer("entra", clock=lambda: now[0], lifetime=100)) as running:
        subject = running.issuer.user_token("agent", ALICE.name)
        now[0] += 99
        status, answer = on_behalf(running.issuer, subject)
        assert (status, answer["expires_in"]) == (200, 100)
        now[0] += 1
        assert on_behalf(running.issuer, subject)[1]["error_codes"] == [500133]


@dataclass
class _Response:
    """What MSAL reads of a response."""

    status_code: int
    text: str
    headers: dict[str, str]


class _AsIfByTls:
    """An HTTP client for MSAL, which knows https URLs only: it leaves the TLS out, on the way there and back."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> _Response:
        return self._send("GET", url, params=params, headers=headers)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> _Response:
        return self._send("POST", url, params=params, data=data, headers=headers)

    def close(self) -> None:
        self._http.close()

    def _send(self, method: str, url: str, **request: Any) -> _Response:
        answer = self._http.request(method, url.replace("https://127.", "http://127."), **request)
        return _Response(
            answer.status_code, answer.text.replace("http://127.", "https://127."), dict(answer.headers.items())
        )


@pytest.fixture
def application(issuer: Issuer) -> Iterator[msal.ConfidentialClientApplication]:
    with httpx2.Client(trust_env=False) as http:
        yield msal.ConfidentialClientApplication(
            MIDDLE.id,
            client_credential=MIDDLE.secret,
            authority=f"{issuer.url.replace('http:', 'https:')}/contoso",
            instance_discovery=False,
            http_client=_AsIfByTls(http),
        )


async def test_microsofts_own_library_gets_a_token(
    issuer: Issuer, application: msal.ConfidentialClientApplication
) -> None:
    subject = issuer.user_token("agent", ALICE.name)
    answer = application.acquire_token_on_behalf_of(subject, ["api://neo4j/.default"])
    assert "access_token" in answer, answer
    principal = await verifier(issuer, "guid-neo4j").verify(answer["access_token"])
    assert (principal.kind, principal.id) == ("user_on_behalf", "oid-alice")


def test_microsofts_own_library_understands_a_refusal(
    issuer: Issuer, application: msal.ConfidentialClientApplication
) -> None:
    subject = issuer.user_token("agent", ALICE.name)
    answer = application.acquire_token_on_behalf_of(subject, ["api://other/.default"])
    assert (answer["error"], answer["suberror"], answer["error_codes"]) == (
        "invalid_grant",
        "consent_required",
        [65001],
    )
