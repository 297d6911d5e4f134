"""Statements that a reading tool must refuse, and such that it must run: hand-written, and from a small grammar."""

from __future__ import annotations

from collections.abc import Iterator

from tests.core.guard.acts import SCHEMA_AND_ADMINISTRATION, WRITES
from tests.core.guard.reads import READS, READS_OF_CYPHER_25, TOP_LEVEL_READS

DIALECTS = ("", "CYPHER 5 ", "CYPHER 25 ", "CYPHER 25 runtime=slotted planner=cost ", "cypher /* x */ 5 ")

# What reaches out of the graph or acts, as a query that can stand inside a subquery.
READING_BUT_HOSTILE = {
    "file": "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line AS x",
    "file with headers": "LOAD CSV WITH HEADERS FROM 'file:///a.csv' AS line RETURN line AS x",
    "address": "LOAD CSV FROM 'http://127.0.0.1:9/x' AS line RETURN line AS x",
    "file from a parameter": "LOAD CSV FROM $url AS line RETURN line AS x",
    "settings": "CALL dbms.listConfig() YIELD name RETURN name AS x",
    "replanning": "CALL db.prepareForReplanning() RETURN 1 AS x",
    "statistics": "CALL db.stats.retrieve('GRAPH COUNTS') YIELD data RETURN data AS x",
    "connections": "CALL dbms.listConnections() YIELD connectionId RETURN connectionId AS x",
    "kill": "CALL dbms.killConnection('bolt-1') YIELD message RETURN message AS x",
    "metadata": "CALL tx.setMetaData({user: 'somebody else'}) RETURN 1 AS x",
    "caches": "CALL db.clearQueryCaches() YIELD value RETURN value AS x",
    "resampling": "CALL db.resampleOutdatedIndexes() RETURN 1 AS x",
    "waiting": "CALL db.awaitIndexes(300) RETURN 1 AS x",
    "file after any label": "MATCH (n) WHERE n:% LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line AS x",
    "file after an is": "MATCH (n) WHERE n IS % LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line AS x",
    "transactions of its own": (
        "MATCH (n) WITH n LIMIT 1 CALL (n) { MATCH (m) RETURN m LIMIT 1 } IN TRANSACTIONS RETURN 1 AS x"
    ),
    "concurrent transactions": "CALL () { RETURN 1 AS m } IN 1 + 1 CONCURRENT TRANSACTIONS RETURN 1 AS x",
    "a plugin": "CALL apoc.load.json('file:///etc/passwd') YIELD value RETURN value AS x",
    "a plugin's function": "RETURN apoc.cypher.runFirstColumnSingle('MATCH (n) DELETE n', {}) AS x",
}

# Cypher 25 only: commands as clauses of a query.
COMPOSED = {
    "transactions": "SHOW TRANSACTIONS YIELD currentQuery RETURN currentQuery AS x",
    "one's settings": "SHOW SETTINGS YIELD name RETURN name AS x",
    "settings after any label": "MATCH (n) WHERE n:% SHOW SETTINGS YIELD name RETURN name AS x",
    "settings after procedures": (
        "SHOW PROCEDURES YIELD name RETURN name AS x UNION SHOW SETTINGS YIELD name RETURN name AS x"
    ),
    "terminate after any label": (
        "MATCH (n) WHERE n:% TERMINATE TRANSACTION 'neo4j-transaction-1' YIELD message RETURN message AS x"
    ),
    "terminate": "TERMINATE TRANSACTION 'neo4j-transaction-1' YIELD message RETURN message AS x",
}

