from __future__ import annotations

import base64
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.errors import LocalError
from local.emulators.issuer import Client, Issuer, Resource, running_issuer

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SECRET = "s3cret: +%/"
AGENT = Client("agent", SECRET, object_id="oid-1", scopes=frozenset({"read", "write"}))
SIGNER = Client("signer", public_key=PUBLIC_PEM, scopes=frozenset({"read"}))
RESOURCES = (Resource("api://one", "guid-one"), Resource("api://two", "guid-two", token_version=1))
GRANT = {"grant_type": "client_credentials"}
POST = {**GRANT, "client_id": "agent", "client_secret": SECRET}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def an_issuer(shape: Any = "oidc", **options: Any) -> Issuer:
    return Issuer(shape, [AGENT, SIGNER], RESOURCES, **{"tenant": "tenant-1", **options})


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def oidc() -> Iterator[Issuer]:
    with running_issuer(an_issuer()) as running:
        yield running.issuer


def basic(id_: str, secret: str) -> dict[str, str]:
    from urllib.parse import quote

    pair = f"{quote(id_, safe='')}:{quote(secret, safe='')}".encode()
    return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}


def assertion(audience: str, *, key: Any = PRIVATE, **changed: Any) -> str:
    now = int(time.time())
    claims = {"iss": "signer", "sub": "signer", "aud": audience, "exp": now + 300, "jti": uuid.uuid4().hex, **changed}
    return jwt.encode({n: v for n, v in claims.items() if v is not None}, key, algorithm="RS256")


def by_assertion(token: str) -> dict[str, str]:
    return {**GRANT, "client_assertion_type": ASSERTION, "client_assertion": token}


