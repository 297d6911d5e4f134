"""Every forged, stolen or misdirected token we could think of, at the real door, with real issuers and real keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.http import Request, Response
from core.identity.bearer import BearerDoor
from core.identity.principal import Principal
from local.emulators.issuer import Issuer
from local.emulators.issuer.keys import SigningKey
from tests.core.identity.platforms import API, OBJECT_ID, POOL, door, issuers, served


@dataclass(frozen=True)
class World:
    door: BearerDoor
    of: dict[str, Issuer]

    async def present(self, token: str) -> Principal | Response:
        return await self.door.authenticate(
            Request("POST", "/mcp", (("host", "x.example"), ("authorization", f"Bearer {token}")), b"", "r")
        )


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with served(issuers()) as of:
        yield World(door(of), of)


def part(value: Any) -> str:
    encoded = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(encoded).rstrip(b"=").decode()


def opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def good(w: World) -> str:
    return w.of["azure"].token("agent")


def claims(w: World, **changed: Any) -> str:
    return w.of["azure"].token("agent", **changed)


def header(w: World, **changed: Any) -> str:
    return w.of["azure"].sign(opened(good(w))[1], **changed)


def forged(w: World) -> str:
    return SigningKey("RS256", SigningKey.new("RS256").private, w.of["azure"].keys.current.kid).sign(
        opened(good(w))[1], {}
    )


def hmac_with_public_key(w: World) -> str:
    key = w.of["azure"].keys.current
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': key.kid})}.{part(opened(good(w))[1])}"
    return f"{signed}.{part(hmac.digest(pem, signed.encode(), hashlib.sha256))}"


def other_padding(w: World) -> str:
    key = w.of["azure"].keys.current
    return jwt.encode(opened(good(w))[1], key.private, algorithm="PS256", headers={"kid": key.kid})


def own_key_in_header(w: World) -> str:
    own = SigningKey("RS256", SigningKey.new("RS256").private, w.of["azure"].keys.current.kid)
    return own.sign(
        opened(good(w))[1], {"jwk": own.jwk, "jku": "https://attacker.example/keys", "x5u": "https://a.example"}
    )


def key_of_another_issuer(w: World) -> str:
    return w.of["aws"].keys.current.sign(opened(good(w))[1], {})


def kid_of_another_issuer(w: World) -> str:
    key = SigningKey("RS256", w.of["azure"].keys.current.private, w.of["aws"].keys.current.kid)
    return key.sign(opened(good(w))[1], {})


def changed_after_signing(w: World) -> str:
    head, body, signature = good(w).split(".")
    return f"{head}.{part({**opened(f'{head}.{body}.{signature}')[1], 'roles': ['Graph.Admin']})}.{signature}"


def claim_twice(w: World) -> str:
    key = w.of["azure"].keys.current
    body = json.dumps(opened(good(w))[1]).encode()[:-1] + b',"roles":["Graph.Read"]}'
    return jwt.api_jws.encode(body, key.private, algorithm="RS256", headers={"kid": key.kid})


def aws_as_azure(w: World) -> str:
    """A genuine token of the other platform's issuer, for the same audience, that says it is Entra's."""
    azure = w.of["azure"]
    return w.of["aws"].sign(opened(w.of["aws"].token("agent", aud=API))[1] | {"iss": azure.issuers[0]})


def unsigned(w: World, algorithm: str = "none") -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(opened(good(w))[1])}."


def soon(seconds: float) -> int:
    return int(time.time() + seconds)


ATTACKS: dict[str, tuple[Callable[[World], str], int]] = {
    "forged: signed with a key of the attacker": (forged, 401),
    "forged: claims changed after signing": (changed_after_signing, 401),
    "forged: signature cut off": (lambda w: good(w)[:-20], 401),
    "forged: signature removed": (lambda w: good(w).rpartition(".")[0] + ".", 401),
    "forged: key brought along (jwk, jku, x5u)": (own_key_in_header, 401),
    "forged: key of another accepted issuer": (key_of_another_issuer, 401),
    "forged: key id of another accepted issuer": (kid_of_another_issuer, 401),
    "forged: unknown key id": (lambda w: header(w, kid="unknown"), 401),
    "forged: no key id": (lambda w: jwt.encode(opened(good(w))[1], SigningKey.new("RS256").private, "RS256"), 401),
    "downgraded: alg none": (unsigned, 401),
    "downgraded: alg none, with a signature": (lambda w: unsigned(w) + good(w).rpartition(".")[2], 401),
    "downgraded: alg NoNe": (lambda w: unsigned(w, "NoNe") + "eHh4", 401),
    "downgraded: HS256 with the public key as secret": (hmac_with_public_key, 401),
    "downgraded: RS256 key used as PS256": (other_padding, 401),
    "downgraded: ES256 claimed for an RSA key": (
        lambda w: f"{part({**opened(good(w))[0], 'alg': 'ES256'})}.{good(w).split('.', 1)[1]}", 401),
    "header: critical extension": (lambda w: header(w, crit=["exp"], exp=1), 401),
    "header: unencoded payload (b64)": (lambda w: header(w, crit=["b64"]), 401),
    "header: type of another token (logout+jwt)": (lambda w: header(w, typ="logout+jwt"), 401),
    "time: expired": (lambda w: claims(w, exp=soon(-31)), 401),
    "time: no expiry": (lambda w: claims(w, exp=None), 401),
    "time: expiry is text": (lambda w: claims(w, exp="9999999999"), 401),
    "time: expiry is infinite": (lambda w: claims(w, exp=float("inf")), 401),
    "time: not valid yet (nbf)": (lambda w: claims(w, nbf=soon(40)), 401),
    "time: issued in the future (iat)": (lambda w: claims(w, iat=soon(40)), 401),
    "audience: another": (lambda w: claims(w, aud="https://graph.microsoft.com"), 401),
    "audience: none": (lambda w: claims(w, aud=None), 401),
    "audience: begins like ours": (lambda w: claims(w, aud=f"{API}-other"), 401),
    "audience: ours inside an object": (lambda w: claims(w, aud={API: 1}), 401),
    "issuer: unknown": (lambda w: claims(w, iss="https://login.microsoftonline.com/other/v2.0"), 401),
    "issuer: ours with a slash more": (lambda w: claims(w, iss=w.of["azure"].issuers[0] + "/"), 401),
    "issuer: empty": (lambda w: w.of["azure"].keys.current.sign(
        {**opened(good(w))[1], "issuer": w.of["azure"].issuers[0], "iss": ""}, {}), 401),
    "tenant: another": (lambda w: claims(w, tid="1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"), 401),
    "client: genuine, not listed": (lambda w: w.of["azure"].token("intruder"), 401),
    "client: not named": (lambda w: claims(w, azp=None), 401),
    "client: two different ones (azp, appid)": (lambda w: claims(w, azp="agent", appid="intruder"), 401),
    "delegated: scp where applications only": (lambda w: claims(w, scp="Graph.Read"), 401),
    "delegated: scp beside idtyp app": (lambda w: claims(w, scp="Graph.Read", idtyp="app"), 401),
    "delegated: a user's oid and sub, no scp": (lambda w: claims(w, sub="pairwise-subject"), 401),
    "delegated: idtyp user": (lambda w: claims(w, idtyp="user"), 401),
    "an ID token": (lambda w: claims(w, at_hash="x", nonce="y"), 401),
    "role: missing": (lambda w: claims(w, roles=None), 403),
    "role: another": (lambda w: claims(w, roles=["Graph.Reader", "graph.read"]), 403),
    "replayed: AWS token that says it is Entra's": (aws_as_azure, 401),
    "replayed: Entra token that says it is AWS's": (lambda w: claims(w, iss=w.of["aws"].issuers[0]), 401),
    "replayed: Entra token with the issuer of its other version": (
        lambda w: w.of["azure"].token("agent", iss=w.of["entra-v1"].issuers[1]), 401),
    "AWS: an ID token of the pool": (lambda w: w.of["aws"].token("agent", token_use="id", aud=API), 401),
    "AWS: scope of another resource server": (lambda w: w.of["aws"].token("agent", scope="other/read"), 401),
    "AWS: a user's token": (lambda w: w.of["aws"].token("agent", sub="u-1", username="ada"), 401),
    "AWS: a token with a user's name": (lambda w: w.of["aws"].token("agent", username="ada"), 401),
    "AWS: another aud beside the right scope": (lambda w: w.of["aws"].token("agent", aud="other"), 401),
    "Databricks: a user's token": (lambda w: w.of["databricks"].token("agent", sub="ada@contoso.example"), 401),
    "Databricks: another workspace": (lambda w: w.of["databricks"].token("agent", iss="https://o.example/oidc"), 401),
    "OIDC: a user's token": (lambda w: w.of["oidc"].token("agent", sub="ada"), 401),
    "OIDC: scope missing": (lambda w: w.of["oidc"].token("agent", scope="reading"), 403),
    "form: truncated": (lambda w: good(w)[: len(good(w)) // 2], 401),
    "form: oversized": (lambda w: claims(w, padding="x" * 16_384), 401),
    "form: no dots": (lambda w: good(w).replace(".", ""), 401),
    "form: one dot": (lambda w: good(w).rpartition(".")[0], 401),
    "form: five parts (encrypted)": (lambda w: good(w) + ".x.y", 401),
    "form: padded Base64": (lambda w: good(w).replace(".", "=.", 1), 401),
    "form: not ASCII": (lambda w: "ä" + good(w)[1:], 401),
    "form: a line break at its end": (lambda w: good(w) + "\n", 401),
    "form: a claim twice": (claim_twice, 401),
    "form: payload is a list": (lambda w: f"{good(w).split('.')[0]}.{part([1])}.{good(w).split('.')[2]}", 401),
    "form: payload nested 8000 deep": (lambda w: f"{good(w).split('.')[0]}.{part(b'[' * 8000)}.eA", 401),
    "form: empty": (lambda w: "", 401),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
async def test_every_attack_is_refused(attack: str, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    make, status = ATTACKS[attack]
    token = make(world)
    answer = await world.present(token)
    assert isinstance(answer, Response), f"{attack}: was accepted"
    reason = answer.body.decode().strip()
    with capsys.disabled():
        print(f"\n  {answer.status}  {attack:<60} {reason}", end="")
    assert answer.status == status
    challenge = answer.headers["www-authenticate"]
    assert f'error="{"insufficient_scope" if status == 403 else "invalid_token"}"' in challenge
    assert 'resource_metadata="https://x.example/.well-known/oauth-protected-resource/mcp"' in challenge
    # No part of what was presented comes back.
    for piece in [piece for piece in token.split(".") if len(piece) > 12]:
        assert piece not in challenge + reason


def test_the_kinds_that_issue_5_asks_for_are_all_among_the_attacks() -> None:
    for kind in (
        "forged",
        "downgraded",
        "time",
        "audience",
        "tenant",
        "client",
        "delegated",
        "role",
        "replayed",
        "form",
    ):
        assert any(name.startswith(kind) for name in ATTACKS)


READER = frozenset({"Graph.Read"})
GENUINE: dict[str, tuple[Callable[[World], str], Callable[[World], Principal]]] = {
    "Entra v2, managed identity": (good, lambda w: Principal(
        "azure", "managed_identity", OBJECT_ID, "agent", w.of["azure"].tenant, READER, "token of azure", "azure")),
    "Entra v2, service principal": (lambda w: claims(w, xms_mirid=None), lambda w: Principal(
        "azure", "service_principal", OBJECT_ID, "agent", w.of["azure"].tenant, READER, "token of azure", "azure")),
    "Entra v1": (lambda w: w.of["entra-v1"].token("agent"), lambda w: Principal(
        "azure", "service_principal", OBJECT_ID, "agent", w.of["entra-v1"].tenant, READER, "token of entra-v1",
        "entra-v1")),
    "Cognito": (lambda w: w.of["aws"].token("agent"), lambda w: Principal(
        "aws", "service_principal", "agent", "agent", POOL, frozenset({f"{API}/read"}), "token of aws", "aws")),
    "Databricks": (lambda w: w.of["databricks"].token("agent"), lambda w: Principal(
        "databricks", "service_principal", "agent", "agent", w.of["databricks"].url.removeprefix("http://"),
        frozenset({"all-apis"}), "token of databricks", "databricks")),
    "OpenID Connect, ES256": (lambda w: w.of["oidc"].token("agent"), lambda w: Principal(
        "oidc", "service_principal", "agent", "agent", w.of["oidc"].url, frozenset({"read"}), "token of oidc", "oidc")),
    "within the leeway": (lambda w: claims(w, exp=soon(-20), nbf=soon(20)), lambda w: Principal(
        "azure", "managed_identity", OBJECT_ID, "agent", w.of["azure"].tenant, READER, "token of azure", "azure")),
}  # fmt: skip


@pytest.mark.parametrize("genuine", GENUINE)
async def test_every_genuine_token_is_accepted_as_whom_it_proves(
    genuine: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    make, expected = GENUINE[genuine]
    principal = await world.present(make(world))
    assert principal == expected(world)
    with capsys.disabled():
        print(f"\n  ok   {genuine:<60} {principal.platform} {principal.kind} {principal.id}", end="")