# Ways to put a query into another one. Those with an expression around it hide it from the plan.
PLACES = {
    "in the open": "{query}",
    "after a match": "MATCH (n:Airline) WITH n LIMIT 1 CALL (n) {{ {query} }} RETURN x",
    "in a subquery": "CALL () {{ {query} }} RETURN x",
    "collected": "RETURN COLLECT {{ {query} }} AS y",
    "counted": "MATCH (outer:Airline) WHERE COUNT {{ {query} }} > 0 RETURN outer",
    "existing": "MATCH (outer:Airline) WHERE EXISTS {{ {query} }} RETURN outer",
    "in a comprehension": "RETURN [each IN [1] | COLLECT {{ {query} }}] AS y",
    "in a filter": "RETURN [each IN [1] WHERE EXISTS {{ {query} }}] AS y",
    "in a case": "MATCH (outer:Airline) RETURN CASE WHEN outer.name = 'x' THEN COUNT {{ {query} }} ELSE 0 END AS y",
    "in a reduction": "RETURN reduce(total = 0, each IN [1] | total + COUNT {{ {query} }}) AS y",
    "in an order": "UNWIND [1] AS i WITH i ORDER BY [j IN [i] | COUNT {{ {query} }}] RETURN i",
    "in a comprehension of comprehensions": "RETURN [each IN [1] | [j IN [each] | COLLECT {{ {query} }}]] AS y",
    "in a map": "RETURN {{a: [each IN [1] | EXISTS {{ {query} }}]}} AS y",
    "in a quantifier": "RETURN any(each IN [1] WHERE EXISTS {{ {query} }}) AS y",
    "in a slice": "RETURN [1, 2][0..COUNT {{ {query} }}] AS y",
    "in a pattern comprehension": "MATCH (o:Airline) RETURN [(o)-[:SERVES]->() | COLLECT {{ {query} }}] AS y",
    "behind a union": "RETURN [each IN [1] | COLLECT {{ RETURN 1 AS x UNION {query} }}] AS y",
}


# Cypher 25 only: text with code in it.
PLACES_IN_TEXT = {
    "in text": "RETURN s'a {{ [each IN [1] | COLLECT {{ {query} }}] }} b' AS y",
    "in text of text": "RETURN S\"{{s'{{[each IN [1] | EXISTS {{ {query} }}]}}'}}\" AS y",
    "in text after a quote": "RETURN s'\\' \" {{ COUNT {{ {query} }} }} // /*' AS y",
}

# What ends a string, a comment or a name for the server, and what must not be taken for text by anyone else.
_HIDDEN = '[each IN [1] | COLLECT { LOAD CSV FROM "file:///etc/passwd" AS line RETURN line }] AS y'
MISREAD = [
    f"RETURN '\\u+027 AS x, {_HIDDEN} //'",
    f"RETURN '\\u\uff10\uff1027 AS x, {_HIDDEN} //'",
    f"RETURN '\\u\u0660\u066027 AS x, {_HIDDEN} //'",
    f"RETURN '\\\\\\u+027 AS x, {_HIDDEN} //'",
    f"RETURN 1 AS x //\\u+00a , {_HIDDEN}",
    f"RETURN 1 AS x //\\u+00d , {_HIDDEN}",
    f"RETURN 1 AS x /* \\u+02a/ , {_HIDDEN} /* */",
    f"RETURN 1 AS `x\\u+060, {_HIDDEN} // `",
    f"RETURN 1 AS x /* /* */ , {_HIDDEN} /* */",
    f"RETURN 1 AS x // '\n, {_HIDDEN} // '",
    f"RETURN '\\\\' AS x, {_HIDDEN} // '",
    f"RETURN 1 AS `x```, {_HIDDEN} // `",
    _HIDDEN.join(("RETURN ", "\u0000")),
    "RETURN [each IN [1] | COLLECT { \\u+04cOAD CSV FROM 'file:///etc/passwd' AS l RETURN l }] AS y",
    "RETURN [each IN [1] | COLLECT { LO\\u0041D CSV FROM 'file:///etc/passwd' AS l RETURN l }] AS y",
    "RETURN [each IN [1] | COLLECT { MATCH (n) WHERE n:%LOAD CSV FROM 'file:///etc/passwd' AS l RETURN l }] AS y",
    "RETURN [each IN [1] | COLLECT { UNWIND [1]AS i LOAD/**/CSV FROM'file:///etc/passwd'AS l RETURN l }] AS y",
    "RETURN reach$date.truncate('month', date()) AS x",
    "RETURN `apoc.load.json`('x') AS x",
    "RETURN [each IN [1] | COLLECT { WITH each USE system MATCH (n) RETURN n }] AS y",
    "RETURN 'half \ud800' AS x",
]


