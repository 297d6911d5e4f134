"""``policy explain`` and ``policy check``: which rule decides for a principal, and what it grants."""

from __future__ import annotations

import re

from cli.output import say
from core.access.grant import Grant, read_only
from core.access.policy import Decision, read_policy
from core.errors import PolicyError
from core.identity.principal import Principal
from core.settings import Settings
from core.tools import ALL_TOOLS

__all__ = ["NOTHING_GRANTED", "check", "explain"]

NOTHING_GRANTED = 3
"""The exit status if the principal may do nothing."""


def explain(file: str | None, principal: Principal, settings: Settings) -> int:
    """Print what ``principal`` may do, and why; returns the exit status, 0 or `NOTHING_GRANTED`.

    Raises:
        PolicyError: The policy cannot be read, or does not parse.
    """
    setting = Settings.variable("policy")
    if file is None and settings.policy is None:
        say(f"No policy is given by --policy or {setting}: the default applies.")
        decision = Decision(read_only(principal), [])
    else:
        policy = read_policy(file or settings.policy or "", source="--policy" if file else setting, tools=ALL_TOOLS)
        say(f"The policy of {file or setting} has {len(policy)} rule(s).")
        decision = policy.explain(principal)
    for reason in decision.reasons:
        print(_on_one_line(reason))
    if decision.grant is None:
        return NOTHING_GRANTED
    for name, says in _lines(decision.grant):
        print(f"{name:<12}{_on_one_line(says)}")
    return 0


def check(file: str | None, settings: Settings) -> int:
    """Print each rule of the policy with what it grants; returns the exit status 0.

    Raises:
        PolicyError: The policy cannot be read, or does not parse; or none is given.
    """
    setting = Settings.variable("policy")
    if file is None and settings.policy is None:
        raise PolicyError(f"No policy is given: name its file with --policy, or set {setting}.")
    policy = read_policy(file or settings.policy or "", source="--policy" if file else setting, tools=ALL_TOOLS)
    for number, rule in enumerate(policy.rules, 1):
        conditions = ", ".join(rule.conditions) or "everybody"
        print(f"rule {number} ({_on_one_line(rule.grant.rule)}): {_on_one_line(conditions)}")
        for name, says in _lines(rule.grant)[1:]:
            print(f"  {name:<10}{_on_one_line(says)}")
    say(
        f"The policy of {file or setting} parses and has {len(policy)} rule(s). Who is let in: neo4j-m2m policy explain"
    )
    return 0


def _lines(grant: Grant) -> list[tuple[str, str]]:
    limits = {"rows": grant.max_rows, "bytes": grant.max_bytes, "seconds": grant.timeout}
    said = ", ".join(
        f"{limit:g} {what}" if isinstance(limit, float) else f"{limit} {what}"
        for what, limit in limits.items()
        if limit is not None
    )
    return [
        ("granted by", grant.rule),
        ("access", "read and write" if grant.writes else "read"),
        ("tools", ", ".join(sorted(tool.name for tool in ALL_TOOLS if grant.allows(tool)))),
        ("database", grant.database or "as the settings say"),
        ("user", _user(grant)),
        ("limits", f"at most {said}" if said else "as the settings say"),
    ]


def _user(grant: Grant) -> str:
    login = f"of the stored credential {grant.credential}" if grant.credential else "as the settings say"
    return f"{login}, impersonating {grant.impersonate}" if grant.impersonate else login


def _on_one_line(text: str) -> str:
    """``text`` without control characters, which a terminal would obey."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "�", text)
