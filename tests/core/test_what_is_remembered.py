"""What is remembered or counted of one caller never meets another: not one of the same id elsewhere, either.

The first test finds every place that keeps something from one call to the next. Whoever adds one says here by what it
is kept; if that is the caller, the tests below show that every part of an identity counts.
"""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.access.grant import Grant
from core.access.limits import CallCounts, CallLimits, TooManyCalls
from core.access.policy import parse_policy
from core.database_scopes import DatabaseScopes
from core.deadline import Deadline
from core.errors import DeadlineExceeded, TooManySurvivors
from core.graph.pool import Pool
from core.graph.survivors import Survivors
from core.identity.principal import Principal
from core.origin import Origin, asked_by
from core.settings import Settings
from core.tools import ALL_TOOLS
from tests.support.principals import ALICE, each_other_principal

ROOT = Path(__file__).parent.parent.parent
SETTINGS = Settings(neo4j_uri="bolt://db", neo4j_password="p")

CALLER = "the caller's identity"
PRINCIPAL = "the whole principal"
PROOF = "the SHA-256 of what the caller presented"
SCOPE = "a statement, in a scope of one database user"
NOT_OF_CALLERS = "nothing that depends on the caller"

KEPT_BY = {
    ("core.access.limits", "_past"): CALLER,
    ("core.access.limits", "_running"): CALLER,
    ("core.access.policy", "_remembered"): PRINCIPAL,
    ("core.credentials.database_auth", "_token"): NOT_OF_CALLERS,
    ("core.credentials.database_auth", "_users"): PROOF,
    ("core.credentials.sources", "_known"): NOT_OF_CALLERS,
    ("core.database_scopes", "_pools"): NOT_OF_CALLERS,
    ("core.database_scopes", "_scopes"): CALLER,
    ("core.fetch", "_opener"): NOT_OF_CALLERS,
    ("core.graph.survivors", "_looked_at"): CALLER,
    ("core.graph.survivors", "_requests"): CALLER,
    ("core.graph.turns", "_used"): CALLER,
    ("core.guard.guard", "_verdicts"): SCOPE,
    ("core.health", "_up"): NOT_OF_CALLERS,
    ("core.identity.api_keys", "_ring"): NOT_OF_CALLERS,
    ("core.identity.tokens", "_accepted"): NOT_OF_CALLERS,
    ("core.identity.tokens", "_remembered"): PROOF,
    ("core.identity.tokens", "_signatures"): NOT_OF_CALLERS,
    ("core.page.recent_calls", "_lines"): CALLER,
    ("core.values.iso", "_rules"): NOT_OF_CALLERS,
    ("databricks_app.pats", "_remembered"): PROOF,
}

KEEPERS = {"BoundedMap", "Refreshed", "Counter", "OrderedDict", "defaultdict", "dict", "WeakKeyDictionary"}
CACHES = {"cache", "lru_cache"}


def name_of(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def keeps(value: ast.AST | None) -> bool:
    """Whether an object that ``value`` makes can hold something by a key, or what a function answered."""
    if isinstance(value, ast.Dict) and not value.keys:
        return True
    called = {name_of(node.func) for node in ast.walk(value) if isinstance(node, ast.Call)} if value else set()
    return bool(called & (KEEPERS | CACHES))


def kept(tree: ast.Module) -> Iterator[str]:
    """The names under which a module keeps something for later calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            if any(name_of(one.func if isinstance(one, ast.Call) else one) in CACHES for one in node.decorator_list):
                yield node.name
            if node.name in ("__init__", "__post_init__"):
                yield from kept_by_an_instance(node)


def kept_by_an_instance(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign) and keeps(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.attr for target in targets if isinstance(target, ast.Attribute))
        if isinstance(node, ast.Call) and name_of(node.func) == "__setattr__" and keeps(node.args[-1]):
            assert isinstance(node.args[1], ast.Constant)
            yield str(node.args[1].value)


def test_it_is_known_by_what_everything_is_kept_that_outlives_a_call() -> None:
    found = set()
    for room in ("core", "aws_lambda", "azure_function", "databricks_app"):
        for path in (ROOT / room).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found |= {(module, name) for name in kept(ast.parse(path.read_text()))}
    assert found - ELSEWHERE == set(KEPT_BY), "say in KEPT_BY by what it is kept, and test it if that is the caller"


ELSEWHERE = {
    ("core.remembered", "_entries"),  # is what the others are made of
    ("core.stopwatch", "_begun"),  # one call's own
}


class Everywhere:
    """Says of every statement that it still runs."""

    async def ask(self, statement: str, parameters: dict[str, Any], until: Deadline) -> list[list[Any]]:
        return [[request] for request in parameters["requests"]]


@each_other_principal
async def test_what_one_caller_leaves_behind_is_not_laid_to_another(other: Principal, is_another: bool) -> None:
    survivors = Survivors(Everywhere().ask, most=1)
    await survivors.explained(DeadlineExceeded("over"), Origin(ALICE, "r", "read-cypher"))
    if is_another:
        await survivors.require_few(other.identity)
    else:
        with pytest.raises(TooManySurvivors):
            await survivors.require_few(other.identity)


@each_other_principal
def test_no_caller_uses_up_what_another_may_ask_for(other: Principal, is_another: bool) -> None:
    counts, limits = CallCounts(), CallLimits(concurrent=1, calls_per_minute=1, seconds_per_minute=5)
    with counts.counted(ALICE.identity, limits):
        if is_another:
            with counts.counted(other.identity, limits):
                pass
        else:
            with pytest.raises(TooManyCalls), counts.counted(other.identity, limits):
                pass


@each_other_principal
async def test_connections_are_shared_out_by_caller(
    other: Principal, is_another: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Hashable] = []

    class Seen:
        @asynccontextmanager
        async def turn(self, caller: Hashable) -> AsyncIterator[None]:
            asked.append(caller)
            yield

    pool = Pool(SETTINGS)
    monkeypatch.setattr(pool, "_turns", Seen())
    for principal in (ALICE, other):
        with asked_by(Origin(principal, "r", "read-cypher")):
            async with pool.lease(Deadline.after(5), database=None):
                pass
    await pool.close()
    assert len(set(asked)) == (2 if is_another else 1)


@each_other_principal
def test_what_a_user_sees_of_the_database_is_not_shown_to_another(other: Principal, is_another: bool) -> None:
    scopes, grant = DatabaseScopes(SETTINGS), Grant("on behalf of users", credential="exchanged")
    assert (scopes.of(grant, other) is not scopes.of(grant, ALICE)) == is_another


@pytest.mark.parametrize("part", ["platform", "kind", "id", "tenant", "roles"])
def test_what_the_policy_decided_on_one_principal_is_not_said_of_another(part: str) -> None:
    rule = (
        '[[rule]]\nname = "alice"\nplatform = "azure"\nkind = "user_on_behalf"\nid = "alice"\ntenant = "contoso"\n'
        'role = "Graph.Read"\n'
    )
    policy = parse_policy(rule, source="policy.toml", tools=ALL_TOOLS)
    others: dict[str, Any] = {"kind": "local", "roles": frozenset()}
    assert policy.grant_for(ALICE) is not None
    assert policy.grant_for(replace(ALICE, **{part: others.get(part, "other")})) is None
