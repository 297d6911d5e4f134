"""Rotations that a platform begins by itself: several secrets, one after the other, each on its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from core.credentials.administrator import administrator_in
from core.credentials.rotated_secret import PairedSecrets, WritableStore
from core.credentials.rotation import Rotation, RotationReport
from core.credentials.rotation_errors import RotationError
from core.credentials.rotation_turn import RotationMode
from core.credentials.secret_store import SecretError, SecretStore

__all__ = ["SETTLE", "rotate_each"]

logger = logging.getLogger(__name__)

SETTLE = 600.0
"""Seconds after a rotation for which the next is refused: twice as long as a server uses a secret that it has read.

So a run that is repeated, because its platform did not see it end, does not rotate again.
"""


async def rotate_each(
    names: Iterable[str],
    store: WritableStore,
    administrators: SecretStore,
    admin_secret: str | None,
    *,
    mode: RotationMode = "two_users",
    settle: float = SETTLE,
) -> tuple[list[RotationReport], dict[str, RotationError | SecretError]]:
    """Rotate each of the secrets ``names``; returns what was done, and what failed by the name of the secret."""
    done, failed = [], {}
    for name in names:
        try:
            rotation = Rotation(
                PairedSecrets(store, name), administrator_in(administrators, admin_secret), mode=mode, settle=settle
            )
            report = await rotation.run()
        except (RotationError, SecretError) as error:
            logger.error("%s was not rotated: %s", name, error)
            failed[name] = error
        else:
            for note in report.notes:
                logger.warning("%s: %s", name, note)
            done.append(report)
    return done, failed
