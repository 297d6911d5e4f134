"""The requests that want too much, which `bench.attack` sends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["ATTACKS", "ONE", "PING", "Attack"]

MOST_WAIT = 0.25
MOST_WAIT_STARVED = 0.5
"""Seconds that another caller should wait at most; more where all connections of the database are at work."""

_CROSS_PRODUCT = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN count(a + b) AS n"


@dataclass(frozen=True)
class Attack:
    """``body`` is sent ``times`` at once; ``long`` ones are left out in small."""

    what: str
    body: bytes
    times: int = 1
    long: bool = False
    most_wait: float = MOST_WAIT


def call(tool: str, arguments: dict[str, Any]) -> bytes:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    return json.dumps(message).encode()


def read(query: str, seconds: float = 20, **params: Any) -> bytes:
    return call("read-cypher", {"query": query, "params": params, "timeout_seconds": seconds})


ONE = read("RETURN 1 AS one")
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'

ATTACKS = (
    Attack("one wide row", read("RETURN range(1, 20000001) AS r")),
    Attack("one wide row, four at once", read("RETURN range(1, 20000001) AS r"), times=4),
    Attack("one row of texts", read("UNWIND range(1, 1000000) AS i RETURN collect('row ' + toString(i)) AS r")),
    Attack("a text that doubles", read("RETURN size(reduce(s = 'x', i IN range(1, 40) | s + s)) AS r")),
    Attack("ten million rows", read("UNWIND range(1, 10000000) AS i RETURN i, 'row ' + toString(i) AS t")),
    Attack("names in an error", read("MATCH (a) WITH collect(a.name) AS l RETURN toInteger(l)")),
    Attack(
        "an error of 8 MB",
        read("UNWIND range(1, 400000) AS i WITH collect('xxxxxxxxxxxxxxxx') AS l RETURN toInteger(l)"),
    ),
    Attack("a million characters of arguments", call("read-cypher", {"query": "RETURN 1", "x": "y" * 900_000})),
    Attack("200,000 wrong arguments", call("read-cypher", {"query": "RETURN 1"} | {f"k{n}": n for n in range(60_000)})),
    Attack("nested 100,000 deep", b"[" * 100_000),
    Attack("a key twice", b'{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}'),
    Attack("UTF-16", '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16")),
    Attack("half of a surrogate pair", b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}'),
    Attack("a giant loop", read("RETURN any(x IN range(1, 100000000000) WHERE x < 0)", 3)),
    Attack("a giant list in memory", read("RETURN size([x IN range(1, 100000000) | toString(x) + 'aaaaaaaaaaaaaaa'])")),
    Attack("nested repetitions", read("RETURN $text =~ '(a+)+b'", 3, text="a" * 40)),
    Attack("another database", call("explain-cypher", {"query": "USE nosuchdb RETURN 1"})),
    Attack("sixteen cross products", read(_CROSS_PRODUCT, 12), times=16, long=True, most_wait=MOST_WAIT_STARVED),
    Attack("sixteen cross products, short", read(_CROSS_PRODUCT, 3), times=16, most_wait=MOST_WAIT_STARVED),
    Attack(
        "a loop over the graph that cannot be stopped",
        read("MATCH (n) WITH collect(n.x) AS l RETURN any(x IN l WHERE any(y IN l WHERE any(z IN l WHERE z < 0)))", 3),
        long=True,
    ),
)
