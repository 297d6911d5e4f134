"""The callers of a platform that runs on this machine, from the line that `emulate` prints: agents, and intruders."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import httpx2

__all__ = ["Caller", "HeaderAuth", "bearer"]


class HeaderAuth(httpx2.Auth):
    """Sends a credential in a header of each request."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Put the header into ``request``."""
        request.headers[self._name] = self._value
        yield request


@dataclass(frozen=True)
class Caller:
    """One way to call: ``who`` calls ``url`` with ``auth``, and is ``admitted`` or refused."""

    who: str
    url: str
    auth: httpx2.Auth | None = field(default=None, repr=False)
    admitted: bool = True


def bearer(token_url: str, identity: dict[str, Any], *, scope: str | None = None) -> HeaderAuth:
    """The bearer token that ``token_url`` issues to the client id and secret in ``identity``.

    Source: RFC 6749 section 4.4.

    Raises:
        httpx2.HTTPError: It issues no token.
    """
    form = {
        "grant_type": "client_credentials",
        "client_id": identity["client_id"],
        "client_secret": identity["client_secret"],
    }
    if scope is not None:
        form["scope"] = scope
    with httpx2.Client(trust_env=False) as client:
        answer = client.post(token_url, data=form).raise_for_status().json()
    return HeaderAuth("authorization", f"Bearer {answer['access_token']}")
