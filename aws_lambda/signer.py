"""Signs the requests of an MCP client with AWS credentials, for a function URL with AuthType AWS_IAM.

::

    import httpx2
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client
    from aws_lambda.signer import SigV4Auth

    url = "https://ID.lambda-url.eu-central-1.on.aws/mcp"
    async with (
        httpx2.AsyncClient(auth=SigV4Auth("eu-central-1")) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        print(await client.list_tools())

It works beside either version of the SDK for MCP: the second uses httpx2, the first httpx, and clients of both accept
it. It is for agents and their developers; the function itself does not use it. Source:
https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html#urls-auth-iam .
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from botocore.auth import SigV4Auth as Signer
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from httpx2 import Auth, Request, Response
else:
    try:
        from httpx2 import Auth, Request, Response
    except ImportError:
        from httpx import Auth, Request, Response

__all__ = ["SigV4Auth"]

_SIGNED = frozenset({"content-type", "mcp-protocol-version", "mcp-session-id"})
"""In addition to ``host`` and what the signature needs: headers that nothing on the way changes."""


class SigV4Auth(Auth):
    """Signs each request, body included, for the service ``lambda`` in ``region``.

    Without ``credentials``, boto3 finds them: in the environment, in a profile, or from the role of the machine or
    task. They are looked up again for each request, so that temporary ones may be replaced in the meantime.
    """

    requires_request_body = True

    def __init__(self, region: str, credentials: Credentials | None = None, *, service: str = "lambda") -> None:
        """Raises:
        LookupError: No credentials were given, and boto3 finds none.
        """
        if credentials is None:
            import botocore.session

            credentials = botocore.session.get_session().get_credentials()
        if credentials is None:
            raise LookupError("There are no AWS credentials to sign with: configure some, or pass them in.")
        self._credentials: Any = credentials
        self._region = region
        self._service = service

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Put the signature into the headers of ``request``."""
        yield self(request)

    def __call__(self, request: Request) -> Request:
        """``request`` with the signature in its headers: what a client of the other httpx library calls."""
        headers = {name: value for name, value in request.headers.items() if name in _SIGNED}
        headers["host"] = request.headers["host"]
        signed = AWSRequest(request.method, str(request.url), headers=headers, data=request.content)
        Signer(self._credentials.get_frozen_credentials(), self._service, self._region).add_auth(signed)
        for name, value in signed.headers.items():
            request.headers[name] = value
        return request
