from __future__ import annotations

import subprocess
import sys

import pytest

from core.errors import IssuerError, SettingsError
from databricks_app.app import application_of
from databricks_app.settings import DatabricksSettings
from databricks_app.workspace import Workspace

TOLD = {
    "DATABRICKS_HOST": "https://dbc-1.cloud.databricks.com",
    "DATABRICKS_WORKSPACE_ID": "1234",
    "DATABRICKS_CLIENT_ID": "app",
    "DATABRICKS_CLIENT_SECRET": "canary-client-secret",
}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"NEO4J_M2M_TIMEOUT": "111"}, "at most 110"),
        ({"NEO4J_M2M_SECRET": "a/b/c"}, "SCOPE/KEY"),
        ({"NEO4J_M2M_SECRET": "a b/c"}, "SCOPE/KEY"),
        ({"NEO4J_M2M_SECRET_VALUE": "canary-value"}, "does not say as SCOPE/KEY"),
        ({"NEO4J_M2M_SECRET_VALUE": "canary-value", "NEO4J_M2M_SECRET": "scope"}, "does not say as SCOPE/KEY"),
        ({"NEO4J_M2M_KEYS_SECRET": "scope/ring"}, "cannot reach an app"),
        ({"NEO4J_M2M_CALLER_AUTH": "guess"}, "CALLER_AUTH"),
        ({"NEO4J_M2M_CALLER_AUTH": "proxy", "NEO4J_M2M_ACCEPT_PATS": "true"}, "ACCEPT_PATS"),
        ({"NEO4J_M2M_LISTEN_HOST": "0.0.0.0 ::"}, "LISTEN_HOST"),
        ({"NEO4J_M2M_ACCEPT_PAT": "true"}, "did you mean NEO4J_M2M_ACCEPT_PATS"),
    ],
)
def test_settings_that_cannot_do_are_refused_by_name(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        DatabricksSettings.from_environ(environ)
    assert "canary" not in str(caught.value)


def test_what_is_not_set_is_the_strict_choice() -> None:
    settings = DatabricksSettings.from_environ({})
    assert (settings.caller_auth, settings.accept_pats, settings.listen_host) == ("token", False, "0.0.0.0")
    assert settings.timeout <= 110


@pytest.mark.parametrize("name", ["DATABRICKS_HOST", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"])
def test_what_the_platform_should_say_and_does_not_is_told(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Workspace.from_environ({**TOLD, name: " "})


@pytest.mark.parametrize(
    "host",
    [
        "http://dbc-1.cloud.databricks.com",
        "https://dbc-1.cloud.databricks.com/path",
        "https://user@dbc-1.cloud.databricks.com",
        'https://dbc"1',
        "ftp://dbc-1",
    ],
)
def test_a_host_that_is_no_origin_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="DATABRICKS_HOST"):
        Workspace.from_environ({**TOLD, "DATABRICKS_HOST": host})


@pytest.mark.parametrize(
    "host", ["dbc-1.cloud.databricks.com", "https://dbc-1.cloud.databricks.com/", "https://DBC-1.cloud.databricks.com"]
)
def test_the_workspace_is_its_own_issuer_for_its_own_id(host: str) -> None:
    workspace = Workspace.from_environ({**TOLD, "DATABRICKS_HOST": host})
    assert workspace.host == "https://dbc-1.cloud.databricks.com"
    assert 'issuer = "https://dbc-1.cloud.databricks.com/oidc"\naudience = "1234"' in workspace.issuers()
    assert "canary" not in repr(workspace)


def test_without_the_workspaces_id_the_issuers_have_to_be_listed() -> None:
    workspace = Workspace.from_environ({**TOLD, "DATABRICKS_WORKSPACE_ID": ""})
    with pytest.raises(SettingsError, match="NEO4J_M2M_ISSUERS"):
        application_of(DatabricksSettings(), workspace)
    account = "https://accounts.cloud.databricks.com/oidc/accounts/0d26daa6"
    listed = f'[[issuer]]\nname = "account"\nplatform = "databricks"\nissuer = "{account}"\naudience = "0d26daa6"\n'
    application_of(DatabricksSettings(issuers=listed), workspace)
    with pytest.raises(IssuerError):
        application_of(DatabricksSettings(issuers="[[issuer]]\n"), workspace)


@pytest.mark.processes
def test_the_sdk_is_not_imported_before_a_scope_is_read() -> None:
    program = (
        "import os, sys\n"
        "from databricks_app.app import application_of\n"
        "from databricks_app.settings import DatabricksSettings\n"
        "from databricks_app.workspace import Workspace\n"
        "application_of(DatabricksSettings(), Workspace.from_environ(os.environ))\n"
        "print(sorted({'databricks.sdk', 'requests', 'google', 'local'} & set(sys.modules)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], env=TOLD, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
