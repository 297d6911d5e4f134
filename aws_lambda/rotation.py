"""The rotation function: ``aws_lambda.rotation.handler``, which Secrets Manager calls once for each step.

It has a role of its own. The function that callers reach has neither the right to write the secret nor any to read the
administrator's.

Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html .
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Literal

from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aws_lambda.secrets import SecretsManager
from aws_lambda.staged_secret import StagedSecret
from core.credentials.administrator import administrator_in
from core.credentials.rotation import Rotation
from core.credentials.rotation_errors import RotationError, RotationRefused
from core.credentials.rotation_settings import RotationSettings
from core.errors import Neo4jM2mError

__all__ = ["handler"]

settings = RotationSettings.from_environ(os.environ)
logger = Logger(service="neo4j-m2m-rotation", level=settings.log_level, log_uncaught_exceptions=False)


class _Event(BaseModel):
    """What Secrets Manager calls with."""

    model_config = ConfigDict(hide_input_in_errors=True)

    step: Literal["createSecret", "setSecret", "testSecret", "finishSecret"] = Field(alias="Step")
    secret: str = Field(alias="SecretId", min_length=1)
    token: str = Field(alias="ClientRequestToken", min_length=32, max_length=64)


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: Any) -> None:
    """Do one step of a rotation. It answers nothing: that it raises nothing is the answer.

    Raises:
        RotationError, SecretError: The step could not be done. Secrets Manager tries it again later.
    """
    try:
        told = _Event.model_validate(event)
    except ValidationError:
        raise RotationRefused("This is not a step of a rotation. Let Secrets Manager call this function.") from None
    try:
        asyncio.run(_do(told))
    except Neo4jM2mError as error:
        logger.error("rotation of %s, %s: %s", told.secret, told.step, error)
        raise
    except Exception as error:  # noqa: BLE001 - the text of an unforeseen error may hold a password
        raise RotationError(f"The step {told.step} failed unforeseen ({type(error).__name__}).") from None
    logger.info("rotation of %s: %s is done", told.secret, told.step)


async def _do(told: _Event) -> None:
    if told.secret == settings.admin_secret:
        raise RotationRefused("The administrator's own secret is not rotated with itself. Rotate it by hand.")
    secrets = SecretsManager()
    secret = StagedSecret(secrets, told.secret, told.token, claimed=True)
    if await secret.refuse_unless_it_is_rotated():
        return
    administrator = administrator_in(secrets, settings.admin_secret)
    rotation = Rotation(secret, administrator, mode=settings.rotation_mode)
    match told.step:
        case "createSecret":
            await rotation.create()
        case "setSecret":
            _, notes = await rotation.set()
            for note in notes:
                logger.warning(note)
        case "testSecret" if await secret.candidate() == (await secret.current()).text:
            # Secrets Manager tries a function that it is to call later with a copy of the current version.
            await rotation.prove()
        case "testSecret":
            await rotation.test()
        case "finishSecret":
            await rotation.finish()
