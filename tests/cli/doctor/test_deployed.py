"""``doctor --url`` as a process, with the real SDK of each platform, against the emulated platform."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.console import Console
from local.emulators.azure import emulate as azure
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings
from tests.support.processes import environment, finished, running

pytestmark = [pytest.mark.processes, pytest.mark.exhaustive]

WORKS = ("closed", "proof", "admitted", "health", "tools", "read", "write refused")


def doctor(*arguments: str, **environ: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit status, and what was found outside, by link."""
    ended = finished("doctor", *arguments, "--json", environ=environment(**environ))
    outside = json.loads(ended.stdout)["outside"]
    return ended.returncode, {finding["link"]: finding for finding in outside}


def ok(found: dict[str, dict[str, Any]]) -> list[str]:
    return [link for link in WORKS if found[link]["state"] == "ok"]


def database(sample_database: EmbeddedNeo4j) -> dict[str, str]:
    return {
        "NEO4J_URI": sample_database.uri,
        "NEO4J_USERNAME": sample_database.username,
        "NEO4J_PASSWORD": sample_database.password.get_secret_value(),
    }


def test_a_role_signs_with_what_boto_finds_and_one_that_no_rule_admits_is_told_so(
    sample_database: EmbeddedNeo4j,
) -> None:
    with running("emulate", "aws", environ=environment(**database(sample_database))) as emulator:
        line = emulator.ready

        def signed_by(keys: dict[str, Any]) -> dict[str, str]:
            names = ("access_key_id", "secret_access_key", "session_token")
            return {f"AWS_{name.upper()}": keys[name] for name in names} | {"AWS_REGION": line["region"]}

        status, found = doctor("aws", "--url", line["url"], **signed_by(line))
        assert (status, ok(found)) == (0, list(WORKS)), found
        assert "SigV4" in found["proof"]["says"]

        status, found = doctor("aws", "--url", line["url"], **signed_by(line["intruder"]))
        assert (status, found["admitted"]["state"]) == (4, "failed")
        assert "policy explain" in found["admitted"]["remedy"]

        # The clock, the region or the key is wrong: AWS says only that it is forbidden.
        wrong = signed_by(line) | {"AWS_SECRET_ACCESS_KEY": "canary-not-this-roles-key"}
        status, found = doctor("aws", "--url", line["url"], **wrong)
        assert (status, found["admitted"]["state"]) == (4, "failed"), found


def test_a_service_principal_logs_in_by_the_unified_authentication_of_databricks(
    sample_database: EmbeddedNeo4j,
) -> None:
    with running("emulate", "databricks", environ=environment(**database(sample_database))) as emulator:
        line = emulator.ready

        def as_(identity: dict[str, Any]) -> dict[str, str]:
            return {
                "DATABRICKS_HOST": line["host"],
                "DATABRICKS_CLIENT_ID": identity["client_id"],
                "DATABRICKS_CLIENT_SECRET": identity["client_secret"],
            }

        status, found = doctor("databricks", "--url", line["url"], **as_(line))
        assert (status, ok(found)) == (0, list(WORKS)), found

        status, found = doctor("databricks", "--url", line["url"], **as_(line["intruder"]))
        assert (status, found["admitted"]["state"]) == (4, "failed")
        assert line["intruder"]["client_id"] in found["admitted"]["remedy"]

        status, found = doctor(
            "databricks", "--url", line["url"], DATABRICKS_HOST=line["host"], DATABRICKS_TOKEN="dapi-canary-1c9e"
        )
        assert (status, found["proof"]["state"]) == (4, "failed")
        assert "personal access token" in found["proof"]["says"]

        status, found = doctor(
            "databricks", "--url", line["url"], **as_({"client_id": "nobody", "client_secret": "canary-nobodys-4f2a"})
        )
        assert (status, found["proof"]["state"]) == (4, "failed"), found


def test_a_managed_identity_gets_a_token_of_its_platform(sample_database: EmbeddedNeo4j, console: Console) -> None:
    given = LocalSettings(
        neo4j_uri=sample_database.uri,
        neo4j_username=sample_database.username,
        neo4j_password=sample_database.password,
    )
    with azure.platform(given, console) as platform:
        own = {name: platform.subscription.environ[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
        scope = f"{platform.line['audience']}/.default"
        status, found = doctor("azure", "--url", platform.line["url"], "--scope", scope, **own)
        assert found["discovery"]["state"] == found["proof"]["state"] == "ok", found
        assert "A token of Entra" in found["proof"]["says"]
        # It is the function's own identity, which has no role of its own app.
        assert (status, found["admitted"]["state"]) == (4, "failed")
        assert "role or scope" in found["admitted"]["remedy"]

        status, found = doctor("azure", "--url", platform.line["url"], "--scope", "api://another/.default", **own)
        assert (status, found["proof"]["state"]) == (4, "failed")
        assert "az login" in found["proof"]["says"]

        caller = {
            "NEO4J_M2M_CALLER_CLIENT_ID": platform.line["client_id"],
            "NEO4J_M2M_CALLER_CLIENT_SECRET": platform.line["client_secret"],
        }
        status, found = doctor("azure", "--url", platform.line["url"], "--scope", scope, **caller)
        assert (status, ok(found)) == (0, list(WORKS)), found
