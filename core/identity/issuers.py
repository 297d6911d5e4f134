"""The issuers whose tokens are accepted: a small TOML text that says for each issuer what its tokens must be.

::

    [[issuer]]
    name = "contoso"                             # for logs, and as the proof of the principal
    platform = "azure"                           # azure, aws, databricks or oidc: where the claims stand
    issuer = ["https://login.microsoftonline.com/TENANT/v2.0", "https://sts.windows.net/TENANT/"]
    audience = ["api://neo4j", "6f9619ff-8b86-d011-b42d-00c04fc964ff"]
    jwks_uri = "https://…"                       # where the keys are; left out, the issuer's own metadata tells
    clients = ["7c9e6679-…"]                     # the applications that may call; left out, all that get a token
    blueprints = ["9b2f4c1e-…"]                  # the agents that may also call, by the blueprint of their identity
    roles = ["Graph.Read"]                       # one of these roles or scopes is required; left out, none
    tenant = "TENANT"                            # what the tenant of the caller must be; left out, any
    app_only = true                              # refuse tokens that were issued for a user; the default
    scopes = ["api://neo4j/.default"]            # what clients should ask for; left out, what is usual
    leeway = 30                                  # seconds that clocks may differ, at most 60
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from core.addresses import is_loopback
from core.errors import IssuerError
from core.identity.guid import folded
from core.toml_source import TomlTables, as_list, text_of

__all__ = ["TrustedIssuer", "parse_issuers", "read_issuers"]

_URL = re.compile(r"https?://[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+")


def _checked_url(value: str) -> str:
    """``value`` if keys may be fetched from it.

    Source: RFC 8414 section 2 (https; no query, no fragment).
    """
    try:
        parts = urlsplit(value)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    if not host or not _URL.fullmatch(value) or parts.username is not None or parts.query or "?" in value:
        raise ValueError("must be a plain URL, https://HOST/…, without user name, query or fragment")
    if parts.scheme != "https" and not is_loopback(host):
        raise ValueError("must begin with https://; http:// is for this machine's own loopback interface only")
    return value


def _exact(value: str) -> str:
    if "*" in value or not value.isprintable() or value != value.strip():
        raise ValueError("is compared letter by letter: no patterns, and no space around it")
    return value


def _one(value: str) -> str:
    if re.search(r"[,;\s]", value):
        raise ValueError('names one application each: write a list, ["…", "…"], not a text with commas or spaces in it')
    return folded(value)


def _frozen(value: Any) -> Any:
    listed = as_list(value)
    return tuple(listed) if isinstance(listed, list) else listed


_Text = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_exact)]
_Texts = Annotated[tuple[_Text, ...], BeforeValidator(_frozen), Field(min_length=1)]
_Clients = Annotated[tuple[Annotated[_Text, AfterValidator(_one)], ...], BeforeValidator(_frozen), Field(min_length=1)]
_Url = Annotated[_Text, AfterValidator(_checked_url)]
_Urls = Annotated[tuple[_Url, ...], BeforeValidator(_frozen), Field(min_length=1)]


class TrustedIssuer(BaseModel):
    """One ``[[issuer]]``: an issuer, and which of its tokens are accepted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: _Text
    platform: Literal["azure", "aws", "databricks", "oidc"]
    issuer: _Urls
    audience: _Texts
    jwks_uri: _Url | None = None
    clients: _Clients | None = None
    blueprints: _Clients | None = None
    roles: _Texts | None = None
    tenant: _Text | None = None
    app_only: bool = True
    scopes: _Texts | None = None
    leeway: int = Field(30, ge=0, le=60)

    @field_validator("scopes")
    @classmethod
    def _one_word_each(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        # RFC 6749 section 3.3: which characters a scope may have.
        if value and not all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", scope) for scope in value):
            raise ValueError('a scope must not contain spaces, " or \\')
        return value

    @field_validator("audience")
    @classmethod
    def _guids_without_case(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(folded(audience) for audience in value)

    @field_validator("tenant")
    @classmethod
    def _guid_without_case(cls, value: str | None) -> str | None:
        return None if value is None else folded(value)

    @model_validator(mode="after")
    def _blueprints_are_of_entra(self) -> Self:
        if self.blueprints is not None and self.platform != "azure":
            raise ValueError('blueprints: only tokens of platform "azure" name one')
        return self

    def admits_client(self, client: str) -> bool:
        """Whether the application ``client`` may call: it is listed, or nothing is, neither it nor a blueprint."""
        if self.clients is None:
            return self.blueprints is None
        return client in self.clients

    @property
    def asked_scopes(self) -> tuple[str, ...]:
        """The scopes that a client must request from the issuer, to get a token that is accepted here.

        Entra issues application tokens for ``RESOURCE/.default`` only, and puts the application's roles into them:
        https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow .
        """
        if self.scopes is not None:
            return self.scopes
        if self.platform == "azure":
            resource = next((audience for audience in self.audience if "://" in audience), self.audience[0])
            return (f"{resource}/.default",)
        if self.platform == "databricks":
            return ("all-apis",)
        return self.roles or ()


def read_issuers(setting: str, *, source: str) -> tuple[TrustedIssuer, ...]:
    """The issuers in a setting: a text that lists them, or the path of a file that does.

    Raises:
        IssuerError: as `parse_issuers`; or the file does not exist or cannot be read.
    """
    text, where = text_of(setting, source=source, what="file of issuers", error=IssuerError)
    return parse_issuers(text, source=where)


def parse_issuers(text: str, *, source: str) -> tuple[TrustedIssuer, ...]:
    """The issuers that ``text`` lists; ``source`` names it in errors: a file's or a setting's name.

    Raises:
        IssuerError: It does not parse, lists none, or an entry is invalid; the text gives source, line and
            reason.
    """
    tables = TomlTables(text, table="issuer", source=source, what="A list of issuers", error=IssuerError)
    issuers = tables.read(TrustedIssuer)
    if not issuers:
        raise tables.problem(1, "there is no [[issuer]] in it, so no token could ever be accepted")
    # A token names its issuer and nothing else that is configured here: each issuer's URL may occur only once.
    tables.must_differ("issuer", [list(dict.fromkeys(issuer.issuer)) for issuer in issuers])
    return tuple(issuers)
