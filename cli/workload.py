"""The identity of this process: a file with a token that something else keeps fresh, as in Kubernetes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from pydantic import SecretStr

from cli.claims import claims_of
from core.credentials.database_auth import WorkloadTokens
from core.credentials.token_endpoint import AccessToken
from core.errors import TokenUnavailable

__all__ = ["tokens_in_file"]

_UNSAID_LIFETIME = 60.0
"""Seconds after which a token without an expiry is read again."""


def tokens_in_file(path: Path) -> WorkloadTokens:
    """Tokens of this process: the content of the file ``path`` when one is needed; scopes make no difference.

    Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/ (token projection).
    """

    async def token(scope: str | None) -> AccessToken:
        try:
            text = (await asyncio.to_thread(path.read_text, encoding="utf-8")).strip()
        except (OSError, UnicodeDecodeError):
            text = ""
        if not text:
            raise TokenUnavailable(f"There is no token in {path}, which should hold this server's own token.")
        return AccessToken(SecretStr(text), _end(text))

    return token


def _end(text: str) -> float:
    end = claims_of(text).get("exp")
    return float(end) if isinstance(end, int | float) else time.time() + _UNSAID_LIFETIME
