"""What each check of a call costs, in microseconds: ``python -m bench.checks [--brief]``.

The guard with a statement seen before and with a new one; the verifiers of tokens and of API keys likewise; and the
policy (`bench.policy`). Beside each is the plain way: the turn to a database on this very machine that asks for a
plan, which is how the other servers guard; PyJWT alone; one SHA-256 and a comparison.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from itertools import count
from typing import cast

import jwt
import neo4j

from bench import policy
from bench.figures import Comparison, Measurement
from bench.parts import alone
from bench.read_latency import STATEMENT
from core.deadline import Deadline
from core.graph.database import Database
from core.guard.guard import AllowList, Guard
from core.identity.api_keys import ApiKeyVerifier, hash_of, new_key
from core.identity.issuers import parse_issuers
from core.identity.key_ring import ApiKey, KeyRing, render_key_ring
from core.identity.tokens import TokenVerifier
from local.emulators.issuer import Client, Issuer, Resource, running_issuer
from local.neo4j import EmbeddedNeo4j

TITLE = "Microseconds of each check"
WARM, COLD, NAIVE = policy.WARM, policy.COLD, policy.NAIVE
AUDIENCE = "api://neo4j"
APP_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
KEYS = 1_000

_novel = count()


async def each(check: Callable[[str], Awaitable[object]], inputs: Iterable[str]) -> float:
    """The mean microseconds of a check."""
    told = list(inputs)
    begun = time.perf_counter()
    for one in told:
        await check(one)
    return (time.perf_counter() - begun) / len(told) * 1e6


def new_statements(number: int) -> list[str]:
    return [STATEMENT.replace("LIMIT 10", f"SKIP {next(_novel)} LIMIT 10") for _ in range(number)]


async def guard(database: EmbeddedNeo4j, rounds: int) -> Comparison:
    """What the text of a one-hop read proves, and what a plan would take."""
    # No statement here needs a plan, so that the guard needs no database.
    guarding = Guard(cast(Database, None), AllowList(), longest=100_000)
    auth = (database.username, database.password.get_secret_value())

    async def check(statement: str) -> None:
        await guarding.require_read(statement, {"faa": "JFK"}, deadline=Deadline.after(10))

    samples: dict[str, list[float]] = defaultdict(list)
    with neo4j.GraphDatabase.driver(database.uri, auth=auth, telemetry_disabled=True) as driver:
        session = driver.session(database="neo4j", default_access_mode="READ")

        async def plan(statement: str) -> None:
            session.run(f"EXPLAIN {statement}", faa="JFK").consume()

        for _ in range(rounds):
            samples[COLD].append(await each(check, new_statements(500)))
            samples[WARM].append(await each(check, [STATEMENT] * 2_000))
            samples[NAIVE].append(await each(plan, new_statements(50)))
        session.close()
    return Comparison(TITLE, "guard, a one-hop read (plainly: EXPLAIN)", "µs", samples)


async def token(rounds: int) -> Comparison:
    """A token of Entra's shape."""
    samples: dict[str, list[float]] = defaultdict(list)
    agent = Client(
        "agent", "agent-secret", object_id="0ba1b2c3-1111-4222-8333-444455556666", scopes=frozenset({"Read"})
    )
    issuer = Issuer("entra", [agent], [Resource(AUDIENCE, APP_ID)])
    with running_issuer(issuer):
        name = issuer.issuers[0]
        text = f'[[issuer]]\nname = "entra"\nplatform = "azure"\nissuer = "{name}"\naudience = "{APP_ID}"\n'
        verifier = TokenVerifier(parse_issuers(text, source="bench"))
        first = issuer.token("agent")
        await verifier.verify(first)
        key = jwt.PyJWKSet.from_dict(issuer.keys.document()).keys[0]

        async def plainly(one: str) -> None:
            jwt.decode(one, key, algorithms=["RS256"], options={"verify_aud": False})

        for _ in range(rounds):
            tokens = [issuer.token("agent", number=next(_novel)) for _ in range(100)]
            samples[COLD].append(await each(verifier.verify, tokens))
            samples[WARM].append(await each(verifier.verify, [first] * 2_000))
            samples[NAIVE].append(await each(plainly, tokens))
    return Comparison(TITLE, "token, RS256 (plainly: PyJWT)", "µs", samples)


async def key(rounds: int) -> Comparison:
    """A key of a ring of a thousand, which is remembered for a minute: no key is new or old."""
    samples: dict[str, list[float]] = defaultdict(list)
    made = [new_key() for _ in range(KEYS)]
    now = datetime.now(UTC)
    entries = tuple(
        ApiKey(id=one.id, name=f"agent-{number}", hash=one.hash, created=now, expires=None)
        for number, one in enumerate(made)
    )
    ring = render_key_ring(KeyRing(keys=entries))

    async def load() -> str:
        return ring

    verifier = ApiKeyVerifier(load, platform="local")
    texts = [one.text.get_secret_value() for one in made]
    hashes = dict(zip(texts, (one.hash for one in made), strict=True))
    if await verifier.verify(texts[0]) is None or hash_of(texts[0]) != hashes[texts[0]]:
        raise RuntimeError("a genuine key is refused")

    async def plainly(text: str) -> None:
        hmac.compare_digest(hashlib.sha256(text.encode()).hexdigest(), hashes[text])

    for _ in range(rounds):
        samples[WARM].append(await each(verifier.verify, texts))
        samples[NAIVE].append(await each(plainly, texts))
    return Comparison(TITLE, f"API key, a ring of {KEYS:,} (plainly: SHA-256)", "µs", samples)


async def _measure(database: EmbeddedNeo4j, rounds: int) -> list[Measurement]:
    return [await guard(database, rounds), await token(rounds), await key(rounds)]


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """Guard, token, key and policy."""
    return [*asyncio.run(_measure(database, 1 if brief else 5)), *policy.measure(database, brief=brief)]


if __name__ == "__main__":
    alone(measure, __doc__)
