"""A workspace that is served, with who is in it, and the app's settings for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from databricks_app.workspace import Workspace
from local.emulators.databricks.api import WorkspaceApp, running_workspace
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.issuer import Client, User

AGENT = Client("5d3a8a4e-9d39-4a0a-8f6b-4a8f6a9c1d01", "canary-agents-secret", scopes=frozenset({"all-apis"}))
INTRUDER = Client("5d3a8a4e-9d39-4a0a-8f6b-4a8f6a9c1d02", "canary-intruders-secret", scopes=frozenset({"all-apis"}))
APP = Client("5d3a8a4e-9d39-4a0a-8f6b-4a8f6a9c1d03", "canary-apps-secret", scopes=frozenset({"all-apis"}))
ADA = User("ada@example.com", "", scopes=frozenset({"sql"}))
BOB = User("bob@example.com", "", scopes=frozenset({"sql"}))
ID = "1234567890123456"


@pytest.fixture
def served() -> Iterator[WorkspaceApp]:
    with running_workspace(EmulatedWorkspace([AGENT, INTRUDER, APP], [ADA, BOB], id=ID)) as app:
        yield app


@pytest.fixture
def workspace(served: WorkspaceApp) -> EmulatedWorkspace:
    return served.workspace


@pytest.fixture
def told(workspace: EmulatedWorkspace) -> Workspace:
    return Workspace(workspace.url, ID, APP.id, SecretStr(APP.secret or ""))
