"""What to do about an error of the database that a caller's statement met, added to this server's own sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import StatementError
from core.guard.replacements import instead_of_unknown

__all__ = ["advised"]

_PARAMETER_MISSING = "Neo.ClientError.Statement.ParameterMissing"


@contextmanager
def advised() -> Iterator[None]:
    """Run what is inside; a `StatementError` of it says what to write instead, where that is known."""
    try:
        yield
    except StatementError as error:
        advice = instead_of_unknown(error.detail or "")
        if error.code == _PARAMETER_MISSING:
            advice = "Give each $parameter of the statement a value in params."
        if advice is None:
            raise
        raise StatementError(f"{error} {advice}", error.code, detail=error.detail) from None
