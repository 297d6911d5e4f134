"""Refusals in the form of Entra's token endpoint, which contain more than RFC 6749 requires.

Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes .
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from local.emulators.issuer.clients import OAuthError

__all__ = ["EntraError"]


class EntraError(OAuthError):
    """A refusal with one of Entra's numbers; its ``details`` are the members that clients such as MSAL read.

    ``suberror`` says what a person could do, such as ``consent_required``.
    """

    def __init__(
        self, number: int, text: str, code: str = "invalid_grant", status: int = 400, *, suberror: str | None = None
    ) -> None:
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        timestamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        said = f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
        super().__init__(code, said, status)
        self.details = {
            "error_codes": [number],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
            **({"suberror": suberror} if suberror else {}),
        }
