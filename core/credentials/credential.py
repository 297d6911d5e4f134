"""What a secret says: where a database is, and how to log in there. JSON, or the file that Aura offers for download.

::

    {"uri": "neo4j+s://ID.databases.neo4j.io", "username": "agent", "password": "…", "database": "neo4j"}

    {"uri": "neo4j+s://graph.example.com", "auth": "client_credentials",
     "token_endpoint": "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
     "client_id": "…", "client_secret": "…", "scope": "api://neo4j/.default"}

    {"uri": "neo4j+s://graph.example.com", "auth": "workload_identity", "scope": "api://neo4j/.default"}

    {"uri": "neo4j+s://graph.example.com", "auth": "on_behalf_of", "exchange": "entra", "token_endpoint": "https://…",
     "client_id": "…", "client_secret": "…", "scope": "api://neo4j/.default"}

    {"uri": "neo4j+s://ID.databases.neo4j.io", "auth": "api_key", "api_key": "…", "scheme": "api-key"}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from core.addresses import is_loopback
from core.errors import CredentialError
from core.settings import checked_uri

__all__ = [
    "ApiKeyLogin",
    "ClientCredentials",
    "Credential",
    "LoginMethod",
    "OnBehalfOf",
    "PasswordLogin",
    "WorkloadIdentity",
    "parse_credential",
    "with_login",
]


def _names(field: str) -> AliasChoices:
    return AliasChoices(field, f"NEO4J_{field.upper()}")


class _Stored(BaseModel):
    """Part of a secret. Each field is found under its name, or in capitals after ``NEO4J_``; other fields are ignored.

    No secret shows in a repr, log or error.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        alias_generator=AliasGenerator(validation_alias=_names),
        populate_by_name=True,
    )


class PasswordLogin(_Stored):
    """``"auth": "basic"``, the default: a database user and its password."""

    username: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


class _TokenEndpoint(_Stored):
    token_endpoint: str
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    client_authentication: Literal["client_secret_post", "client_secret_basic"] = "client_secret_post"
    scope: str | None = Field(None, min_length=1)
    audience: str | None = Field(None, min_length=1)
    resource: str | None = Field(None, min_length=1)

    @field_validator("token_endpoint")
    @classmethod
    def _safe(cls, value: str) -> str:
        parts = urlsplit(value)
        if not parts.hostname or parts.username or parts.fragment:
            raise ValueError("must look like https://HOST/PATH")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise ValueError("must begin with https://: a client secret is sent there")
        return value


class ClientCredentials(_TokenEndpoint):
    """``"auth": "client_credentials"``: a bearer token that a token endpoint issues for a client id and secret.

    Source: RFC 6749 section 4.4. The endpoint decides how to say what the token is for: ``scope`` (Entra:
    ``RESOURCE/.default``), ``audience`` (Auth0) or ``resource`` (RFC 8707).
    """


class WorkloadIdentity(_Stored):
    """``"auth": "workload_identity"``: a bearer token for ``scope``, issued by the platform to this server itself."""

    scope: str | None = Field(None, min_length=1)


class OnBehalfOf(_TokenEndpoint):
    """``"auth": "on_behalf_of"``: the calling user's token, exchanged for one that is addressed to the database.

    ``exchange`` is the protocol: ``entra`` (Microsoft's on-behalf-of flow) or ``rfc8693`` (token exchange).
    """

    exchange: Literal["entra", "rfc8693"]

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        # Without it, the issuer might issue a token for the same audience as the caller's own token.
        if self.exchange == "entra" and self.scope is None:
            raise ValueError("scope: must say what the token is for, such as api://neo4j/.default")
        if self.exchange == "rfc8693" and self.audience is None and self.resource is None:
            raise ValueError("audience: must say whom the token is for (or resource)")
        return self


class ApiKeyLogin(_Stored):
    """``"auth": "api_key"``: a key, sent under a scheme of the driver's custom authentication.

    No Neo4j database accepts one today; the fields are what the driver can send.
    """

    api_key: SecretStr = Field(min_length=1)
    scheme: str = Field("api-key", min_length=1)
    principal: str = ""
    realm: str | None = None


