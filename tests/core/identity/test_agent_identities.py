"""Agent identities of Entra: known as a kind of their own, and admitted by what they were made from."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from core.access.policy import parse_policy
from core.audit import AuditTrail
from core.errors import Forbidden, IssuerError, Unauthenticated
from core.identity.issuers import parse_issuers
from core.identity.principal import Principal
from core.identity.tokens import TokenVerifier
from core.tools import ALL_TOOLS
from local.emulators.azure.tenant import Tenant
from local.emulators.issuer import Client, RunningIssuer, running_issuer

TENANT = Tenant()


@pytest.fixture(scope="module")
def running() -> Iterator[RunningIssuer]:
    with running_issuer(TENANT.issuer()) as found:
        yield found


def verifier(running: RunningIssuer, **more: str) -> TokenVerifier:
    return TokenVerifier(parse_issuers(TENANT.issuers_text(running.issuer, **more), source="test"))


def token(running: RunningIssuer, client: Client, **changed: Any) -> str:
    return running.issuer.token(client.id, **changed)


BY_BLUEPRINT = {"blueprints": f'["{TENANT.blueprint}"]', "clients": f'["{TENANT.project.id}"]'}


async def test_an_agent_identity_is_a_kind_of_its_own_and_names_its_blueprint(running: RunningIssuer) -> None:
    principal = await verifier(running).verify(token(running, TENANT.shared_agent))
    assert (principal.kind, principal.id) == ("agent_identity", TENANT.shared_agent.object_id)
    assert principal.blueprint == TENANT.blueprint


async def test_an_agent_that_was_published_keeps_its_access_by_its_blueprint(running: RunningIssuer) -> None:
    """Its identity is new: neither its client id is listed, nor has anybody given it a role yet."""
    for agent in (TENANT.shared_agent, TENANT.published_agent):
        principal = await verifier(running, **BY_BLUEPRINT).verify(token(running, agent))
        assert principal.blueprint == TENANT.blueprint


async def test_listed_by_its_client_id_alone_a_published_agent_is_refused(running: RunningIssuer) -> None:
    listed = verifier(running, clients=f'["{TENANT.shared_agent.id}"]')
    await listed.verify(token(running, TENANT.shared_agent))
    with pytest.raises(Unauthenticated, match="client"):
        await listed.verify(token(running, TENANT.published_agent))
    with pytest.raises(Forbidden):
        await verifier(running).verify(token(running, TENANT.published_agent))


@pytest.mark.parametrize(
    "changed",
    [
        {"xms_par_app_azp": str(uuid.uuid4())},
        {"xms_par_app_azp": None},
        {"xms_par_app_azp": ""},
        {"xms_par_app_azp": ["a", "b"]},
    ],
    ids=["another blueprint", "none", "an empty one", "a list"],
)
async def test_only_the_blueprint_that_is_listed_admits(running: RunningIssuer, changed: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        await verifier(running, **BY_BLUEPRINT).verify(token(running, TENANT.published_agent, **changed))


async def test_a_blueprint_spares_no_other_caller_its_client_id_or_its_role(running: RunningIssuer) -> None:
    strict = verifier(running, **BY_BLUEPRINT)
    await strict.verify(token(running, TENANT.project))
    with pytest.raises(Forbidden):
        await strict.verify(token(running, TENANT.project, roles=None))
    with pytest.raises(Unauthenticated, match="client"):
        await strict.verify(token(running, TENANT.agent))
    only = verifier(running, blueprints=f'["{TENANT.blueprint}"]')
    with pytest.raises(Unauthenticated, match="client"):
        await only.verify(token(running, TENANT.agent))


async def test_the_blueprint_itself_and_who_only_calls_itself_so_are_not_agents(running: RunningIssuer) -> None:
    with pytest.raises(Unauthenticated, match="client"):
        await verifier(running, **BY_BLUEPRINT).verify(token(running, TENANT.agent, azp=TENANT.blueprint))


async def test_a_user_for_whom_an_agent_calls_is_a_user_and_needs_the_scope(running: RunningIssuer) -> None:
    delegated = running.issuer.user_token(TENANT.published_agent.id, TENANT.user.name)
    with pytest.raises(Unauthenticated, match="only applications"):
        await verifier(running, **BY_BLUEPRINT).verify(delegated)
    with pytest.raises(Forbidden):
        await verifier(running, **BY_BLUEPRINT, app_only="false").verify(delegated)
    principal = await verifier(running, **BY_BLUEPRINT, app_only="false", roles='["access"]').verify(delegated)
    assert (principal.kind, principal.blueprint) == ("user_on_behalf", TENANT.blueprint)


@pytest.mark.parametrize("key", ["clients", "blueprints", "tenant"])
async def test_guids_are_the_same_in_capitals(running: RunningIssuer, key: str) -> None:
    said = {"clients": TENANT.shared_agent.id, "blueprints": TENANT.blueprint, "tenant": TENANT.id}[key].upper()
    principal = await verifier(running, **{key: f'"{said}"'}).verify(token(running, TENANT.shared_agent))
    assert principal.tenant == TENANT.id
    loud = token(running, TENANT.shared_agent, oid=(TENANT.shared_agent.object_id or "").upper())
    assert (await verifier(running).verify(loud)).id == TENANT.shared_agent.object_id


@pytest.mark.parametrize("value", ['"a,b"', '["a, b"]', '["a b"]', '"a;b"', '""', '[""]', "[]"])
@pytest.mark.parametrize("key", ["clients", "blueprints"])
def test_several_ids_in_one_text_are_refused_at_start(running: RunningIssuer, key: str, value: str) -> None:
    with pytest.raises(IssuerError, match=key):
        parse_issuers(TENANT.issuers_text(running.issuer, **{key: value}), source="test")


def test_blueprints_are_for_entra_alone() -> None:
    text = '[[issuer]]\nname = "o"\nplatform = "oidc"\nissuer = "https://o.example"\naudience = "a"\nblueprints = "b"\n'
    with pytest.raises(IssuerError, match="blueprints"):
        parse_issuers(text, source="test")


def agent(**changed: str) -> Principal:
    said = {"id": "0ba1b2c3-1111-4222-8333-444455556666", "blueprint": TENANT.blueprint, **changed}
    return Principal(platform="azure", kind="agent_identity", tenant=TENANT.id, **said)


def test_a_rule_names_a_blueprint_or_an_id_in_whatever_letters() -> None:
    text = f'[[rule]]\nname = "b"\nkind = "agent_identity"\nblueprint = "{TENANT.blueprint.upper()}"\n'
    policy = parse_policy(text, source="test", tools=ALL_TOOLS)
    assert policy.grant_for(agent()) is not None
    assert policy.grant_for(agent(blueprint=str(uuid.uuid4()))) is None
    assert policy.grant_for(agent(blueprint="")) is None
    assert any("blueprint" in reason for reason in policy.explain(agent(blueprint="")).reasons)
    by_id = parse_policy(f'[[rule]]\nname = "i"\nid = "{agent().id.upper()}"\n', source="test", tools=ALL_TOOLS)
    assert by_id.grant_for(agent()) is not None


def test_the_audit_names_the_blueprint() -> None:
    lines: list[dict[str, Any]] = []
    with AuditTrail(lines.append).record("r") as record:
        record.caller(agent())
    assert lines[0]["principal"]["kind"] == "agent_identity"
    assert lines[0]["principal"]["blueprint"] == TENANT.blueprint
