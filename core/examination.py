"""What ``doctor`` looks at from inside this server: every link from its settings to the rights of its database user.

Each link is looked at for itself, once; what rests on a broken one is not reached. The findings name hosts, users and
settings: they are for the operator, and for a caller whom the policy lets use the tool ``doctor`` by name.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mcp_types
import neo4j

from core.access.policy import read_policy
from core.credentials.credential import parse_credential
from core.credentials.sources import load_secret
from core.deadline import Deadline
from core.errors import Neo4jM2mError, NotReadOnly, StatementError, ToolError
from core.finding import Finding, first_failure, with_rest
from core.graph.diagnosis import DATABASE_LINKS, diagnose
from core.graph.results import Limits
from core.tools import ALL_TOOLS
from core.version import server_version

if TYPE_CHECKING:
    from core.credentials.secret_store import SecretStore
    from core.database_scopes import DatabaseScope, DatabaseScopes
    from core.settings import Settings

__all__ = ["INSIDE_LINKS", "Inside", "OwnName", "examine"]

OwnName = Callable[[], Awaitable[str]]
"""Asks the platform what this server is there: a sentence. Raises `Neo4jM2mError` if it has no identity."""

INSIDE_LINKS = (
    *("settings", "policy", "identity", "secret", "API keys", *DATABASE_LINKS),
    *("rights", "guard", "versions", "clock", "connections"),
)
"""The links that `examine` looks at, in their order."""

_OF_THE_DATABASE = INSIDE_LINKS[INSIDE_LINKS.index("rights") :]

_FEW = Limits(rows=1000, bytes=1024 * 1024)

_WRITING = frozenset(
    "write create_element delete_element set_label remove_label set_property graph_actions dbms_actions".split()
)
"""Actions of ``SHOW USER PRIVILEGES`` that change a graph.

