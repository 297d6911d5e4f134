from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from core.errors import Unauthenticated
from core.identity.jws import SIZE_LIMIT, read_token

HEADER = {"alg": "RS256", "kid": "k", "typ": "JWT"}
CLAIMS = {"iss": "https://a.example", "exp": 1}


def part(value: Any) -> str:
    encoded = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(encoded).rstrip(b"=").decode()


def token(header: Any = HEADER, claims: Any = CLAIMS, signature: str = "AAAA") -> str:
    return f"{part(header)}.{part(claims)}.{signature}"


def test_a_token_is_read_as_it_stands() -> None:
    read = read_token(token())
    assert (read.algorithm, read.kid, read.issuer, read.claims) == ("RS256", "k", "https://a.example", CLAIMS)
    assert read_token(token({"alg": "ES512"})).kid is None


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "", "HS256", "HS512", "EdDSA", "ES256K", "RS1", "rs256", None, 7, []]
)
def test_no_algorithm_but_those_with_a_public_key_is_accepted(algorithm: Any) -> None:
    with pytest.raises(Unauthenticated, match="accepted algorithm"):
        read_token(token({**HEADER, "alg": algorithm}))


@pytest.mark.parametrize("extension", [{"crit": ["exp"]}, {"crit": []}, {"crit": None}, {"b64": True}, {"b64": False}])
def test_no_extension_is_understood(extension: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated, match="extension"):
        read_token(token({**HEADER, **extension}))


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_an_access_token_may_say_so(kind: str) -> None:
    read_token(token({**HEADER, "typ": kind}))


@pytest.mark.parametrize("kind", ["dpop+jwt", "logout+jwt", "secevent+jwt", "", 7, None])
def test_a_token_of_another_type_is_not_one(kind: Any) -> None:
    with pytest.raises(Unauthenticated, match="another type"):
        read_token(token({**HEADER, "typ": kind}))


@pytest.mark.parametrize("kid", [7, [], {}, "k" * 513])
def test_a_key_is_named_by_a_text(kid: Any) -> None:
    with pytest.raises(Unauthenticated, match="invalid key id"):
        read_token(token({**HEADER, "kid": kid}))


@pytest.mark.parametrize("issuer", [None, 7, ["https://a.example"], {}])
def test_an_issuer_is_one_text(issuer: Any) -> None:
    with pytest.raises(Unauthenticated, match="no issuer"):
        read_token(token(claims={"iss": issuer}))


@pytest.mark.parametrize(
    "text",
    [
        b'{"iss":"https://a.example","iss":"https://a.example"}',
        b'{"iss":"https://a.example","x":{"y":1,"y":2}}',
        b'{"iss":"https://a.example","exp":NaN}',
        b'{"iss":"https://a.example","exp":-Infinity}',
        b'{"iss":"https://a.example","exp":' + b"9" * 5000 + b"}",
        '{"iss":"https://a.example"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"iss":"https://a.example"}',
        b'{"iss":"\xff"}',
        b'{"iss":"https://a.example"} {}',
        b"[" * 8000,
        b"[]",
        b'"text"',
        b"null",
    ],
)
def test_two_readers_could_not_read_two_tokens(text: bytes) -> None:
    for forged in (token(claims=text), token(header=text)):
        with pytest.raises(Unauthenticated, match="not a signed JWT"):
            read_token(forged)


@pytest.mark.parametrize("signature", ["AAAA=", "AAA=", "AAB", "A", "AA A", "AA\nA", "AA+/", "ÄÄ", ""])
def test_a_part_has_one_spelling_only(signature: str) -> None:
    with pytest.raises(Unauthenticated, match="not a signed JWT"):
        read_token(token(signature=signature))


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "\ud800.a.b"])
def test_a_text_without_three_parts_is_not_a_token(text: str) -> None:
    with pytest.raises(Unauthenticated, match="not a signed JWT"):
        read_token(text)


def test_what_is_too_large_is_not_even_looked_at() -> None:
    with pytest.raises(Unauthenticated, match=str(SIZE_LIMIT)):
        read_token("." * (SIZE_LIMIT + 1))
