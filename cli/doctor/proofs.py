"""How ``doctor --url`` proves who it is to a deployed server: as a caller of that platform would.

A proof is headers for a request, or a signer; and a sentence that says what it is, without any secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from cli.claims import claims_of, described
from cli.doctor.refusals import object_in
from cli.extras import from_platform
from cli.function_url import region_in
from cli.settings import CommandLineSettings
from core.errors import Neo4jM2mError
from core.identity.api_keys import key_id

__all__ = ["NO_PROOF", "Asked", "NoProof", "Proof", "prove"]


class NoProof(Neo4jM2mError):
    """No proof can be made; the text says why and what to do."""


@dataclass(frozen=True)
class Proof:
    """What goes along with a request: ``headers``, or what ``signer`` adds.

    ``says`` describes it, ``claims`` are those of a token.
    """

    says: str
    claims: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    signer: httpx2.Auth = field(default_factory=httpx2.Auth, repr=False)


NO_PROOF = Proof("None, as you ask.")


@dataclass(frozen=True)
class Asked:
    """What a proof is made for: the server's URL, what its metadata say, the scope that the operator gave."""

    url: str
    settings: CommandLineSettings
    client: httpx2.Client
    issuers: list[str]
    scope: str | None
    token_url: str | None


def prove(method: str, asked: Asked) -> Proof:
    """The proof by ``method``, one of `cli.doctor.METHODS`; `NO_PROOF` for ``none``.

    Raises:
        NoProof: It cannot be made; the text says why.
        LocalError: Packages of the platform are not installed.
    """
    return NO_PROOF if method == "none" else _BY_METHOD[method](asked)


def _bearer(token: str, who: str) -> Proof:
    headers = {"authorization": f"Bearer {token}"}
    return Proof(f"{who}: {described(token)}.", claims_of(token), headers)


def _sigv4(asked: Asked) -> Proof:
    signer = from_platform("aws_lambda.signer", "aws").SigV4Auth
    import botocore.session

    # botocore reads AWS_DEFAULT_REGION and the profile by itself.
    by_settings = os.environ.get("AWS_REGION") or botocore.session.get_session().get_config_variable("region")
    region = region_in(asked.url) or by_settings
    if not region:
        raise NoProof("The region to sign for is not known: set AWS_REGION.")
    try:
        auth = signer(region)
    except LookupError as error:
        raise NoProof(f"{error} For example: AWS_PROFILE=NAME") from None
    return Proof(f"A SigV4 signature for the service lambda in {region}.", signer=auth)


def _azure(asked: Asked) -> Proof:
    from_platform("azure_function.workload", "azure")
    from azure.core.exceptions import AzureError
    from azure.identity import (
        AzureCliCredential,
        AzureDeveloperCliCredential,
        ChainedTokenCredential,
        EnvironmentCredential,
        ManagedIdentityCredential,
    )

    if asked.scope is None:
        raise NoProof("What the token is for is not known: give --scope api://APPLICATION-ID/.default")
    chain = ChainedTokenCredential(
        EnvironmentCredential(), AzureCliCredential(), AzureDeveloperCliCredential(), ManagedIdentityCredential()
    )
    try:
        token = chain.get_token(asked.scope).token
    except AzureError as error:
        code = re.search(r"AADSTS\d+", str(error))
        raise NoProof(
            f"Neither az, azd nor a managed identity gives a token for {asked.scope}"
            f"{f' ({code[0]})' if code else ''}. Log in with: az login --scope {asked.scope}"
        ) from None
    return _bearer(token, "A token of Entra")


def _databricks(asked: Asked) -> Proof:
    from_platform("databricks_app.workspace", "databricks")
    from databricks.sdk.config import Config

    try:
        headers = Config(product="neo4j-m2m-doctor").authenticate()
    except Exception as error:  # noqa: BLE001 - the SDK raises of all kinds; its text may quote what it was sent
        raise NoProof(
            f"The unified authentication of databricks-sdk finds no credential ({type(error).__name__}). Log in with: "
            "databricks auth login --host https://WORKSPACE"
        ) from None
    token = headers["Authorization"].partition(" ")[2]
    if token.startswith("dapi"):
        raise NoProof(
            "The credential is a personal access token, and Databricks Apps accept OAuth tokens only. Log in with: "
            "databricks auth login --host https://WORKSPACE"
        )
    return _bearer(token, "A token of the workspace")


def _client_credentials(asked: Asked) -> Proof:
    settings = asked.settings
    if settings.caller_client_id is None or settings.caller_client_secret is None:
        raise NoProof("Set NEO4J_M2M_CALLER_CLIENT_ID and NEO4J_M2M_CALLER_CLIENT_SECRET to the caller's.")
    endpoint = asked.token_url or _token_endpoint(asked)
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.caller_client_id,
        "client_secret": settings.caller_client_secret.get_secret_value(),
    }
    if asked.scope is not None:
        form["scope"] = asked.scope
    try:
        answer = asked.client.post(endpoint, data=form)
    except httpx2.HTTPError as error:
        raise NoProof(f"The token endpoint {endpoint} cannot be reached ({type(error).__name__}).") from None
    body = object_in(answer)
    token = body.get("access_token")
    if answer.status_code != 200 or not isinstance(token, str) or not token.isascii():
        said = str(body.get("error", f"status {answer.status_code}"))[:60]
        entra = re.match(r"AADSTS\d+", str(body.get("error_description", "")))
        raise NoProof(
            f"The token endpoint {endpoint} refuses the client: {said}{f' ({entra[0]})' if entra else ''}. "
            "Look at its id and secret, and at --scope."
        )
    return _bearer(token, "Client credentials")


def _token_endpoint(asked: Asked) -> str:
    """Source: RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4."""
    for issuer in asked.issuers:
        parts = urlsplit(issuer)
        path = parts.path.rstrip("/")
        origin = f"{parts.scheme}://{parts.netloc}"
        for url in (
            f"{origin}{path}/.well-known/openid-configuration",
            f"{origin}/.well-known/oauth-authorization-server{path}",
            f"{origin}{path}/.well-known/oauth-authorization-server",
        ):
            try:
                endpoint = object_in(asked.client.get(url)).get("token_endpoint")
            except httpx2.HTTPError:
                continue
            if isinstance(endpoint, str):
                return endpoint
    raise NoProof("The server names no issuer whose token endpoint can be found: give --token-url.")


def _api_key(asked: Asked) -> Proof:
    key = asked.settings.caller_api_key
    if key is None:
        raise NoProof("Set NEO4J_M2M_CALLER_API_KEY to the caller's key (neo4j-m2m keys create makes one).")
    value = key.get_secret_value()
    identifier = key_id(value)
    if identifier is None:
        raise NoProof("NEO4J_M2M_CALLER_API_KEY holds no whole key of this project: it was cut, or is another's.")
    return Proof(f"The API key with the id {identifier}.", headers={"x-api-key": value})


_BY_METHOD: dict[str, Callable[[Asked], Proof]] = {
    "sigv4": _sigv4,
    "azure": _azure,
    "databricks": _databricks,
    "client-credentials": _client_credentials,
    "api-key": _api_key,
}
