"""Secret scopes as the secret store, read with the app's own service principal.

The value of the app's secret resource at the start of the process is used for the first fetch only, since the platform
sets a variable once. After that, the scope itself is asked, through databricks-sdk, which is imported then.

Source: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/secrets .
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
import logging
import secrets
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import SecretStr

from core.credentials.secret_store import (
    Secret,
    SecretDenied,
    SecretError,
    SecretMalformed,
    SecretNotFound,
    SecretThrottled,
    SecretUnreachable,
)
from core.version import server_version
from databricks_app.workspace import Workspace

__all__ = ["SecretScopes", "WritableScopes"]

T = TypeVar("T")

_REQUEST_SECONDS = 3
_RETRY_SECONDS = 4
_MOST_AT_ONCE = 4
_FIELDS = ("uri", "username", "password", "database")


class SecretScopes:
    """Fetches secrets named SCOPE/KEY; for one named SCOPE, the keys ``uri``, ``username`` and ``password`` in it.

    ``first`` is the value of the secret ``first_name`` when the process started. Scopes have no versions: a digest,
    with a key that only this process has, tells one value from another, and reveals nothing about it.
    """

    def __init__(
        self, workspace: Workspace | None, *, first_name: str | None = None, first: SecretStr | None = None
    ) -> None:
        self._workspace = workspace
        self._first = {first_name: first} if first_name is not None and first is not None else {}
        self._digest_key = secrets.token_bytes(32)
        self._client: Any = None
        self._lock = threading.Lock()
        self._asking = threading.Semaphore(_MOST_AT_ONCE)

    async def fetch(self, name: str) -> Secret:
        """The secret ``name``.

        Raises:
            SecretError: as `core.credentials.secret_store.SecretStore.fetch`.
        """
        first = self._first.pop(name, None)
        text = first if first is not None else await self._in_a_thread(lambda: self._read(name), name)
        digest = hashlib.blake2b(text.get_secret_value().encode(), key=self._digest_key, digest_size=16)
        return Secret(name, text, digest.hexdigest())

    async def _in_a_thread(self, work: Callable[[], T], name: str) -> T:
        """``work`` in a thread that nobody waits for at the end: the SDK asks for a token without a time limit."""
        if not self._asking.acquire(blocking=False):
            raise SecretUnreachable(f"The workspace has not answered earlier requests; {name} was not requested.")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if outcome.done():
                return
            if error is None:
                outcome.set_result(result)  # type: ignore[arg-type]
            else:
                outcome.set_exception(error)

        def run() -> None:
            result, failure = None, None
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
                failure = error
            finally:
                self._asking.release()
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            except RuntimeError:  # the loop has ended in the meantime
                return

        threading.Thread(target=run, name="secret scope", daemon=True).start()
        return await outcome

    def _read(self, name: str) -> SecretStr:
        scope, slash, key = name.partition("/")
        if slash:
            return SecretStr(self._value(scope, key, name))
        values = {field: self._value(scope, field, name) for field in _FIELDS[:-1]}
        with contextlib.suppress(SecretNotFound):  # without it, the user's home database is used
            values["database"] = self._value(scope, "database", name)
        return SecretStr(json.dumps(values))

    def _value(self, scope: str, key: str, name: str) -> str:
        try:
            encoded = self._connected().secrets.get_secret(scope, key).value
        except SecretError:
            raise
        except Exception as error:  # noqa: BLE001 - the SDK raises of all kinds, as what it was sent leads it
            raise _explained(scope, key, error) from None
        try:
            return base64.b64decode(encoded or "", validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise SecretMalformed(f"The secret {name} has no text. Store JSON, or the file from Aura.") from None

    def _connected(self) -> Any:
        with self._lock:
            if self._client is not None:
                return self._client
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.config import Config

        # Its warnings quote the workspace's answers.
        logging.getLogger("databricks.sdk").setLevel(logging.ERROR)
        # Made without the lock: it asks the workspace where its tokens are issued, which may take long.
        assert self._workspace is not None  # noqa: S101 - for the type checker; `WritableScopes` does without
        host = self._workspace.host
        config = Config(
            host=host,
            client_id=self._workspace.client_id,
            client_secret=self._workspace.client_secret.get_secret_value(),
            auth_type="oauth-m2m",
            discovery_url=f"{self._workspace.issuer}/.well-known/oauth-authorization-server",
            http_timeout_seconds=_REQUEST_SECONDS,
            retry_timeout_seconds=_RETRY_SECONDS,
            product="neo4j-m2m",
            product_version=server_version(),
        )
        client = WorkspaceClient(config=config)
        with self._lock:
            self._client = client
        return client


class WritableScopes(SecretScopes):
    """Secrets named SCOPE/KEY that are written, too, by whoever the SDK finds: a job's ``run_as``, or an operator.

    Source: https://docs.databricks.com/aws/en/dev-tools/auth/unified-auth .
    """

    def __init__(self, connect: Callable[[], Any] | None = None) -> None:
        """``connect`` gives the SDK's client; None is the one that finds its identity by itself."""
        super().__init__(None)
        self._connect = connect

    async def write(self, name: str, text: SecretStr) -> None:
        """As `core.credentials.rotated_secret.WritableStore.write`. The scope has to be there."""
        await self._in_a_thread(lambda: self._put(name, text), name)

    def _put(self, name: str, text: SecretStr) -> None:
        scope, slash, key = name.partition("/")
        if not slash:
            raise SecretMalformed(f"The secret {name} has to be named SCOPE/KEY: one key, whose value is JSON.")
        try:
            self._connected().secrets.put_secret(scope, key, string_value=text.get_secret_value())
        except SecretError:
            raise
        except Exception as error:  # noqa: BLE001 - as in `_value`
            raise _explained(scope, key, error, right="WRITE") from None

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                logging.getLogger("databricks.sdk").setLevel(logging.ERROR)
                if self._connect is not None:
                    self._client = self._connect()
                else:
                    from databricks.sdk import WorkspaceClient

                    try:
                        self._client = WorkspaceClient(product="neo4j-m2m", product_version=server_version())
                    except ValueError:
                        raise SecretDenied(
                            "There is no identity for the workspace here: sign in with `databricks auth login`, or set "
                            "DATABRICKS_HOST, DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET."
                        ) from None
            return self._client


