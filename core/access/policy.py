"""The policy: a small TOML text that maps principals to grants. The first rule that fits decides; without one, no call.

::

    [[rule]]
    name = "the billing agent writes"
    platform = "azure"                          # any of these may be left out, and may be a list
    kind = "managed_identity"
    id = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    tenant = "contoso-*"                        # * and ? stand for other characters, in every pattern
    role = ["Graph.Write", "Graph.Admin"]       # one of the principal's roles or scopes
    access = "write"                            # or "read", which is the default

    [[rule]]
    name = "everyone else of ours reads, a little"
    tenant = "contoso-*"
    tools = ["get-schema", "read-cypher"]
    database = "flights"
    max_rows = 100
    timeout = 10
    concurrent = 4                              # of each caller: calls at the same time, calls a minute,
    calls_per_minute = 120                      # and seconds of the database's time a minute
    seconds_per_minute = 20
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from core.access.grant import Grant, GrantedTool
from core.access.limits import CallLimits
from core.errors import PolicyError
from core.identity.guid import folded
from core.identity.principal import Principal, PrincipalKind
from core.toml_source import TomlTables, as_list, text_of

__all__ = ["Decision", "Policy", "parse_policy", "read_policy"]

_CONDITIONS = ("platform", "kind", "id", "blueprint", "tenant", "role")

_DECISIONS_KEPT = 4096


_Pattern = Annotated[str, Field(min_length=1)]
_Patterns = Annotated[list[_Pattern], BeforeValidator(as_list), Field(min_length=1)]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=False)]


class _Rule(BaseModel):
    """One ``[[rule]]`` as it stands in the text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1)
    platform: _Patterns | None = None
    kind: _Patterns | None = None
    id: _Patterns | None = None
    blueprint: _Patterns | None = None
    tenant: _Patterns | None = None
    role: _Patterns | None = None
    access: Literal["read", "write"] = "read"
    tools: Annotated[list[str], Field(min_length=1)] | None = None
    credential: str | None = Field(None, min_length=1)
    database: str | None = Field(None, min_length=1)
    impersonate: str | None = Field(None, min_length=1)
    max_rows: int | None = Field(None, ge=1)
    max_bytes: int | None = Field(None, ge=1024)
    timeout: _Seconds | None = None
    concurrent: int | None = Field(None, ge=1)
    calls_per_minute: int | None = Field(None, ge=1)
    seconds_per_minute: _Seconds | None = None

    @model_validator(mode="after")
    def _known_names(self, info: ValidationInfo) -> _Rule:
        known: Mapping[str, GrantedTool] = info.context or {}
        for name in self.tools or ():
            if name not in known:
                raise ValueError(f"tools: there is no tool {name!r}; there are {', '.join(sorted(known))}")
            if not known[name].read_only and self.access != "write":
                raise ValueError(f'tools: {name} changes the graph, which access = "write" allows and "read" does not')
        kinds = get_args(PrincipalKind)
        for kind in self.kind or ():
            if not any(character in kind for character in "*?[") and kind not in kinds:
                raise ValueError(f"kind: there is no kind {kind!r}; there are {', '.join(kinds)}")
        return self

    def grant(self) -> Grant:
        """What the rule grants to those whom it fits."""
        return Grant(
            rule=self.name,
            writes=self.access == "write",
            tools=None if self.tools is None else frozenset(self.tools),
            credential=self.credential,
            database=self.database,
            impersonate=self.impersonate,
            max_rows=self.max_rows,
            max_bytes=self.max_bytes,
            timeout=self.timeout,
            limits=CallLimits(self.concurrent, self.calls_per_minute, self.seconds_per_minute),
        )


@dataclass(frozen=True, slots=True)
class _Condition:
    """One condition of a rule: ``fits`` tells whether a principal meets it, ``said`` is its wording in the text."""

    said: str
    fits: Callable[[Principal], bool]


