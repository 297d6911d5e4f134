"""What a secret says: where a database is, and as whom to log in. JSON, or the file that Aura offers for download."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from core.errors import CredentialError
from core.settings import checked_uri

__all__ = ["Credential", "parse_credential"]


def _names(field: str) -> AliasChoices:
    return AliasChoices(field, f"NEO4J_{field.upper()}")


class Credential(BaseModel):
    """A database user of a database. The password shows in no repr, log or error."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    uri: str = Field(validation_alias=_names("uri"))
    username: str = Field(min_length=1, validation_alias=_names("username"))
    password: SecretStr = Field(min_length=1, validation_alias=_names("password"))
    database: str | None = Field(None, min_length=1, validation_alias=_names("database"))

    @field_validator("uri")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        return checked_uri(value)


def parse_credential(text: str, *, source: str) -> Credential:
    """The credential that ``text`` holds; ``source`` is what errors call it.

    Two forms are known: a JSON object with ``uri``, ``username``, ``password`` and perhaps ``database``, or lines of
    ``NEO4J_URI=…`` and so on, as in the file that Aura offers for download. What else it holds is left alone.

    Raises:
        CredentialError: It has neither form, or something is missing or wrong. No value is quoted.
    """
    stripped = text.strip().removeprefix("\ufeff")
    values = _from_json(stripped, source) if stripped.startswith("{") else _from_lines(stripped)
    try:
        return Credential.model_validate(values)
    except ValidationError as error:
        problems = sorted(
            f"{detail['loc'][0] if detail['loc'] else 'it'}: {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_url=False, include_input=False)
        )
        raise CredentialError(
            f"The credential {source} cannot be used. {'; '.join(problems)}. It must be JSON with uri, username and "
            "password, or the file that Aura offers for download."
        ) from None


def _from_json(text: str, source: str) -> Mapping[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        raise CredentialError(f"The credential {source} begins like JSON and is none.") from None
    return values if isinstance(values, dict) else {}


def _from_lines(text: str) -> Mapping[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}
