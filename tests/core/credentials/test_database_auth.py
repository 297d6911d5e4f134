from __future__ import annotations

import time

import pytest
from pydantic import SecretStr

from core.credentials.credential import WorkloadIdentity
from core.credentials.database_auth import database_auth
from core.credentials.token_endpoint import AccessToken
from core.deadline import Deadline
from core.errors import TokenRefused, TokenUnavailable


class Issuer:
    """Raises ``errors`` one after the other, then gives a token."""

    def __init__(self, *errors: TokenUnavailable) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def __call__(self, scope: str | None) -> AccessToken:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return AccessToken(SecretStr("canary-token-9e1b"), time.time() + 3600)


async def test_an_issuer_that_fails_a_few_times_is_waited_for() -> None:
    issuer = Issuer(TokenUnavailable("busy"), TokenUnavailable("busy"))
    auth = database_auth(WorkloadIdentity(scope=None), issuer)
    login = await auth.login(None, Deadline.after(10))
    assert login.token is not None
    assert issuer.asked == 3


async def test_an_issuer_that_refuses_is_asked_once() -> None:
    issuer = Issuer(TokenRefused("no"), TokenUnavailable("busy"))
    auth = database_auth(WorkloadIdentity(scope=None), issuer)
    with pytest.raises(TokenRefused):
        await auth.login(None, Deadline.after(60))
    assert issuer.asked == 1
