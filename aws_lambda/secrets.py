"""Secrets Manager as the secret store, read with the function's own role.

boto3 is used directly. The parameters module of Powertools returns a secret's text without its version, which tells a
rotated secret from the one that the database refused, and its cache confuses the stages of a secret (its key is the
name alone). The core remembers what is fetched here. boto3 is imported at the first fetch.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from core.credentials.secret_store import (
    Secret,
    SecretDenied,
    SecretError,
    SecretMalformed,
    SecretNotFound,
    SecretThrottled,
    SecretUndecryptable,
    SecretUnreachable,
)

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["SecretsManager"]

_CONNECT_SECONDS = 2
_READ_SECONDS = 3
_ATTEMPTS = 2

_DENIED = frozenset(
    {
        "AccessDeniedException",
        "AccessDenied",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "ExpiredTokenException",
        "ExpiredToken",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "AuthFailure",
    }
)
_FORBIDDEN = 403
_KMS_REFUSES = "Access to KMS is not allowed"
"""The text by which an AccessDeniedException of Secrets Manager says that it is the key, and not the secret."""
_THROTTLED = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException"}
)


class SecretsManager:
    """Fetches the current version (AWSCURRENT) of secrets by name or ARN."""

    def __init__(self, **client_options: Any) -> None:
        """``client_options`` go to boto3's client; the rest comes from the environment, as AWS sets it."""
        self._options = client_options
        self._client: Any = None
        self._lock = threading.Lock()

    async def fetch(self, name: str) -> Secret:
        """The secret ``name``; its version is Secrets Manager's own version id.

        The stage is named: what answers when it is not is left to whoever stands in for Secrets Manager.

        Raises:
            SecretError: as `core.credentials.secret_store.SecretStore.fetch`.
        """
        answer = await self.ask("get_secret_value", name, VersionStage="AWSCURRENT")
        text = answer.get("SecretString")
        if text is None:
            try:
                text = answer["SecretBinary"].decode()
            except (KeyError, UnicodeDecodeError):
                raise SecretMalformed(f"The secret {name} has no text. Store JSON, or the file from Aura.") from None
        return Secret(name, SecretStr(text), answer.get("VersionId", ""), _timestamp(answer.get("CreatedDate")))

    async def ask(self, operation: str, name: str, **parameters: Any) -> dict[str, Any]:
        """What boto3's ``operation`` answers for the secret ``name``; ``parameters`` are those besides its id.

        Raises:
            SecretError: as `core.credentials.secret_store.SecretStore.fetch`.
        """
        return await asyncio.to_thread(self._answered, operation, name, {"SecretId": name, **parameters})

    def _answered(self, operation: str, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._connected(), operation)(**parameters)
        except ClientError as error:
            raise _explained(name, error.response, operation) from None
        except BotoCoreError as error:
            raise _unreachable(name, type(error).__name__) from None
        return answer

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                import boto3
                from botocore.config import Config

                config = Config(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                )
                # A new session: boto3's default one would keep the keys that it found first.
                # It reads AWS_DEFAULT_REGION by itself; what runs functions and runtimes for AWS sets AWS_REGION.
                region = os.environ.get("AWS_REGION") or None
                self._client = boto3.Session(region_name=region).client(
                    "secretsmanager", config=config, **self._options
                )
            return self._client

    def forget(self) -> None:
        """Connect again with the role's keys at that time: for a process restored from a snapshot."""
        with self._lock:
            self._client = None


def _timestamp(date: datetime | None) -> float | None:
    return None if date is None else date.timestamp()


def _explained(name: str, response: Any, operation: str) -> SecretError:
    """What Secrets Manager's refusal means.

    Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html (errors).
    """
    code = str(response.get("Error", {}).get("Code", "unknown"))
    if code == "ResourceNotFoundException":
        return SecretNotFound(
            f"Secrets Manager has no secret {name} in this region and account, or it has no current value. Create it, "
            "or correct NEO4J_M2M_SECRET."
        )
    if code in ("InvalidRequestException", "InvalidParameterException"):
        return SecretNotFound(
            f"The secret {name} cannot be read ({code}): it is most likely scheduled for deletion, or its name is not "
            "valid. Restore it, or correct NEO4J_M2M_SECRET."
        )
    if code == "DecryptionFailure" or code.startswith("KMS") or _KMS_REFUSES in str(response.get("Error", {})):
        return SecretUndecryptable(
            f"Secrets Manager cannot decrypt the secret {name} ({code}): its key is disabled or deleted, or this "
            "function's role may not use it. Allow kms:Decrypt on the key, or enable it."
        )
    denied = code in _DENIED or response.get("ResponseMetadata", {}).get("HTTPStatusCode") == _FORBIDDEN
    if denied and operation != "get_secret_value":
        action = "".join(word.capitalize() for word in operation.split("_"))
        return SecretDenied(
            f"This role may not do {action} with the secret {name} ({code}). Allow it secretsmanager:{action} on that "
            "secret and, if a customer's key encrypts it, kms:Decrypt and kms:GenerateDataKey on the key."
        )
    if denied:
        return SecretDenied(
            f"This function's role may not read the secret {name} ({code}). Allow it secretsmanager:GetSecretValue on "
            "that secret and, if a customer's key encrypts it, kms:Decrypt on the key."
        )
    if code in _THROTTLED:
        return SecretThrottled(f"Secrets Manager gets too many requests in this account; {name} was not read ({code}).")
    return _unreachable(name, code)


def _unreachable(name: str, why: str) -> SecretError:
    if why in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return SecretDenied(f"This process has no AWS credentials to read the secret {name} ({why}).")
    if why == "NoRegionError":
        return SecretUnreachable(f"The region of the secret {name} is not set: set AWS_REGION.")
    return SecretUnreachable(
        f"Secrets Manager does not answer when asked for {name} ({why}). In a VPC, the function needs a route to it: a "
        "VPC endpoint for secretsmanager, or a NAT gateway."
    )
