"""Why a credential was not rotated; each error says what to do next, and in which state things are."""

from __future__ import annotations

from core.errors import Neo4jM2mError

__all__ = ["RotationError", "RotationInterrupted", "RotationRefused", "RotationUnderWay"]


class RotationError(Neo4jM2mError):
    """A rotation did not end. The credential in use is as it was. The text quotes no value of a secret."""


class RotationRefused(RotationError):
    """Something is not as it has to be, and an operator has to look at it. Nothing was changed after it was found."""


class RotationUnderWay(RotationError):
    """Another rotation of the same secret holds it, or has taken it over."""

    transient = True


class RotationInterrupted(RotationError):
    """The database did not answer, or not as it does when it is well. The next rotation goes on from here."""

    transient = True
