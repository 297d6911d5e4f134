"""Every way in which a request may carry a proof, and those in which it only seems to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.access.grant import Grant, read_only
from core.access.policy import parse_policy
from core.from_settings import token_door
from core.http import Request, Response
from core.identity.principal import Principal
from core.settings import Settings
from core.tools import ALL_TOOLS
from databricks_app.identity import AppDoor, capped, subject_token
from databricks_app.pats import PatVerifier
from databricks_app.workspace import Workspace
from local.emulators.databricks.api import WorkspaceApp
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.issuer import Issuer, Resource, running_issuer
from tests.databricks_app.conftest import ADA, AGENT, BOB, ID, INTRUDER
from tests.support.grants import READING, allowed

Door = Callable[..., AppDoor]
USER, TOKEN = "x-forwarded-user", "x-forwarded-access-token"


@pytest.fixture
def door(told: Workspace) -> Door:
    def made(*, pats: bool = False, forwarded: bool = False) -> AppDoor:
        verifier = PatVerifier(told.host) if pats else None
        return AppDoor(token_door(Settings(issuers=told.issuers())), verifier, forwarded=forwarded)

    return made


def request(*headers: tuple[str, str], method: str = "POST", path: str = "/mcp") -> Request:
    return Request(method, path, (("host", "127.0.0.1:8000"), *headers), b"", "r")


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


async def refused(door: AppDoor, *headers: tuple[str, str]) -> str:
    answer = await door.authenticate(request(*headers))
    assert isinstance(answer, Response), answer
    assert answer.status == 401
    assert "resource_metadata=" in answer.headers["www-authenticate"]
    return answer.body.decode()


async def proved(door: AppDoor, *headers: tuple[str, str]) -> Principal:
    answer = await door.authenticate(request(*headers))
    assert isinstance(answer, Principal), answer
    return answer


async def test_service_principals_and_users_are_told_apart(door: Door, workspace: EmulatedWorkspace) -> None:
    machine = await proved(door(), bearer(workspace.issuer.token(AGENT.id)))
    assert (machine.platform, machine.kind, machine.id) == ("databricks", "service_principal", AGENT.id)
    assert machine.proved_by == "token of workspace"
    person = await proved(door(), bearer(workspace.issuer.user_token(AGENT.id, ADA.name)))
    assert (person.kind, person.id, person.roles) == ("user_on_behalf", ADA.name, {"sql"})


async def test_a_forwarded_token_proves_the_user_on_whose_behalf_the_app_acts(
    door: Door, workspace: EmulatedWorkspace
) -> None:
    token = workspace.issuer.user_token("5d3a8a4e-9d39-4a0a-8f6b-4a8f6a9c1d03", ADA.name)
    person = await proved(door(), (TOKEN, token))
    assert (person.kind, person.id) == ("user_on_behalf", ADA.name)
    found = subject_token(request((TOKEN, token)))
    assert found is not None
    assert found.get_secret_value() == token


async def test_two_tokens_of_one_principal_are_one_caller_and_the_forwarded_one_counts(
    door: Door, workspace: EmulatedWorkspace
) -> None:
    own = workspace.issuer.user_token(AGENT.id, ADA.name, scope="all-apis")
    forwarded = workspace.issuer.user_token("5d3a8a4e-9d39-4a0a-8f6b-4a8f6a9c1d03", ADA.name)
    person = await proved(door(), bearer(own), (TOKEN, forwarded))
    assert (person.id, person.roles) == (ADA.name, {"sql"})
    found = subject_token(request(bearer(own), (TOKEN, forwarded)))
    assert found is not None
    assert found.get_secret_value() == forwarded


async def test_nobody_acts_for_another_by_adding_that_ones_token(door: Door, workspace: EmulatedWorkspace) -> None:
    issuer = workspace.issuer
    agent, intruder = issuer.token(AGENT.id), issuer.token(INTRUDER.id)
    ada, bob = (issuer.user_token(AGENT.id, user.name) for user in (ADA, BOB))
    for own, forwarded in ((agent, ada), (ada, agent), (intruder, agent), (ada, bob)):
        assert "not of the same principal" in await refused(door(), bearer(own), (TOKEN, forwarded))


async def test_a_token_that_does_not_hold_is_refused_whatever_else_the_request_carries(
    door: Door, workspace: EmulatedWorkspace
) -> None:
    good = workspace.issuer.token(AGENT.id)
    open_door = door(pats=True, forwarded=True)
    name = (USER, "1@2")
    with running_issuer(Issuer("databricks", [AGENT], [Resource(ID)])) as other:
        wrong = {
            "garbage": "x.y.z",
            "of another workspace": other.issuer.token(AGENT.id),
            "for another audience": workspace.issuer.token(AGENT.id, aud="9999"),
            "without audience": workspace.issuer.token(AGENT.id, aud=None),
            "over": workspace.issuer.token(AGENT.id, exp=1, iat=0),
            "changed": good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
            "an ID token": workspace.issuer.token(AGENT.id, at_hash="x"),
            "without subject": workspace.issuer.token(AGENT.id, sub=None),
            "without client": workspace.issuer.token(AGENT.id, client_id=None),
            "under another name": other.issuer.token(AGENT.id, iss=workspace.issuer.issuers[0]),
        }
        for token in wrong.values():
            await refused(open_door, bearer(token), name)
            await refused(open_door, (TOKEN, token), name)
            await refused(open_door, bearer(good), (TOKEN, token), name)
            await refused(open_door, bearer(token), (TOKEN, good), name)


async def test_a_header_with_a_credential_comes_once(door: Door, workspace: EmulatedWorkspace) -> None:
    good = workspace.issuer.token(AGENT.id)
    for headers in (
        [bearer(good), bearer(good)],
        [(TOKEN, good), (TOKEN, good)],
        [bearer(good), (TOKEN, good), (TOKEN, "x")],
        [bearer(good), ("x-api-key", good)],
        [("authorization", f"Basic {good}")],
        [("x-api-key", good)],
    ):
        await refused(door(forwarded=True), *headers)


async def test_names_that_are_forwarded_change_nothing_for_who_has_a_token(
    door: Door, workspace: EmulatedWorkspace
) -> None:
    token = bearer(workspace.issuer.token(INTRUDER.id))
    alone = await proved(door(forwarded=True), token)
    for names in (
        [(USER, AGENT.id)],
        [(USER, AGENT.id), (USER, ADA.name)],
        [("x-forwarded-email", ADA.name), ("x-forwarded-preferred-username", AGENT.id)],
        [(TOKEN, "")],
    ):
        assert await proved(door(forwarded=True), *names, token) == alone


async def test_a_name_alone_proves_nobody_unless_the_operator_chose_so(door: Door) -> None:
    assert "no credential" in await refused(door(), (USER, "1@2"))
    principal = await proved(door(forwarded=True), (USER, "1@2"), ("x-forwarded-email", "x@y"))
    assert (principal.kind, principal.id, principal.roles) == ("forwarded", "1@2", frozenset())
    assert "not verified" in principal.proved_by


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(USER, "")],
        [(USER, "1@2"), (USER, "1@2")],
        [(USER, "spoofed"), (USER, "1@2")],
        [(USER, "spoofed, 1@2")],
        [(USER, "1@2\t3")],
        [(USER, "é")],
        [(USER, "x" * 257)],
        [("x-forwarded-email", "ada@example.com")],
        [("x-forwarded-preferred-username", "ada@example.com")],
    ],
)
async def test_a_name_that_is_missing_doubled_or_none_is_nobody(door: Door, headers: list[tuple[str, str]]) -> None:
    await refused(door(forwarded=True), *headers)


def test_a_forwarded_name_only_reads_whatever_the_policy_says() -> None:
    everyone = '[[rule]]\nname = "all"\naccess = "write"\nmax_rows = 5\n'
    forwarded, proven = Principal("databricks", "forwarded", "1@2"), Principal("databricks", "service_principal", "x")

    def granted(policy: str, principal: Principal) -> Grant | None:
        return capped(parse_policy(policy, source="test", tools=ALL_TOOLS).grant_for)(principal)

    grant = granted(everyone, forwarded)
    assert grant is not None
    assert (allowed(grant), grant.max_rows) == (READING, 5)
    written = granted(everyone, proven)
    assert written is not None
    assert "write-cypher" in allowed(written)
    for more in ('credential = "vault"', 'database = "hr"', 'impersonate = "boss"'):
        assert granted(everyone + more, forwarded) is None
        assert granted(everyone + more, proven) is not None
    assert granted('[[rule]]\nname = "machines"\nkind = "service_principal"\n', forwarded) is None
    default = capped(read_only)(forwarded)
    assert default is not None
    assert allowed(default) == READING


async def test_the_metadata_name_the_host_that_was_called_and_the_workspace(door: Door, told: Workspace) -> None:
    addressed = ("x-forwarded-host", "mcp-neo4j-1.aws.databricksapps.com")
    said = request(addressed, method="GET", path="/.well-known/oauth-protected-resource/mcp")
    answer = await door().authenticate(said)
    assert isinstance(answer, Response)
    assert b'"https://mcp-neo4j-1.aws.databricksapps.com/mcp"' in answer.body
    assert f"{told.host}/oidc".encode() in answer.body
    refusal = await door().authenticate(request(addressed, method="GET"))
    assert isinstance(refusal, Response)
    assert "https://mcp-neo4j-1.aws.databricksapps.com/.well-known/" in refusal.headers["www-authenticate"]
    twice = await door().authenticate(request(addressed, addressed))
    assert isinstance(twice, Response)
    assert "http://127.0.0.1:8000/" in twice.headers["www-authenticate"]


async def test_a_personal_access_token_proves_whom_the_workspace_names(
    door: Door, workspace: EmulatedWorkspace
) -> None:
    machine, person = workspace.issue_pat(AGENT.id), workspace.issue_pat(ADA.name)
    found = await proved(door(pats=True), bearer(machine.get_secret_value()))
    by_token = await proved(door(pats=True), bearer(workspace.issuer.token(AGENT.id)))
    assert (found.kind, found.id, found.tenant) == (by_token.kind, by_token.id, by_token.tenant)
    assert found.proved_by == "personal access token"
    user = await proved(door(pats=True), bearer(person.get_secret_value()))
    assert (user.kind, user.id) == ("user_on_behalf", ADA.name)
    assert subject_token(request(bearer(person.get_secret_value()))) is None
    both = workspace.issuer.user_token(AGENT.id, ADA.name)
    assert (await proved(door(pats=True), bearer(person.get_secret_value()), (TOKEN, both))).id == ADA.name


async def test_personal_access_tokens_are_refused_without_the_setting_and_nobody_is_asked(
    door: Door, served: WorkspaceApp, workspace: EmulatedWorkspace
) -> None:
    pat = workspace.issue_pat(AGENT.id).get_secret_value()
    assert "not accepted here" in await refused(door(forwarded=True), bearer(pat), (USER, "1@2"))
    assert "not accepted here" in await refused(door(), (TOKEN, pat))
    assert served.requests == []