LoginMethod: TypeAlias = PasswordLogin | ClientCredentials | WorkloadIdentity | OnBehalfOf | ApiKeyLogin

_METHODS: dict[str, type[LoginMethod]] = {
    "basic": PasswordLogin,
    "client_credentials": ClientCredentials,
    "workload_identity": WorkloadIdentity,
    "on_behalf_of": OnBehalfOf,
    "api_key": ApiKeyLogin,
}


class Credential(_Stored):
    """Where a database is, and how to log in there. ``database`` None is the user's home database."""

    uri: str
    database: str | None = Field(None, min_length=1)
    login: LoginMethod

    @field_validator("uri")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        return checked_uri(value)


def parse_credential(text: str, *, source: str, instead: Mapping[str, str] | None = None) -> Credential:
    """The credential that ``text`` holds; ``source`` names it in errors.

    Two forms are known: a JSON object as shown at the top of this module, or lines of ``NEO4J_URI=…`` and so on, as in
    the file that Aura offers for download. ``instead`` has values, by field name, that replace those in the text.
    Other fields are ignored.

    Raises:
        CredentialError: It has neither form, or something is missing or wrong. No value is quoted.
    """
    stripped = text.strip().removeprefix("\ufeff")
    values = dict(_from_json(stripped, source) if stripped.startswith("{") else _from_lines(stripped))
    for name, value in (instead or {}).items():
        values.pop(f"NEO4J_{name.upper()}", None)
        values[name] = value
    kind = values.get("auth", values.get("NEO4J_AUTH", "basic"))
    method = _METHODS.get(kind) if isinstance(kind, str) else None
    if method is None:
        raise CredentialError(f"The credential {source} cannot be used. auth: must be one of {', '.join(_METHODS)}.")
    problems: list[str] = []
    login = _validated(method, values, problems)
    # The login is validated first, so that one error can name what is wrong in both.
    complete = {**values, "login": login or WorkloadIdentity(scope=None)}
    credential: Credential | None = _validated(Credential, complete, problems)
    if problems or credential is None:
        raise CredentialError(f"The credential {source} cannot be used. {'; '.join(sorted(problems))}. {_FORMS[kind]}")
    return credential


def with_login(text: str, login: PasswordLogin, **more: str) -> SecretStr:
    """The credential ``text`` as JSON, with another user name and password, and with ``more`` fields besides.

    ``text`` is one that `parse_credential` takes. Its ``uri`` and ``database`` get these names, if they had those of
    the file from Aura; what else it holds is kept.
    """
    stripped = text.strip().removeprefix("\ufeff")
    values = dict(_from_json(stripped, "") if stripped.startswith("{") else _from_lines(stripped))
    for name in ("uri", "username", "password", "database"):
        other = values.pop(f"NEO4J_{name.upper()}", None)
        if other is not None:
            values.setdefault(name, other)
    values |= {"username": login.username, "password": login.password.get_secret_value(), **more}
    return SecretStr(json.dumps(values))


_FORMS = {
    "basic": "It must be JSON with uri, username and password, or the file that Aura offers for download.",
    "client_credentials": "It must be JSON with uri, token_endpoint, client_id, client_secret and scope.",
    "workload_identity": "It must be JSON with uri and scope.",
    "on_behalf_of": "It must be JSON with uri, exchange, token_endpoint, client_id, client_secret and scope.",
    "api_key": "It must be JSON with uri, api_key and scheme.",
}


def _validated(model: type[Any], values: Mapping[str, Any], problems: list[str]) -> Any:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            reason = detail["msg"].removeprefix("Value error, ")
            problems.append(f"{detail['loc'][0]}: {reason}" if detail["loc"] else reason)
        return None


def _from_json(text: str, source: str) -> Mapping[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise CredentialError(f"The credential {source} looks like JSON but is not valid JSON.") from None
    return values if isinstance(values, dict) else {}


def _from_lines(text: str) -> Mapping[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}