Source: https://neo4j.com/docs/operations-manual/current/authentication-authorization/manage-privileges/ .
"""

_MUST_BE_REFUSED = (
    "CREATE (n) RETURN n",
    "MATCH (n) DETACH DELETE n",
    "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "CALL db.createLabel('X')",
    "SHOW TRANSACTIONS",
)

_TOLERANCE = 30.0
"""Seconds by which clocks may differ before tokens and signatures are in danger; issuers and AWS allow minutes."""

_OLD = 90 * 86_400


@dataclass(frozen=True)
class Inside:
    """What there is to look at: the settings, the connections, the secret store, and how to ask who this server is."""

    settings: Settings
    scopes: DatabaseScopes
    secrets: SecretStore | None = None
    own_name: OwnName | None = None


async def examine(inside: Inside, deadline: Deadline) -> list[Finding]:
    """What is found at each of `INSIDE_LINKS` until ``deadline``; at most one login. Never raises for what is found."""
    policy, wants_writes = _policy(inside.settings)
    found = [_settings(inside.settings), policy, await _identity(inside)]
    found += [await _secret(inside), await _api_keys(inside)]
    if all(finding.state != "failed" for finding in found if finding.link in ("secret", "settings")):
        found += await diagnose(inside.scopes.pool(), deadline)
        if first_failure(finding for finding in found if finding.link in DATABASE_LINKS) is None:
            found += await _of_the_database(inside, deadline, wants_writes=wants_writes)
    return with_rest(found, INSIDE_LINKS)


def _settings(settings: Settings) -> Finding:
    chosen = ", ".join(sorted(settings.variable(name) for name in settings.model_fields_set)) or "none"
    return Finding("settings", "ok", f"They parse. Set are: {chosen}.")


def _policy(settings: Settings) -> tuple[Finding, bool]:
    """What is found of the policy, and whether it lets callers write."""
    if settings.policy is None:
        return Finding("policy", "ok", "None is set: every proven caller reads, nobody writes."), False
    variable = settings.variable("policy")
    try:
        policy = read_policy(settings.policy, source=variable, tools=ALL_TOOLS)
    except Neo4jM2mError as error:
        mend = "Check it alone: neo4j-m2m policy check --policy FILE"
        return Finding("policy", "failed", str(error), mend), False
    return Finding("policy", "ok", f"It parses and has {len(policy)} rule(s)."), policy.writes_by_default


async def _identity(inside: Inside) -> Finding:
    if inside.own_name is None:
        return Finding("identity", "ok", "None is needed here.")
    try:
        return Finding("identity", "ok", await inside.own_name())
    except Neo4jM2mError as error:
        return Finding("identity", "failed", str(error))


async def _secret(inside: Inside) -> Finding:
    settings = inside.settings
    if settings.secret is None:
        return Finding("secret", "ok", "None is named: the credential is in the settings.")
    if inside.secrets is None:
        return Finding("secret", "failed", "A secret is named, and there is no store to find it in.")
    try:
        secret = await load_secret(inside.secrets, settings.secret)
        parse_credential(secret.text.get_secret_value(), source=settings.secret)
    except Neo4jM2mError as error:
        return Finding("secret", "failed", str(error))
    says = f"The store answers, and {settings.secret} is well-formed."
    if secret.written_at is None:
        return Finding("secret", "ok", says)
    age = max(0.0, time.time() - secret.written_at)
    says = f"{says} It was written {_span(age)} ago."
    return Finding("secret", "warning", says, "Rotate it.") if age > _OLD else Finding("secret", "ok", says)


async def _api_keys(inside: Inside) -> Finding:
    settings = inside.settings
    if settings.keys_secret is None or inside.secrets is None:
        return Finding("API keys", "ok", "No secret with API keys is named.")
    from core.identity.key_ring import parse_key_ring

    try:
        secret = await load_secret(inside.secrets, settings.keys_secret)
        ring = parse_key_ring(secret.text.get_secret_value(), settings.keys_secret)
    except Neo4jM2mError as error:
        return Finding("API keys", "failed", str(error))
    valid = sum(key.state(time.time()) == "valid" for key in ring.keys)
    if not valid:
        return Finding("API keys", "warning", "The ring has no valid key.", "Make one: neo4j-m2m keys create")
    return Finding("API keys", "ok", f"The ring has {valid} valid key(s).")


async def _of_the_database(inside: Inside, deadline: Deadline, *, wants_writes: bool) -> list[Finding]:
    scope = inside.scopes.default
    return [
        await _rights(scope, deadline, wants_writes=wants_writes),
        await _guard(scope, deadline),
        await _versions(scope, deadline),
        await _clock(scope, deadline),
        await _connections(inside, scope, deadline),
    ]


async def _ask(scope: DatabaseScope, statement: str, deadline: Deadline) -> list[list[Any]]:
    return (await scope.database.read(statement, {}, limits=_FEW, deadline=deadline)).rows


async def _rights(scope: DatabaseScope, deadline: Deadline, *, wants_writes: bool) -> Finding:
    statement = "SHOW USER PRIVILEGES YIELD access, action RETURN DISTINCT access, action"
    try:
        rows = await _ask(scope, statement, deadline)
        writes = any(access == "GRANTED" and action in _WRITING for access, action in rows)
        says = "The database user can write." if writes else "The database user can only read."
    except StatementError:
        # Community, and Aura's smaller editions, know no roles: whoever logs in may do everything.
        writes, says = True, "This edition of the database has no roles: the user can write and administer."
    except ToolError as error:
        return Finding("rights", "warning", f"They were not found out: {error}")
    if writes and not wants_writes:
        return Finding(
            "rights",
            "warning",
            f"{says} No rule of the policy lets callers write, so only this server's guard and READ access are in "
            "between.",
            "Where the edition has roles, use a user that only reads: GRANT ROLE reader TO the user.",
        )
    return Finding("rights", "ok", says)


async def _guard(scope: DatabaseScope, deadline: Deadline) -> Finding:
    """Nothing of it runs: the guard looks at text and plan."""
    try:
        await scope.guard.require_read("RETURN 1", {}, deadline=deadline)
        for statement in _MUST_BE_REFUSED:
            try:
                await scope.guard.require_read(statement, {}, deadline=deadline)
            except (NotReadOnly, StatementError):
                continue
            return Finding(
                "guard",
                "failed",
                f"It accepts a statement that writes: {statement}",
                "Report this at once.",
            )
    except ToolError as error:
        return Finding("guard", "failed", f"It could not be tried: {error}")
    return Finding(
        "guard", "ok", f"It refuses {len(_MUST_BE_REFUSED)} statements that do more than read, and accepts a read."
    )


async def _versions(scope: DatabaseScope, deadline: Deadline) -> Finding:
    own = (
        f"neo4j-m2m {server_version()}, Python {platform.python_version()}, driver {neo4j.__version__}, "
        f"MCP {mcp_types.LATEST_PROTOCOL_VERSION}"
    )
    try:
        rows = await _ask(scope, "CALL dbms.components() YIELD name, versions, edition RETURN *", deadline)
    except ToolError:
        return Finding("versions", "ok", f"{own}.")
    edition, name, versions = rows[0]
    return Finding("versions", "ok", f"{own}; {name} {versions[0]} {edition}.")


async def _clock(scope: DatabaseScope, deadline: Deadline) -> Finding:
    before = time.time()
    try:
        rows = await _ask(scope, "RETURN datetime.realtime().epochMillis", deadline)
    except ToolError as error:
        return Finding("clock", "warning", f"It could not be compared: {error}")
    apart = rows[0][0] / 1000 - (before + time.time()) / 2
    if abs(apart) > _TOLERANCE:
        return Finding(
            "clock",
            "warning",
            f"This server's clock and the database's are {abs(apart):.0f} s apart.",
            "Synchronise the clocks (NTP): signatures and tokens fail when they differ.",
        )
    return Finding("clock", "ok", f"It differs from the database's by {abs(apart):.1f} s.")


async def _connections(inside: Inside, scope: DatabaseScope, deadline: Deadline) -> Finding:
    size = inside.settings.pool_size
    own = f"Each process of this server keeps at most {size} connection(s)"
    statement = "SHOW SETTINGS 'server.bolt.thread_pool_max_size' YIELD value RETURN value"
    try:
        budget = int((await _ask(scope, statement, deadline))[0][0])
    except (ToolError, LookupError, ValueError):
        return Finding("connections", "ok", f"{own}; the database does not tell how many it takes.")
    if size > budget:
        return Finding(
            "connections",
            "warning",
            f"{own}, and the database serves {budget} at once.",
            f"Lower {inside.settings.variable('pool_size')}, or limit how many processes there are.",
        )
    return Finding("connections", "ok", f"{own}; the database serves {budget} at once.")


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
