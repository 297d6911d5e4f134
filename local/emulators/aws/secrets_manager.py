"""Secrets Manager, by moto's server with authentication on: callers must be known and have permission."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
from pydantic import SecretStr

__all__ = ["RunningSecretsManager", "StoreFront", "running_secrets_manager"]

_GET = "secretsmanager.GetSecretValue"
_FAILURE = json.dumps({"__type": "InternalServiceError", "message": "An error occurred on the server side."}).encode()


def _allow(*actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*"}


class StoreFront:
    """Stands before moto, a WSGI application: ``reads`` counts requests for a value, and with ``down`` each one fails.

    Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html (Errors).
    """

    def __init__(self, behind: Callable[..., Iterable[bytes]]) -> None:
        self._behind = behind
        self._lock = threading.Lock()
        self.reads = 0
        self.down = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_X_AMZ_TARGET") == _GET:
            with self._lock:
                self.reads += 1
            if self.down:
                start_response("500 Internal Server Error", [("content-type", "application/x-amz-json-1.1")])
                return [_FAILURE]
        return self._behind(environ, start_response)


@dataclass
class RunningSecretsManager:
    """A Secrets Manager that is served at ``endpoint``; ``front`` counts what is read, and can fail."""

    endpoint: str
    region: str
    admin: dict[str, str] = field(repr=False)
    front: StoreFront = field(repr=False)

    def client(self, service: str = "secretsmanager", keys: dict[str, str] | None = None) -> Any:
        """boto3's client of ``service``, with ``keys`` or the administrator's."""
        import boto3

        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=self.region, **(self.admin if keys is None else keys)
        )

    def create(self, name: str, text: SecretStr) -> str:
        """Create the secret ``name``; returns its ARN."""
        arn: str = self.client().create_secret(Name=name, SecretString=text.get_secret_value())["ARN"]
        return arn

    def write(self, name: str, text: SecretStr) -> None:
        """Give the secret ``name`` a new current value."""
        self.client().put_secret_value(SecretId=name, SecretString=text.get_secret_value())

    def keys_of_role(self, name: str, *actions: str) -> dict[str, str]:
        """Keys of a session of a new role that may do ``actions``, as boto3 takes them.

        moto checks only the action: the secret makes no difference here.
        """
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": [_allow(*actions)]})
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
        session = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="function")["Credentials"]
        return {
            "aws_access_key_id": session["AccessKeyId"],
            "aws_secret_access_key": session["SecretAccessKey"],
            "aws_session_token": session["SessionToken"],
        }


@contextlib.contextmanager
def running_secrets_manager(region: str) -> Iterator[RunningSecretsManager]:
    """Serve Secrets Manager, IAM and STS on a free port of the loopback interface while the context lasts."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    _mend_moto()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    front = StoreFront(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, name="Secrets Manager", daemon=True)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        anybody = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
        running = RunningSecretsManager(endpoint, region, anybody, front)
        # moto's data belongs to the process: an earlier server in this process may have left some.
        _authenticate_after(endpoint, "inf")
        requests.post(f"{endpoint}/moto-api/reset", timeout=5)
        iam = running.client("iam")
        iam.create_user(UserName="administrator")
        policy = json.dumps({"Version": "2012-10-17", "Statement": [_allow("*")]})
        iam.put_user_policy(UserName="administrator", PolicyName="all", PolicyDocument=policy)
        key = iam.create_access_key(UserName="administrator")["AccessKey"]
        running.admin = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        # From here on, every request must be signed by someone who may make it.
        _authenticate_after(endpoint, "0")
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _authenticate_after(endpoint: str, requests_made: str) -> None:
    """Set the number of requests after which moto checks who makes them."""
    headers = {"content-type": "text/plain"}
    requests.post(f"{endpoint}/moto-api/reset-auth", data=requests_made, headers=headers, timeout=5)


def _mend_moto() -> None:
    """Let moto refuse to take a label away from a version that was not named, and tell when each version was made.

    Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html .
    """
    from moto.secretsmanager import models
    from moto.secretsmanager.exceptions import InvalidParameterException, SecretNotFoundException

    backend: Any = models.SecretsManagerBackend
    if getattr(backend, "mended", False):
        return
    move, listed = backend.update_secret_version_stage, backend.list_secret_version_ids

    def update_secret_version_stage(
        self: Any, secret_id: str, version_stage: str, remove_from_version_id: str, move_to_version_id: str
    ) -> Any:
        versions = self.secrets[secret_id].versions
        holders = [version for version in versions if version_stage in versions[version]["version_stages"]]
        if move_to_version_id and holders and remove_from_version_id not in holders:
            text = f"The parameter RemoveFromVersionId must name the version that {version_stage} is attached to."
            raise InvalidParameterException(text)
        return move(self, secret_id, version_stage, remove_from_version_id, move_to_version_id)

    def list_secret_version_ids(self: Any, secret_id: str) -> str:
        if secret_id not in self.secrets:
            raise SecretNotFoundException
        said = json.loads(listed(self, secret_id))
        for version in said["Versions"]:
            version["CreatedDate"] = self.secrets[secret_id].versions[version["VersionId"]]["createdate"]
        return json.dumps(said)

    backend.update_secret_version_stage = update_secret_version_stage
    backend.list_secret_version_ids = list_secret_version_ids
    backend.mended = True
