from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth as Signer
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.aws.account import AccessKey, Account, IamUser, Role
from local.emulators.aws.sigv4 import SignatureRefused, SignedRequest, SigV4Verifier

REGION = "eu-central-1"
ACCOUNT = Account("111122223333", REGION)
LASTING = ACCOUNT.create_key(IamUser("agent"))
SESSION = ACCOUNT.assume(Role("Agent"), "session")


def signed(
    key: AccessKey = LASTING,
    *,
    method: str = "POST",
    path: str = "/mcp",
    query: str = "",
    body: bytes = b'{"jsonrpc": "2.0"}',
    headers: dict[str, str] | None = None,
    region: str = REGION,
    service: str = "lambda",
    ago: float = 0,
    **changed: Any,
) -> SignedRequest:
    token = key.session_token.get_secret_value() if key.session_token else None
    credentials = Credentials(key.id, changed.get("secret", key.secret.get_secret_value()), changed.get("token", token))
    url = f"https://host.example{path}{'?' + query if query else ''}"
    request = AWSRequest(method, url, headers={"host": "host.example", **(headers or {})}, data=body)
    signer = Signer(credentials, service, region)
    if ago:
        at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=ago)

        class Late(Signer):  # type: ignore[misc]
            def _modify_request_before_signing(self, request: Any) -> None:
                request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
                super()._modify_request_before_signing(request)

        signer = Late(credentials, service, region)
    signer.add_auth(request)
    pairs = [(name.lower(), value) for name, value in request.headers.items()]
    return SignedRequest(method, path, query, pairs, body)


def verify(request: SignedRequest, clock: Any = time.time) -> AccessKey:
    return SigV4Verifier(ACCOUNT.key, region=REGION, clock=clock).verify(request)


def changed(request: SignedRequest, **parts: Any) -> SignedRequest:
    return SignedRequest(**{**vars(request), **parts})


def with_header(request: SignedRequest, name: str, value: str | None) -> SignedRequest:
    pairs = [(key, old) for key, old in request.headers if key != name]
    return changed(request, headers=[*pairs, *([(name, value)] if value is not None else [])])


@pytest.mark.parametrize("key", [LASTING, SESSION])
def test_what_is_signed_with_a_key_that_is_good_is_known(key: AccessKey) -> None:
    assert verify(signed(key)) is key
    declared = {"x-amz-content-sha256": hashlib.sha256(b"body").hexdigest()}
    assert verify(signed(key, body=b"body", headers=declared)) is key
    assert verify(signed(key, method="GET", body=b"")) is key


@given(
    path=st.lists(st.text("abcXYZ019-._~ %é/", min_size=1, max_size=6), max_size=4),
    query=st.lists(st.tuples(st.text("ab=9", min_size=1), st.text("xyzé &+", max_size=5)), max_size=4),
    body=st.binary(max_size=200),
    header=st.text("abc  ,;=", max_size=12),
)
def test_both_sides_agree_on_whatever_is_sent(
    path: list[str], query: list[tuple[str, str]], body: bytes, header: str
) -> None:
    from urllib.parse import quote, urlencode

    raw = "/" + "/".join(quote(part, safe="") for part in path)
    request = signed(path=raw, query=urlencode(query), body=body, headers={"content-type": header or "x"})
    assert verify(request) is LASTING
    with pytest.raises(SignatureRefused):
        verify(changed(request, body=body + b"!"))
    with pytest.raises(SignatureRefused):
        verify(changed(request, raw_path=raw + "x"))


def good() -> SignedRequest:
    return signed(headers={"content-type": "application/json"}, query="a=1&b=2")


def authorized(change: Callable[[str], str]) -> SignedRequest:
    request = good()
    return with_header(request, "authorization", change(dict(request.headers)["authorization"]))


def test_the_request_that_is_changed_below_is_good() -> None:
    assert verify(good()) is LASTING


@pytest.mark.parametrize(
    "made",
    [
        lambda: changed(good(), method="GET"),
        lambda: changed(good(), raw_path="/other"),
        lambda: changed(good(), raw_query="a=1&b=3"),
        lambda: changed(good(), raw_query=""),
        lambda: changed(good(), body=b"{}"),
        lambda: with_header(good(), "host", "other.example"),
        lambda: with_header(good(), "content-type", "text/plain"),
        lambda: with_header(good(), "x-amz-date", "20260101T000000Z"),
        lambda: with_header(good(), "content-type", None),
        lambda: with_header(good(), "authorization", None),
        lambda: with_header(good(), "authorization", "Bearer token"),
        lambda: authorized(lambda value: value[:-4] + "0000"),
        lambda: authorized(lambda value: value.replace("host;", "")),
        lambda: changed(good(), headers=[*good().headers, ("authorization", dict(good().headers)["authorization"])]),
        lambda: changed(good(), headers=[*good().headers, ("host", "host.example")]),
        lambda: signed(secret="wrong"),
        lambda: signed(service="execute-api"),
        lambda: signed(region="us-east-1"),
        lambda: signed(ago=310),
        lambda: signed(ago=-600),
        lambda: signed(SESSION, token=None),
        lambda: signed(SESSION, token="another"),
        lambda: signed(LASTING, token="unasked"),
        lambda: signed(AccessKey("AKIAUNKNOWN", LASTING.secret, IamUser("nobody"))),
        lambda: signed(headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        lambda: signed(headers={"x-amz-content-sha256": hashlib.sha256(b"other").hexdigest()}),
        lambda: signed(ACCOUNT.assume(Role("Agent"), "over", seconds=-1)),
    ],
)
def test_what_is_not_signed_as_it_is_is_refused(made: Callable[[], SignedRequest]) -> None:
    with pytest.raises(SignatureRefused) as caught:
        verify(made())
    assert caught.value.kind.endswith("Exception")
    assert LASTING.secret.get_secret_value() not in str(caught.value)


def test_the_clocks_may_differ_by_five_minutes() -> None:
    now, fresh = time.time(), signed()
    for ahead in (290, -290):
        assert verify(fresh, clock=lambda ahead=ahead: now + ahead) is LASTING
    for ahead in (310, -310):
        with pytest.raises(SignatureRefused, match="expired"):
            verify(fresh, clock=lambda ahead=ahead: now + ahead)