@dataclass(frozen=True, slots=True)
class _Compiled:
    name: str
    conditions: tuple[_Condition, ...]
    grant: Grant

    def first_unmet(self, principal: Principal) -> _Condition | None:
        return next((condition for condition in self.conditions if not condition.fits(principal)), None)


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """A rule as people read it: its conditions in words, and what it grants."""

    conditions: tuple[str, ...]
    grant: Grant


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says about a principal: its grant, or None; and ``reasons``, a line for every rule looked at."""

    grant: Grant | None
    reasons: list[str]


@dataclass(frozen=True)
class Policy:
    """Rules in the order in which they are asked."""

    _rules: tuple[_Compiled, ...]
    _remembered: Callable[[Principal], Grant | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # The decision is remembered: thousands of calls by the same few agents must not each walk a long policy.
        object.__setattr__(self, "_remembered", lru_cache(_DECISIONS_KEPT)(self._decide))

    def __len__(self) -> int:
        return len(self._rules)

    @property
    def credentials(self) -> frozenset[str]:
        """The names of the stored credentials that rules ask for."""
        return frozenset(rule.grant.credential for rule in self._rules if rule.grant.credential is not None)

    @property
    def rules(self) -> tuple[RuleSummary, ...]:
        """The rules in their order, for people."""
        return tuple(RuleSummary(tuple(c.said for c in rule.conditions), rule.grant) for rule in self._rules)

    @property
    def writes_by_default(self) -> bool:
        """Whether a rule lets callers write with the credential that the settings name."""
        return any(rule.grant.writes and rule.grant.credential is None for rule in self._rules)

    def grant_for(self, principal: Principal) -> Grant | None:
        """What ``principal`` may do; None if no rule fits."""
        return self._remembered(principal)

    def _decide(self, principal: Principal) -> Grant | None:
        return next((rule.grant for rule in self._rules if rule.first_unmet(principal) is None), None)

    def explain(self, principal: Principal) -> Decision:
        """The decision on ``principal``, with the reason why each rule before the deciding one does not fit."""
        reasons = []
        for number, rule in enumerate(self._rules, 1):
            unmet = rule.first_unmet(principal)
            if unmet is None:
                reasons.append(f"rule {number} ({rule.name}) fits and decides")
                return Decision(rule.grant, reasons)
            reasons.append(f"rule {number} ({rule.name}) does not fit: it asks for {unmet.said}")
        reasons.append("no rule fits, so nothing is granted")
        return Decision(None, reasons)


def read_policy(setting: str, *, source: str, tools: Iterable[GrantedTool]) -> Policy:
    """The policy in a setting: its text, or the path of its file. A text has more than one line or a ``[[``.

    Raises:
        PolicyError: as `parse_policy`; or the file does not exist or cannot be read.
    """
    text, where = text_of(setting, source=source, what="policy file", error=PolicyError)
    return parse_policy(text, source=where, tools=tools)


def parse_policy(text: str, *, source: str, tools: Iterable[GrantedTool]) -> Policy:
    """The policy in ``text``. ``source`` names it in errors: a file's or a setting's name. ``tools`` are the tools that
    exist, which rules may name.

    Raises:
        PolicyError: It does not parse, or a rule is invalid; the text gives source, line and reason.
    """
    tables = TomlTables(text, table="rule", source=source, what="A policy", error=PolicyError)
    return Policy(tuple(_compile(rule) for rule in tables.read(_Rule, {tool.name: tool for tool in tools})))


def _compile(rule: _Rule) -> _Compiled:
    conditions = []
    for name in _CONDITIONS:
        patterns: list[str] | None = getattr(rule, name)
        if patterns is not None:
            said = f"{name} {' or '.join(repr(pattern) for pattern in patterns)}"
            conditions.append(_Condition(said, _matcher(name, patterns)))
    return _Compiled(rule.name, tuple(conditions), rule.grant())


def _matcher(name: str, patterns: Iterable[str]) -> Callable[[Principal], bool]:
    """Whether a principal's attribute fits one of ``patterns``; of its roles, one has to. GUIDs have no letter case."""
    plain = frozenset(pattern for pattern in patterns if not any(character in pattern for character in "*?["))
    globs = [re.compile(translate(pattern)) for pattern in patterns if pattern not in plain]
    exact = frozenset(folded(pattern) for pattern in plain)

    def fits(value: str) -> bool:
        return folded(value) in exact or any(glob.match(value) for glob in globs)

    if name == "role":
        return lambda principal: any(fits(role) for role in principal.roles)
    return lambda principal: fits(getattr(principal, name))
