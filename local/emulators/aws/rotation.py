"""What Secrets Manager does when it rotates a secret: a pending version, and four calls of a function.

moto would call the function in a container, and gives a label that it has to take away; so this does it.

Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets_how.html .
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from local.emulators.aws.environment import Function
from local.emulators.aws.secrets_manager import RunningSecretsManager

__all__ = ["STEPS", "begin_rotation", "enable_rotation", "rotate", "step_event"]

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


def _stored(store: RunningSecretsManager, name: str) -> Any:
    from moto.secretsmanager.models import secretsmanager_backends

    (account,) = secretsmanager_backends.keys()
    return secretsmanager_backends[account][store.region].secrets[name]


def enable_rotation(store: RunningSecretsManager, name: str) -> None:
    """Turn rotation on for the secret ``name``."""
    secret = _stored(store, name)
    secret.rotation_requested = secret.rotation_enabled = True


def begin_rotation(store: RunningSecretsManager, name: str) -> str:
    """Make the pending version without a value, or go on with the one that is pending; returns its token."""
    secret = _stored(store, name)
    for token, version in secret.versions.items():
        stages = version["version_stages"]
        if "AWSPENDING" in stages and "AWSCURRENT" not in stages:
            return str(token)
    token = str(uuid.uuid4())
    secret.remove_version_stages_from_old_versions(["AWSPENDING"])
    secret.versions[token] = {
        "createdate": int(time.time()),
        "version_id": token,
        "version_stages": ["AWSPENDING"],
    }
    return token


def step_event(name: str, token: str, step: str) -> dict[str, str]:
    """What the rotation function is called with."""
    return {"Step": step, "SecretId": name, "ClientRequestToken": token}


def rotate(store: RunningSecretsManager, name: str, function: Function) -> str:
    """Rotate the secret ``name`` once, with ``function``; returns the token.

    Raises:
        FunctionFailed: A step failed. Secrets Manager tries the same rotation again later, as the next call of this.
    """
    token = begin_rotation(store, name)
    for step in STEPS:
        function.invoke(step_event(name, token, step))
    return token
