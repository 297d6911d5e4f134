"""The workspace, as databricks-sdk finds it, and as a caller without permission finds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError, NotFound, PermissionDenied
from databricks.sdk.service.workspace import AclPermission

from local.emulators.databricks.api import WorkspaceApp, running_workspace
from local.emulators.databricks.workspace import ApiError, EmulatedWorkspace
from local.emulators.issuer import Client, User

SCOPES = frozenset({"all-apis"})
OWNER = Client("owner", "canary-owners-secret", scopes=SCOPES, name="The owner")
OTHER = Client("other", "canary-others-secret", scopes=SCOPES)
ADA = User("ada@example.com", "")
VALUE = "canary-value-of-a-secret"


@pytest.fixture(scope="module")
def served() -> Iterator[WorkspaceApp]:
    with running_workspace(EmulatedWorkspace([OWNER, OTHER], [ADA], id="42")) as app:
        app.workspace.create_scope("team", OWNER.id)
        app.workspace.put_secret("team", "key", VALUE.encode())
        yield app


def client(served: WorkspaceApp, who: Client) -> WorkspaceClient:
    return WorkspaceClient(host=served.workspace.url, client_id=who.id, client_secret=who.secret, auth_type="oauth-m2m")


def test_me_is_whoever_asks(served: WorkspaceApp) -> None:
    me = client(served, OWNER).current_user.me()
    assert (me.user_name, me.display_name, me.emails or []) == ("owner", "The owner", [])
    person = WorkspaceClient(
        host=served.workspace.url, token=served.workspace.issue_pat(ADA.name).get_secret_value(), auth_type="pat"
    ).current_user.me()
    assert person.user_name == ADA.name
    assert person.emails is not None
    assert person.emails[0].value == ADA.name


def test_each_may_do_with_a_scope_what_its_permissions_say(served: WorkspaceApp) -> None:
    owner, other = client(served, OWNER), client(served, OTHER)
    with pytest.raises(PermissionDenied):
        other.secrets.get_secret("team", "key")
    assert "team" not in [scope.name for scope in other.secrets.list_scopes()]
    owner.secrets.put_acl("team", "other", AclPermission.READ)
    assert other.secrets.get_secret("team", "key").value is not None
    with pytest.raises(PermissionDenied):
        other.secrets.put_secret("team", "key", string_value="x")
    owner.secrets.put_acl("team", "other", AclPermission.WRITE)
    other.secrets.put_secret("team", "more", string_value=VALUE)
    other.secrets.delete_secret("team", "more")
    with pytest.raises(PermissionDenied):
        other.secrets.put_acl("team", "other", AclPermission.MANAGE)
    assert {acl.principal: acl.permission for acl in owner.secrets.list_acls("team")} == {
        "owner": AclPermission.MANAGE,
        "other": AclPermission.WRITE,
    }


def test_what_is_not_there_is_told_as_the_platform_tells_it(served: WorkspaceApp) -> None:
    owner = client(served, OWNER)
    for scope, key in (("nowhere", "key"), ("team", "nothing")):
        with pytest.raises(NotFound) as caught:
            owner.secrets.get_secret(scope, key)
        assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(DatabricksError) as caught:
        owner.secrets.create_scope("team")
    assert caught.value.error_code == "RESOURCE_ALREADY_EXISTS"
    with pytest.raises(DatabricksError):
        owner.secrets.create_scope("no/scope")
    with pytest.raises(DatabricksError):
        owner.secrets.put_secret("team", "large", string_value="x" * (128 * 1024 + 1))


@pytest.mark.parametrize("authorization", [None, "Bearer x.y.z", "Bearer dapi0123", "Basic b3duZXI6eA=="])
def test_without_a_token_of_the_workspace_nothing_is_told(served: WorkspaceApp, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    for path in ("/api/2.0/secrets/get?scope=team&key=key", "/api/2.0/preview/scim/v2/Me", "/api/2.0/elsewhere"):
        answer = httpx2.get(served.workspace.url + path, headers=headers, trust_env=False)
        assert answer.status_code in (401, 403)
        assert "canary" not in answer.text


def test_tokens_that_are_not_for_this_workspace_are_refused(served: WorkspaceApp) -> None:
    issuer = served.workspace.issuer
    for changed in ({"aud": "43"}, {"sub": "nobody"}, {"exp": 1}):
        with pytest.raises(ApiError):
            served.workspace.caller(f"Bearer {issuer.token(OWNER.id, **changed)}")
    with pytest.raises(PermissionDenied):
        WorkspaceClient(host=served.workspace.url, token="x.y.z", auth_type="pat").current_user.me()


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"scope": 1}', b'{"scope": "team", "key": "k"}', b"x" * 2_000_000])
def test_what_is_no_request_is_refused(served: WorkspaceApp, body: Any) -> None:
    headers = {"authorization": f"Bearer {served.workspace.issuer.token(OWNER.id)}"}
    url = f"{served.workspace.url}/api/2.0/secrets/put"
    assert httpx2.post(url, content=body, headers=headers, trust_env=False).status_code == 400
