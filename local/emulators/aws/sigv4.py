"""Verifies AWS Signature Version 4, as the front of a function URL does.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html . No library
verifies; botocore, which signs, provides the canonical forms, so both sides agree on them.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from local.emulators.aws.account import AccessKey

__all__ = ["SigV4Verifier", "SignatureRefused", "SignedRequest"]

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([\w-]+)/(\d{8})/([\w-]+)/([\w-]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;_-]+), ?Signature=([0-9a-f]{64})"
)
_SKEW = 300
"""Seconds by which clocks may differ."""


class SignatureRefused(Exception):
    """The request is not signed correctly: the type and text of AWS's error."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class SignedRequest:
    """A request as it arrived: the path and query as they were sent, all headers with names in lower case."""

    method: str
    raw_path: str
    raw_query: str
    headers: Sequence[tuple[str, str]]
    body: bytes


class _Canonical(SigV4Auth):  # type: ignore[misc]
    """The canonical form of only those headers that were signed."""

    def __init__(self, key: AccessKey, service: str, region: str, signed: frozenset[str]) -> None:
        super().__init__(Credentials(key.id, key.secret.get_secret_value()), service, region)
        self._signed = signed

    def headers_to_sign(self, request: AWSRequest) -> Any:
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            if name.lower() in self._signed:
                headers[name.lower()] = value
        return headers


class SigV4Verifier:
    """Verifies signatures for one service in one region; ``keys`` finds an access key by its id."""

    def __init__(
        self,
        keys: Callable[[str], AccessKey | None],
        *,
        region: str,
        service: str = "lambda",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._region = region
        self._service = service
        self._clock = clock

    def verify(self, request: SignedRequest) -> AccessKey:
        """The key with which ``request`` is signed.

        Raises:
            SignatureRefused: It is not signed, its key is not valid, or it was changed after signing.
        """
        values = _single(request.headers)
        authorization = values.get("authorization")
        if authorization is None:
            raise SignatureRefused("MissingAuthenticationTokenException", "Missing Authentication Token")
        parts = _AUTHORIZATION.fullmatch(authorization)
        if parts is None:
            raise SignatureRefused("IncompleteSignatureException", "Authorization header is not of the required form.")
        key_id, date, region, service, names, signature = parts.groups()
        signed = frozenset(names.split(";"))
        if (region, service) != (self._region, self._service):
            raise SignatureRefused(
                "InvalidSignatureException", f"Credential should be scoped to {self._region} and {self._service}."
            )
        key = self._key(key_id, values.get("x-amz-security-token"))
        demanded = {"host", "x-amz-date"} | ({"x-amz-security-token"} if key.session_token is not None else set())
        if not demanded <= signed or not signed <= values.keys():
            raise SignatureRefused("IncompleteSignatureException", "Headers that must be signed are not.")
        self._check_time(values["x-amz-date"], date)
        self._check_body(values.get("x-amz-content-sha256"), request.body)
        expected = self._signature(key, request, values, signed)
        if not hmac.compare_digest(expected, signature):
            raise SignatureRefused(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method.",
            )
        return key

    def _key(self, key_id: str, token: str | None) -> AccessKey:
        key = self._keys(key_id)
        expected = key.session_token.get_secret_value() if key is not None and key.session_token is not None else ""
        if key is None or not hmac.compare_digest(expected.encode(), (token or "").encode()):
            raise SignatureRefused(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        if self._clock() >= key.expires_at:
            raise SignatureRefused("ExpiredTokenException", "The security token included in the request is expired")
        return key

    def _check_time(self, stamp: str, date: str) -> None:
        try:
            at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC).timestamp()
        except ValueError:
            at = float("-inf")
        if stamp[:8] != date or abs(self._clock() - at) > _SKEW:
            raise SignatureRefused("InvalidSignatureException", "Signature expired, or not yet current.")

    @staticmethod
    def _check_body(declared: str | None, body: bytes) -> None:
        """A declared hash is signed, so it must be the body's; ``UNSIGNED-PAYLOAD`` is for S3 only."""
        if declared is not None and not hmac.compare_digest(declared, hashlib.sha256(body).hexdigest()):
            raise SignatureRefused(
                "InvalidSignatureException", "The value of x-amz-content-sha256 is not the hash of the body."
            )

    def _signature(self, key: AccessKey, request: SignedRequest, values: dict[str, str], signed: frozenset[str]) -> str:
        query = f"?{request.raw_query}" if request.raw_query else ""
        url = f"https://{values['host']}{request.raw_path}{query}"
        headers = {name: value for name, value in values.items() if name in signed}
        rebuilt = AWSRequest(request.method, url, headers=headers, data=request.body)
        rebuilt.context["timestamp"] = values["x-amz-date"]
        canonical = _Canonical(key, self._service, self._region, signed)
        to_sign = canonical.string_to_sign(rebuilt, canonical.canonical_request(rebuilt))
        signature: str = canonical.signature(to_sign, rebuilt)
        return signature


def _single(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The headers by name; those that say who calls may occur only once."""
    values: dict[str, str] = {}
    for name, value in headers:
        if name in values and (name in ("authorization", "host") or name.startswith("x-amz-")):
            raise SignatureRefused("IncompleteSignatureException", f"The header {name} came more than once.")
        values[name] = f"{values[name]},{value}" if name in values else value
    return values
