"""Every way in which a request may carry a proof, and those in which it only seems to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.access.policy import parse_policy
from core.from_settings import token_door
from core.http import Request, Response
from core.identity.principal import Principal
from core.settings import Settings
from core.tools import ALL_TOOLS
from databricks_app.identity import AppDoor, CallerAuth
from databricks_app.pats import PatVerifier
from databricks_app.workspace import Workspace
from local.emulators.databricks.api import WorkspaceApp
from local.emulators.databricks.workspace import EmulatedWorkspace
from local.emulators.issuer import Issuer, Resource, running_issuer
from tests.databricks_app.conftest import ADA, AGENT, BOB, ID, INTRUDER
from tests.support.grants import allowed

Door = Callable[..., AppDoor]
USER, TOKEN = "x-forwarded-user", "x-forwarded-access-token"


@pytest.fixture
def door(told: Workspace) -> Door:
    def made(*, pats: bool = False, caller_auth: CallerAuth = "token") -> AppDoor:
        verifier = PatVerifier(told.host) if pats else None
        tokens = token_door(Settings(issuers=told.issuers()))
        return AppDoor(tokens, verifier, caller_auth=caller_auth, tenant="dbc-1.example")

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
    found = door().subject_token(request((TOKEN, token)))
    assert found is not None
    assert found.get_secret_value() == token


async def test_two_tokens_of_one_principal_are_one_caller_and_the_forwarded_one_counts(
    door: Door, workspace: EmulatedWorkspace
) -> None:
    own = workspace.issuer.user_token(AGENT.id, ADA.name, scope="all-apis")
    forwarded = workspace.issuer.user_token("5d3a8a4e-9d39-4a0a-8f6b-4a8f6a9c1d03", ADA.name)
    person = await proved(door(), bearer(own), (TOKEN, forwarded))
    assert (person.id, person.roles) == (ADA.name, {"sql"})
    found = door().subject_token(request(bearer(own), (TOKEN, forwarded)))
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
    open_door, named_door = door(pats=True), door(caller_auth="proxy")
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
            await refused(named_door, (TOKEN, token), name)


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
        await refused(door(), *headers, (USER, "1@2"))


async def test_names_that_are_forwarded_change_nothing_for_who_has_a_token(
    door: Door, workspace: EmulatedWorkspace
) -> None:
    token = bearer(workspace.issuer.token(INTRUDER.id))
    alone = await proved(door(), token)
    for names in (
        [(USER, AGENT.id)],
        [(USER, AGENT.id), (USER, ADA.name)],
        [("x-forwarded-email", ADA.name), ("x-forwarded-preferred-username", AGENT.id)],
        [(TOKEN, "")],
    ):
        assert await proved(door(), *names, token) == alone


async def test_a_name_alone_proves_nobody_unless_the_operator_trusts_the_proxy(door: Door) -> None:
    assert "no credential" in await refused(door(), (USER, "1@2"))
    principal = await proved(door(caller_auth="proxy"), (USER, "1@2"), ("x-forwarded-email", "ada@example.com"))
    assert (principal.kind, principal.id, principal.roles) == ("forwarded", "1@2", frozenset())
    assert (principal.name, principal.tenant) == ("ada@example.com", "dbc-1.example")
    assert principal.proved_by == "X-Forwarded-User of the proxy"


@pytest.mark.parametrize("name", ["4711@1234567890123456", AGENT.id, "ada@example.com", " 4711@1 "])
async def test_a_caller_is_known_by_the_id_in_the_form_in_which_the_proxy_gives_it(door: Door, name: str) -> None:
    principal = await proved(door(caller_auth="proxy"), (USER, name), ("x-forwarded-preferred-username", "An agent"))
    assert (principal.id, principal.name) == (name.strip(), "An agent")
    policy = f'[[rule]]\nname = "it"\nkind = "forwarded"\nid = "{name.strip()}"\naccess = "write"\n'
    grant = parse_policy(policy, source="test", tools=ALL_TOOLS).grant_for(principal)
    assert grant is not None
    assert "write-cypher" in allowed(grant)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(USER, "")],
        [(USER, "1@2"), (USER, "1@2")],
        [(USER, "spoofed"), (USER, "1@2")],
        [(USER, "spoofed, 1@2")],
        [(USER, "spoofed,1@2")],
        [(USER, "1@2\t3")],
        [(USER, "1@2 3")],
        [(USER, "é")],
        [(USER, "x" * 257)],
        [(USER, "1@2"), ("x-forwarded-email", "boss@example.com"), ("x-forwarded-email", "ada@example.com")],
        [(USER, "1@2"), (TOKEN, "x"), (TOKEN, "y")],
        [(USER, "1@2"), (TOKEN, "dapi" + "0" * 32)],
        [("x-forwarded-email", "ada@example.com")],
        [("x-forwarded-preferred-username", "ada@example.com")],
    ],
)
async def test_a_name_that_is_missing_doubled_or_malformed_is_nobody(
    door: Door, headers: list[tuple[str, str]]
) -> None:
    await refused(door(caller_auth="proxy"), *headers)


async def test_where_the_proxy_is_trusted_a_callers_own_token_is_not_looked_at_nor_exchanged(
    door: Door, workspace: EmulatedWorkspace
) -> None:
    named_door = door(caller_auth="proxy")
    assert "names no caller" in await refused(named_door, bearer(workspace.issuer.token(AGENT.id)))
    ada = workspace.issuer.user_token(AGENT.id, ADA.name)
    for own in (ada, "x.y.z"):
        assert (await proved(named_door, bearer(own), (USER, "1@2"))).id == "1@2"
        assert named_door.subject_token(request(bearer(own), (USER, "1@2"))) is None


async def test_where_the_proxy_is_trusted_a_forwarded_token_is_verified_and_of_the_user_whom_it_names(
    door: Door, workspace: EmulatedWorkspace
) -> None:
    named_door = door(caller_auth="proxy")
    ada = workspace.issuer.user_token(AGENT.id, ADA.name)
    for names in ([(USER, "1@2")], [(USER, "1@2"), ("x-forwarded-email", "Ada@Example.com")]):
        person = await proved(named_door, *names, (TOKEN, ada))
        assert (person.kind, person.id) == ("user_on_behalf", ADA.name)
        found = named_door.subject_token(request(*names, (TOKEN, ada)))
        assert found is not None
        assert found.get_secret_value() == ada
    bob = (USER, "1@2"), ("x-forwarded-email", BOB.name)
    assert "not of the user" in await refused(named_door, *bob, (TOKEN, ada))
    assert "names no caller" in await refused(named_door, (TOKEN, ada))


async def test_the_log_names_the_identity_headers_that_arrive_and_says_which_world_it_is(
    door: Door, workspace: EmulatedWorkspace, caplog: pytest.LogCaptureFixture
) -> None:
    secret = workspace.issuer.token(AGENT.id)
    for caller_auth, headers, told in (
        ("token", [(USER, "1@2"), ("x-forwarded-email", "a@b")], "NEO4J_M2M_CALLER_AUTH=proxy"),
        ("token", [(USER, "1@2"), bearer(secret)], None),
        ("token", [], None),
        ("proxy", [(USER, "1@2"), bearer(secret)], "NEO4J_M2M_CALLER_AUTH=token"),
        ("proxy", [(USER, "1@2")], None),
    ):
        caplog.clear()
        one = door(caller_auth=caller_auth)
        with caplog.at_level("INFO", "databricks_app.identity"):
            await one.authenticate(request(*headers))
            await one.authenticate(request(*headers))
        said = [record for record in caplog.records if record.name == "databricks_app.identity"]
        names = [name for name, _ in headers]
        shown = next(r.getMessage() for r in said if r.getMessage().startswith("identity headers"))
        assert all(name in shown for name in names) if names else shown.endswith("none")
        assert len(said) == (1 if told is None else 2)
        assert told is None or told in said[1].getMessage()
        assert secret not in caplog.text
        assert "1@2" not in "".join(record.getMessage() for record in said)


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
    assert found.identity == by_token.identity
    assert found.proved_by == "personal access token"
    user = await proved(door(pats=True), bearer(person.get_secret_value()))
    assert (user.kind, user.id) == ("user_on_behalf", ADA.name)
    assert door().subject_token(request(bearer(person.get_secret_value()))) is None
    both = workspace.issuer.user_token(AGENT.id, ADA.name)
    assert (await proved(door(pats=True), bearer(person.get_secret_value()), (TOKEN, both))).id == ADA.name


async def test_personal_access_tokens_are_refused_without_the_setting_and_nobody_is_asked(
    door: Door, served: WorkspaceApp, workspace: EmulatedWorkspace
) -> None:
    pat = workspace.issue_pat(AGENT.id).get_secret_value()
    assert "not accepted here" in await refused(door(), bearer(pat), (USER, "1@2"))
    assert "not accepted here" in await refused(door(), (TOKEN, pat))
    assert served.requests == []
