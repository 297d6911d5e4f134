"""How long a policy of a thousand rules takes to decide: ``python -m bench.policy``.

Every rule asks for a platform, a kind and an id, every tenth id with a star. The callers are spread over all rules, and
some fit none. To compare with the plain way, the same run walks over the same rules as they come from the TOML parser,
with `fnmatch` on every pattern.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from bench.figures import Comparison, Measurement
from bench.parts import alone
from core.access.policy import parse_policy
from core.identity.principal import Principal, PrincipalKind
from core.tools import ALL_TOOLS
from local.neo4j import EmbeddedNeo4j

KINDS: tuple[PrincipalKind, ...] = ("managed_identity", "service_principal", "iam_role", "api_key")
ROUNDS = 5
RULES = 1_000
WARM, COLD, NAIVE = "seen before", "new", "the plain way"


def policy_text(rules: int) -> str:
    """A policy whose rules differ in their ids."""
    return "".join(
        f'[[rule]]\nname = "rule {number}"\nplatform = "azure"\nkind = ["{KINDS[number % 4]}", "user_on_behalf"]\n'
        f'id = "agent-{number:05}{"-*" if number % 10 == 0 else ""}"\nmax_rows = {number + 1}\n'
        for number in range(rules)
    )


def callers(rules: int, count: int, salt: str) -> list[Principal]:
    """Principals that are unique to ``salt``: evenly over the rules, and one in ten fits no rule."""
    found = []
    for number in range(count):
        rule = number * rules // count
        star = "-x" if rule % 10 == 0 else ""
        ident = "stranger" if number % 10 == 9 else f"agent-{rule:05}{star}"
        found.append(Principal("azure", KINDS[rule % 4], ident, name=f"{salt}-{number}"))
    return found


def naive(rules: list[dict[str, Any]], principal: Principal) -> str | None:
    """The name of the first rule that fits, found in the most obvious way."""
    for rule in rules:
        for condition in ("platform", "kind", "id", "tenant"):
            patterns = rule.get(condition)
            if patterns is None:
                continue
            listed = [patterns] if isinstance(patterns, str) else patterns
            if not any(fnmatchcase(getattr(principal, condition), pattern) for pattern in listed):
                break
        else:
            return str(rule["name"])
    return None


def microseconds(decide: Callable[[Principal], object], principals: list[Principal]) -> float:
    """The mean time of one decision."""
    started = time.perf_counter()
    for principal in principals:
        decide(principal)
    return (time.perf_counter() - started) / len(principals) * 1e6


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """One decision of a policy of a thousand rules; the database is not asked."""
    text = policy_text(RULES)
    started = time.perf_counter()
    policy = parse_policy(text, source="policy.toml", tools=ALL_TOOLS)
    parsed = time.perf_counter() - started
    tables = tomllib.loads(text)["rule"]
    figures: dict[str, list[float]] = {WARM: [], COLD: [], NAIVE: []}
    for number in range(1 if brief else ROUNDS):
        principals = callers(RULES, 100, str(number))
        for principal in principals:
            grant = policy.explain(principal).grant
            if (grant and grant.rule) != naive(tables, principal):
                raise RuntimeError("the two decide differently")
        figures[COLD].append(microseconds(policy.grant_for, principals))
        figures[WARM].append(microseconds(policy.grant_for, principals * 50))
        figures[NAIVE].append(microseconds(lambda principal: naive(tables, principal), principals))
    row = f"policy of {RULES:,} rules, read in {parsed * 1e3:.0f} ms"
    return [Comparison("Microseconds of each check", row, "µs", figures)]


if __name__ == "__main__":
    alone(measure, __doc__)
