"""Every setting of the server, read from the environment once, at start.

A setting is a field of `Settings`; its environment variable is ``NEO4J_M2M_`` and the field's name in capitals, except
for the four that name the database: these have the names that Neo4j's own tools and Aura's credential file use.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
)

from core.errors import SettingsError

__all__ = ["PREFIX", "Settings", "checked_uri", "split_names"]

PREFIX = "NEO4J_M2M_"

_DATABASE_PREFIX = "neo4j_"
"""Fields that begin so are read from the variable of exactly that name: NEO4J_URI, not NEO4J_M2M_NEO4J_URI."""

_URI_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
"""The schemes the driver accepts: https://neo4j.com/docs/python-manual/current/connect-advanced/ ."""


_CLOSE = 0.75
"""How alike two names must be, of 1, for one to be the other misspelt."""


def checked_uri(value: str) -> str:
    """``value``, if it is an address that the driver accepts.

    Raises:
        ValueError: It is not, or it holds a credential.
    """
    parts = urlsplit(value)
    if parts.scheme not in _URI_SCHEMES or not parts.hostname:
        raise ValueError(f"must look like SCHEME://HOST[:PORT], with one of the schemes {', '.join(_URI_SCHEMES)}")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password: they have settings of their own")
    return value


def split_names(value: object) -> object:
    """The names in ``value`` if that is text with commas between them; anything else as it is, to be validated."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*(\.\*)?$")]
_Host = Annotated[str, StringConstraints(to_lower=True, pattern=r"^(\*\.)?[A-Za-z0-9_:-]+(\.[A-Za-z0-9_-]+)*$")]
Names = Annotated[frozenset[_Name], BeforeValidator(split_names)]
"""Names of procedures or functions; as text, comma-separated. A bare ``*`` is refused: it would allow everything."""


class Settings(BaseModel):
    """What an operator can choose. Immutable; a platform's shim inherits from it.

    Credentials are `SecretStr`: their text shows in no repr, log or error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    neo4j_uri: str | None = Field(None, description="Where the database is, such as `neo4j+s://ID.databases.neo4j.io`.")
    neo4j_username: str = Field("neo4j", min_length=1, description="The database user.")
    neo4j_password: SecretStr | None = Field(None, description="The database user's password.")
    neo4j_database: str | None = Field(
        None, min_length=1, description="The database to use; unset, the user's home database."
    )

    secret: str | None = Field(
        None, min_length=1, description="The name of the secret that says where the database is and how to log in."
    )
    keys_secret: str | None = Field(
        None, min_length=1, description="The name of the secret that holds the hashes of API keys."
    )
    secret_ttl: float = Field(
        300.0, ge=0, le=86_400, description="Seconds after which a secret is read again; a refused login reads at once."
    )
    secret_stale: float = Field(
        21_600.0,
        ge=0,
        le=604_800,
        description="Seconds for which a credential is still used while the secret store does not answer.",
    )
    secret_withdrawn: float = Field(
        600.0,
        ge=0,
        le=86_400,
        description="Seconds after its last reading for which a credential is still used when the secret store denies "
        "it, no longer has it, or holds something unusable.",
    )
    database_auth: Literal["basic", "workload_identity"] = Field(
        "basic",
        description="How to log in if no secret says so: `basic` (user and password) or `workload_identity` (a "
        "token of this server's own identity, for a database that accepts it).",
    )
    database_scope: str | None = Field(
        None, min_length=1, description="The scope of the token for `workload_identity`, such as `api://neo4j`."
    )
    policy: str | None = Field(
        None, description="Who may do what: the path of a policy file, or its text. Unset, every proven caller reads."
    )
    issuers: str | None = Field(
        None, description="Whose tokens are accepted: the path of a file that lists issuers, or its text."
    )
    identity_hosts: Annotated[frozenset[_Host], BeforeValidator(split_names)] | None = Field(
        None,
        description="Hosts that may be asked for issuers' keys and for tokens for the database: names, "
        "comma-separated; one may begin with `*.`. Unset, any host over https. Link-local addresses and metadata "
        "services are never asked.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s\"\\?#]+$",
        description="The URL at which callers know the MCP endpoint, if a proxy changes the host; unset, as called.",
    )
    timeout: float = Field(
        30.0, gt=0, le=3600, description="Seconds that one call may take, from its arrival to its answer."
    )
    connect_timeout: float = Field(
        5.0, gt=0, le=300, description="Seconds to wait for a connection to the database to open."
    )
    max_rows: int = Field(1000, ge=1, le=1_000_000, description="Maximum number of rows in one answer.")
    max_bytes: int = Field(
        262_144, ge=1024, le=67_108_864, description="Maximum bytes of JSON for the rows of one answer."
    )
    body_limit: int = Field(
        1_048_576, ge=1024, le=67_108_864, description="Maximum bytes of a request's body; more gets 413."
    )
    statement_limit: int = Field(
        20_000, ge=100, le=1_048_576, description="Maximum characters of one Cypher statement; more is refused."
    )
    allowed_procedures: Names = Field(
        frozenset(),
        description="Procedures that a read may call besides those known to be harmless: full names, comma-separated; "
        "a name may end in `*`.",
    )
    allowed_functions: Names = Field(
        frozenset(),
        description="Functions that a read may call besides those built in: full names, comma-separated; "
        "a name may end in `*`.",
    )
    pool_size: int = Field(10, ge=1, le=1000, description="Maximum number of connections to the database.")
    max_survivors: int = Field(
        2,
        ge=1,
        le=100,
        description="Statements of one caller that may still run in the database after they were told to stop; with so "
        "many, the caller's next statements are refused.",
    )
    schema_ttl: float = Field(
        300.0, ge=0, le=86_400, description="Seconds for which `get-schema` answers from memory; 0 turns that off."
    )
    schema_samples: bool = Field(
        False, description="Whether `get-schema` may show values of properties that have only a few different ones."
    )
    audit_statements: bool = Field(
        False, description="Whether the audit line holds the text of the statement, besides its hash."
    )
    wrap_results: bool = Field(
        True,
        description="Whether the text of an answer marks the graph's data as untrusted (`structuredContent` never is).",
    )
    telemetry: bool = Field(
        False, description="Whether calls are traced and measured with OpenTelemetry, as its `OTEL_…` variables say."
    )
    answer_form: Literal["both", "text", "structured"] = Field(
        "both",
        description="Which copies of an answer are sent: `text`, `structured` (for clients that read only "
        "`structuredContent`), or `both`.",
    )
    cursor_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="The key, of at least 32 characters, that signs `next_cursor`. Unset, each process makes its own, "
        "and no other process accepts its cursors.",
    )
    large_integers: Literal["text", "number"] = Field(
        "text",
        description="How answers write integers beyond 2^53 - 1, which JavaScript rounds: `text` or `number`.",
    )
    page: bool | None = Field(
        None,
        description="Whether people get a page at `/`. Unset, `serve` and the Databricks App have it, the functions on "
        "AWS and Azure do not.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lines below this level are not logged."
    )

    @field_validator("neo4j_uri")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        return None if value is None else checked_uri(value)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper_case(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    def capped(self, max_rows: int | None, max_bytes: int | None, timeout: float | None) -> Self:
        """These settings, with the given limits where they are lower; None leaves a limit unchanged."""
        lower: dict[str, float] = {
            name: limit
            for name, limit in (("max_rows", max_rows), ("max_bytes", max_bytes), ("timeout", timeout))
            if limit is not None and limit < getattr(self, name)
        }
        return self.model_copy(update=lower) if lower else self

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable that ``field`` is read from."""
        return field.upper() if field.startswith(_DATABASE_PREFIX) else PREFIX + field.upper()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from ``environ``; a variable that is set but empty counts as not set.

        Raises:
            SettingsError: A ``NEO4J_M2M_`` variable is unknown, or a value does not parse. All problems are named at
                once; no value is quoted, since it may be a credential.
        """
        fields = {cls.variable(name): name for name in cls.model_fields}
        problems = [
            f"{name} is not a setting{_did_you_mean(name, fields)}"
            for name in sorted(environ)
            if name.startswith(PREFIX) and name not in fields
        ]
        values = {field: environ[variable] for variable, field in fields.items() if environ.get(variable, "").strip()}
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                field = str(detail["loc"][0]) if detail["loc"] else ""
                where = cls.variable(field) if field else "the settings together"
                problems.append(f"{where}: {detail['msg'].removeprefix('Value error, ')}")
        else:
            if not problems:
                return settings
        raise SettingsError("; ".join(problems) + ". Every setting is listed in docs/settings.md.")


def _did_you_mean(name: str, known: Mapping[str, str]) -> str:
    """A suggestion for a misspelt name; none where nothing is close. The prefix, which all share, does not count."""
    own = {variable.removeprefix(PREFIX): variable for variable in known if variable.startswith(PREFIX)}
    close = difflib.get_close_matches(name.removeprefix(PREFIX), own, n=1, cutoff=_CLOSE)
    return f" (did you mean {own[close[0]]}?)" if close else ""