def _spaced(text: str) -> str:
    return text.replace(" ", " /* RETURN 1 */ ", 1).replace(".", " . ")


def _swapped(text: str) -> str:
    for word in ("LOAD", "CSV", "CALL", "SHOW", "TERMINATE"):
        text = text.replace(word, word.swapcase()[0] + word[1:])
    return text


def _escaped(text: str) -> str:
    for word in ("LOAD", "SHOW", "TERMINATE", "dbms", "db.", "tx"):
        text = text.replace(word, f"\\u{ord(word[0]):04x}{word[1:]}", 1)
    return text


def _quoted(text: str) -> str:
    words = text.split()
    return " ".join(
        ".".join(f"`{part}`" for part in word.split("(")[0].split(".")) + "(" + word.split("(", 1)[1]
        if "." in word.split("(")[0] and "(" in word and not word.startswith(("'", "{"))
        else word
        for word in words
    )


DISGUISES = {
    "plain": str,
    "comments and spaces": _spaced,
    "letter case": _swapped,
    "escapes": _escaped,
    "quotes": _quoted,
}


def hostile() -> Iterator[str]:
    """Every statement that must not run."""
    for text in (*WRITES, *SCHEMA_AND_ADMINISTRATION, *MISREAD):
        yield text
        if not text.startswith(("CYPHER", "PROFILE", "EXPLAIN", "PLAN")):
            for dialect in DIALECTS[1:3]:
                yield dialect + text
    for disguise in DISGUISES.values():
        for query in READING_BUT_HOSTILE.values():
            for place in PLACES.values():
                yield place.format(query=disguise(query))
        for query in COMPOSED.values():
            for place in PLACES.values():
                yield "CYPHER 25 " + place.format(query=disguise(query))
    for text in WRITES:
        for name in ("collected", "in a comprehension", "in a subquery"):
            yield PLACES[name].format(query=text + "\n")
    for place in PLACES_IN_TEXT.values():
        for query in (*READING_BUT_HOSTILE.values(), *COMPOSED.values()):
            yield "CYPHER 25 " + place.format(query=query)
    for dialect in DIALECTS[1:]:
        for query in READING_BUT_HOSTILE.values():
            yield dialect + PLACES["in a comprehension"].format(query=query)


HARMLESS_PLACES = ("in the open", "in a subquery", "in a comprehension", "in a case", "in a reduction", "existing")


def harmless(*, everywhere: bool = True) -> Iterator[str]:
    """Every statement that must run. Its parameters are `PARAMETERS`.

    Each query stands in every place and dialect with ``everywhere``; else in the open and in one place and one dialect
    more, in turn.
    """
    yield from TOP_LEVEL_READS
    for number, query in enumerate(READS.values()):
        single = ", " not in query.partition(" RETURN ")[2].partition(" ORDER ")[0] or query.startswith("RETURN")
        chosen = HARMLESS_PLACES if everywhere else ("in the open", HARMLESS_PLACES[1 + number % 5])
        for name in chosen:
            if name in ("in the open", "in a subquery", "existing") or single:
                yield PLACES[name].format(query=query.removesuffix("\n") + "\n")
        dialects = DIALECTS[1 : 3 + (number % 5 == 0)]
        for dialect in dialects if everywhere else dialects[number % len(dialects) :][:1]:
            yield dialect + query
    for query in READS_OF_CYPHER_25.values():
        yield "CYPHER 25 " + query


PARAMETERS = {"list": [1, 2], "vector": [0.1] * 24, "url": "file:///etc/passwd", "key": "x", "p": "hostile-hostile"}
