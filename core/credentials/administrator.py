"""The administrator's credential: a secret of its own, which no server for callers can read."""

from __future__ import annotations

from core.credentials.credential import Credential, parse_credential
from core.credentials.rotation_errors import RotationRefused
from core.credentials.rotation_turn import Administrator
from core.credentials.secret_store import SecretStore
from core.credentials.sources import load_secret
from core.errors import CredentialError

__all__ = ["administrator_in"]


def administrator_in(store: SecretStore, name: str | None) -> Administrator | None:
    """What gives the administrator's credential from the secret ``name`` of ``store``; None without a name.

    The secret is read once for all steps of a rotation, when the first of them needs it.
    """
    if name is None:
        return None
    known: list[Credential] = []

    async def administrator() -> Credential:
        if not known:
            text = (await load_secret(store, name)).text.get_secret_value()
            try:
                known.append(parse_credential(text, source=name))
            except CredentialError as error:
                raise RotationRefused(str(error)) from None
        return known[0]

    return administrator