def _explained(scope: str, key: str, error: BaseException, *, right: str = "READ") -> SecretError:
    """What a failure of the SDK means; nothing from the workspace's answer is quoted.

    Source: https://docs.databricks.com/api/workspace/secrets/getsecret (errors).
    """
    from databricks.sdk import errors

    if isinstance(error, TimeoutError):
        # The SDK has retried until its time was up; the last failure is the cause.
        error = error.__cause__ or error
    where = f"{scope}/{key}"
    kind = type(error).__name__
    if isinstance(error, errors.NotFound):
        return SecretNotFound(
            f"The workspace has no secret {where}: no scope {scope}, or no key {key} in it. Create it with `databricks "
            f"secrets put-secret {scope} {key}`, or correct NEO4J_M2M_SECRET."
        )
    if isinstance(error, errors.PermissionDenied):
        return SecretDenied(
            f"This app's service principal may not {right.lower()} the secret {where}. Give it {right} on the scope "
            f"{scope}: by the app's secret resource, or with `databricks secrets put-acl`."
        )
    refused = isinstance(error, ValueError) and any(
        code in str(error) for code in ("invalid_client", "unauthorized_client", "access_denied")
    )
    if refused or isinstance(error, errors.Unauthenticated):
        return SecretDenied(
            f"The workspace does not accept this app's service principal; the secret {where} was not read ({kind}). "
            "Check whether it was removed from the workspace, and deploy the app again."
        )
    if isinstance(error, errors.TooManyRequests):
        return SecretThrottled(f"The workspace gets too many requests; the secret {where} was not read ({kind}).")
    if isinstance(error, errors.BadRequest):
        return SecretNotFound(
            f"The workspace cannot return a secret named {where} ({kind}). Correct NEO4J_M2M_SECRET: SCOPE/KEY."
        )
    return SecretUnreachable(f"The workspace does not answer when asked for the secret {where} ({kind}).")