def verified(issuer: Issuer, http: httpx2.Client, token: str, audience: str) -> dict[str, Any]:
    """The claims of ``token``, by an independent reader that knows the issuer's metadata and nothing else."""
    iss = jwt.decode(token, options={"verify_signature": False})["iss"]
    names = ("openid-configuration", "oauth-authorization-server")
    answers = [http.get(f"{iss.rstrip('/')}/.well-known/{name}") for name in names]
    metadata = next(answer.json() for answer in answers if answer.status_code == 200)
    assert metadata["issuer"] == iss
    keys = jwt.PyJWKSet.from_dict(http.get(metadata["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=["RS256", "ES256"], audience=audience, issuer=iss,
        options={"verify_aud": issuer.shape != "cognito"},
    )  # fmt: skip
    return claims


@pytest.mark.parametrize("way", ["client_secret_post", "client_secret_basic", "private_key_jwt"])
def test_a_client_may_prove_itself_in_three_ways(oidc: Issuer, http: httpx2.Client, way: str) -> None:
    form = {"client_secret_post": POST, "client_secret_basic": GRANT}.get(way) or by_assertion(assertion(oidc.url))
    headers = basic("agent", SECRET) if way == "client_secret_basic" else {}
    answer = http.post(oidc.token_url, data=form, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    claims = verified(oidc, http, body["access_token"], "api://one")
    assert claims["client_id"] == ("signer" if way == "private_key_jwt" else "agent")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize(
    ("shape", "form", "audience", "expected"),
    [
        ("entra", {"scope": "api://one/.default"}, "guid-one",
         {"ver": "2.0", "tid": "tenant-1", "azp": "agent", "oid": "oid-1", "roles": ["read", "write"]}),
        ("entra", {"scope": "api://two/.default"}, "api://two", {"ver": "1.0", "appid": "agent", "idtyp": "app"}),
        ("cognito", {"scope": "read"}, "", {"token_use": "access", "client_id": "agent", "scope": "read"}),
        ("databricks", {"scope": "read"}, "api://one", {"client_id": "agent", "sub": "agent", "scope": "read"}),
        ("oidc", {"resource": "api://two"}, "api://two", {"scope": "read write"}),
        ("oidc", {"audience": "api://two"}, "api://two", {"sub": "agent"}),
    ],
)  # fmt: skip
def test_a_token_has_the_form_of_its_platform(
    http: httpx2.Client, algorithm: Any, shape: str, form: dict[str, str], audience: str, expected: dict[str, Any]
) -> None:
    with running_issuer(an_issuer(shape, algorithm=algorithm)) as running:
        answer = http.post(running.issuer.token_url, data=POST | form)
        assert answer.status_code == 200, answer.text
        claims = verified(running.issuer, http, answer.json()["access_token"], audience)
        assert expected.items() <= claims.items()
        assert ("aud" in claims) == (shape != "cognito")


def test_entras_older_endpoint_takes_a_resource(http: httpx2.Client) -> None:
    with running_issuer(an_issuer("entra")) as running:
        url = f"{running.url}/tenant-1/oauth2/token"
        assert http.post(url, data=POST | {"resource": "api://two"}).status_code == 200
        assert http.post(url, data=POST | {"scope": "api://two/.default"}).json()["error"] == "invalid_resource"


@pytest.mark.parametrize(
    ("shape", "paths"),
    [
        ("entra", ["/tenant-1/v2.0/.well-known/openid-configuration", "/tenant-1/.well-known/openid-configuration",
                   "/tenant-1/discovery/v2.0/keys", "/tenant-1/discovery/keys"]),
        ("cognito", ["/tenant-1/.well-known/openid-configuration", "/tenant-1/.well-known/jwks.json"]),
        ("databricks", ["/oidc/.well-known/oauth-authorization-server", "/oidc/jwks.json"]),
        ("oidc", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks.json"]),
    ],
)  # fmt: skip
def test_documents_are_where_the_platform_has_them_and_nowhere_else(
    http: httpx2.Client, shape: str, paths: list[str]
) -> None:
    with running_issuer(an_issuer(shape)) as running:
        for path in paths:
            assert http.get(running.url + path).status_code == 200, path
            assert http.post(running.url + path).status_code == 405
        for path in (
            "/",
            "/admin",
            "/rotate",
            "/.well-known/jwks.json",
            "/tenant-2/v2.0/.well-known/openid-configuration",
        ):
            assert http.get(running.url + path).status_code == 404, path
        assert http.get(running.issuer.token_url).status_code == 405


def test_published_keys_show_nothing_private(oidc: Issuer, http: httpx2.Client) -> None:
    for key in http.get(f"{oidc.url}/jwks.json").json()["keys"]:
        assert key.keys() == {"kty", "n", "e", "kid", "use", "alg"}
    assert SECRET not in repr(oidc.clients)


def test_after_a_rotation_the_old_key_stays_until_the_next_one(http: httpx2.Client) -> None:
    with running_issuer(an_issuer()) as running:

        def kids() -> list[str]:
            return [key["kid"] for key in http.get(f"{running.url}/jwks.json").json()["keys"]]

        first = running.issuer.keys.current.kid
        second = running.issuer.keys.rotate().kid
        assert kids() == [first, second]
        token = http.post(running.issuer.token_url, data=POST).json()["access_token"]
        assert jwt.get_unverified_header(token)["kid"] == second
        third = running.issuer.keys.rotate().kid
        assert kids() == [second, third]
        running.issuer.keys.rotate(keep=0)
        assert len(kids()) == 1


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (POST | {"client_secret": "wrong"}, 401, "invalid_client"),
        (POST | {"client_id": "nobody"}, 401, "invalid_client"),
        (POST | {"client_id": "signer", "client_secret": ""}, 401, "invalid_client"),
        (GRANT, 401, "invalid_client"),
        ({}, 401, "invalid_client"),
        (POST | {"grant_type": "password"}, 400, "unsupported_grant_type"),
        (POST | {"grant_type": "authorization_code", "code": "x"}, 400, "unsupported_grant_type"),
        (POST | {"grant_type": ""}, 400, "invalid_request"),
        (POST | {"scope": "admin"}, 400, "invalid_scope"),
        (POST | {"scope": "read admin"}, 400, "invalid_scope"),
        (POST | {"resource": "api://three"}, 400, "invalid_target"),
        (POST | {"client_assertion": "x"}, 400, "invalid_request"),
        (by_assertion("x.y.z"), 401, "invalid_client"),
    ],
)
def test_a_request_is_refused_as_the_specification_says(
    oidc: Issuer, http: httpx2.Client, form: dict[str, str], status: int, error: str
) -> None:
    answer = http.post(oidc.token_url, data=form)
    assert (answer.status_code, answer.json().get("error")) == (status, error) if form else answer.status_code == 400
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)
    assert "access_token" not in answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"grant_type":"client_credentials"}', "application/json"),
        (b"grant_type=client_credentials&grant_type=password", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"a=b&" * 100, "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_is_refused(oidc: Issuer, http: httpx2.Client, body: bytes, kind: str) -> None:
    answer = http.post(oidc.token_url, content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_request_without_end_is_not_read_to_its_end(oidc: Issuer, http: httpx2.Client) -> None:
    answer = http.post(oidc.token_url, data={"x": "y" * 100_000})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic YQ==", "Bearer YWdlbnQ6eA==", basic("agent", "no")["authorization"]]
)
def test_a_wrong_authorization_header_is_refused(oidc: Issuer, http: httpx2.Client, header: str) -> None:
    answer = http.post(oidc.token_url, data=GRANT, headers={"authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    both = http.post(oidc.token_url, data=POST, headers={"authorization": header})
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")


OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": OTHER},
        {"aud": "https://another.example"},
        {"iss": "agent"},
        {"sub": "agent"},
        {"exp": -60},
        {"exp": 86_400},
        {"exp": None},
        {"jti": None},
        {"nbf": 86_400},
    ],
    ids=", ".join,
)
def test_an_assertion_that_does_not_hold_is_refused(oidc: Issuer, http: httpx2.Client, wrong: dict[str, Any]) -> None:
    """A number is in seconds from now."""
    said = {name: int(time.time()) + value if isinstance(value, int) else value for name, value in wrong.items()}
    token = assertion(said.pop("aud", oidc.url), **said)
    answer = http.post(oidc.token_url, data=by_assertion(token))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_an_assertion_is_good_once(oidc: Issuer, http: httpx2.Client) -> None:
    form = by_assertion(assertion(oidc.token_url))
    assert http.post(oidc.token_url, data=form).status_code == 200
    assert http.post(oidc.token_url, data=form).status_code == 401


def test_an_assertion_is_the_clients_own_or_nobodys(oidc: Issuer, http: httpx2.Client) -> None:
    form = by_assertion(assertion(oidc.url)) | {"client_id": "agent"}
    assert http.post(oidc.token_url, data=form).status_code == 401
    untyped = {name: value for name, value in form.items() if name != "client_assertion_type"}
    assert http.post(oidc.token_url, data=untyped | {"client_id": "signer"}).status_code == 401


def test_an_assertion_cannot_be_spent_twice_at_once(oidc: Issuer) -> None:
    form, statuses = by_assertion(assertion(oidc.url)), []

    def spend() -> None:
        with httpx2.Client(trust_env=False) as client:
            statuses.append(client.post(oidc.token_url, data=form).status_code)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [401] * 7


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"scope": "api://one"}, "invalid_scope"),
        ({"scope": "api://three/.default"}, "invalid_resource"),
        ({"scope": "/.default"}, "invalid_resource"),
        ({"scope": "api://one/.default", "resource": "api://two"}, "invalid_target"),
        ({}, "invalid_scope"),
    ],
)
def test_entra_wants_its_own_kind_of_scope(http: httpx2.Client, form: dict[str, str], error: str) -> None:
    with running_issuer(an_issuer("entra")) as running:
        answer = http.post(running.issuer.token_url, data=POST | form)
        assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_port_that_is_taken_is_an_error_that_says_so(oidc: Issuer) -> None:
    port = int(oidc.url.rpartition(":")[2])
    with pytest.raises(LocalError, match=str(port)), running_issuer(an_issuer(), port=port):
        pass
