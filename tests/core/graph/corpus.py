"""Statements that a reading tool must refuse, and such that it must run: hand-written, and from a small grammar."""

from __future__ import annotations

from collections.abc import Iterator

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
}

# Cypher 25 only: commands as clauses of a query.
COMPOSED = {
    "transactions": "SHOW TRANSACTIONS YIELD currentQuery RETURN currentQuery AS x",
    "one's settings": "SHOW SETTINGS YIELD name RETURN name AS x",
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
    "behind a union": "RETURN [each IN [1] | COLLECT {{ RETURN 1 AS x UNION {query} }}] AS y",
}


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

WRITES = [
    "CREATE (n:Hostile)",
    "CREATE (n:Hostile) RETURN n",
    "INSERT (n:Hostile)",
    "MERGE (n:Hostile {a: 1}) RETURN n",
    "MERGE (n:Airline {name: 'x'}) ON MATCH SET n.x = 1",
    "MATCH (n) SET n.x = 1",
    "MATCH (n) SET n:Hostile",
    "MATCH (n) SET n:$('Hostile')",
    "MATCH (n) SET n += {x: 1}",
    "MATCH (n) SET n[$key] = 1",
    "MATCH (n:Airline) REMOVE n.name",
    "MATCH (n:Airline) REMOVE n:Airline",
    "MATCH (n) DETACH DELETE n",
    "MATCH ()-[r]->() DELETE r",
    "FOREACH (x IN [1] | CREATE (:Hostile))",
    "UNWIND [1, 2] AS x CALL (x) { CREATE (:Hostile {x: x}) } RETURN x",
    "MATCH (n) CALL (n) { SET n.x = 1 } RETURN count(n)",
    "MATCH (n) CALL (n) { CREATE (:Hostile) } IN TRANSACTIONS OF 10 ROWS",
    "UNWIND [1] AS x CALL (x) { CREATE (:Hostile) } IN 2 CONCURRENT TRANSACTIONS",
    "CALL { CREATE (:Hostile) }",
    "RETURN 1 AS x UNION CREATE (n:Hostile) RETURN 2 AS x",
    "MATCH (n:Airline) WITH n LIMIT 1 CREATE (n)-[:HOSTILE]->(:Hostile) RETURN n",
    "CALL db.createLabel('Hostile')",
    "CALL db.createProperty('hostile')",
    "CALL db.createRelationshipType('HOSTILE')",
    "MATCH (n:Airline) CALL db.create.setNodeVectorProperty(n, 'v', [1.0]) RETURN n",
    "// RETURN 1\nCREATE (n:Hostile)",
    "/* RETURN 1 */ CREATE (n:Hostile)",
    "RETURN 1 AS `x` /* ` */ UNION CREATE (:Hostile) RETURN 1 AS `x`",
    "MATCH (n) WHERE n.name = '/*' SET n.x = 1 // */",
]

SCHEMA_AND_ADMINISTRATION = [
    "CREATE INDEX hostile FOR (n:Airline) ON (n.x)",
    "CREATE INDEX hostile IF NOT EXISTS FOR (n:Airline) ON (n.x)",
    "DROP INDEX hostile IF EXISTS",
    "CREATE CONSTRAINT hostile FOR (n:Airline) REQUIRE n.x IS UNIQUE",
    "DROP CONSTRAINT hostile IF EXISTS",
    "CREATE FULLTEXT INDEX hostile FOR (n:Airline) ON EACH [n.x]",
    "CREATE VECTOR INDEX hostile FOR (n:Airline) ON n.x",
    "CREATE USER hostile SET PASSWORD 'hostile-hostile'",
    "CREATE USER hostile IF NOT EXISTS SET PASSWORD $p",
    "ALTER USER neo4j SET PASSWORD 'hostile-hostile'",
    "ALTER CURRENT USER SET PASSWORD FROM 'a' TO 'hostile-hostile'",
    "RENAME USER neo4j TO hostile",
    "DROP USER neo4j",
    "GRANT ROLE admin TO neo4j",
    "CREATE ROLE hostile",
    "CREATE DATABASE hostile",
    "DROP DATABASE neo4j",
    "STOP DATABASE neo4j",
    "ALTER DATABASE neo4j SET ACCESS READ ONLY",
    "CREATE ALIAS hostile FOR DATABASE neo4j",
    "ENABLE SERVER 'x'",
    "DENY READ {*} ON GRAPH * TO PUBLIC",
    "SHOW USERS",
    "SHOW USERS WITH AUTH",
    "SHOW CURRENT USER",
    "SHOW CURRENT USER YIELD user RETURN user",
    "SHOW ROLES",
    "SHOW PRIVILEGES",
    "SHOW USER PRIVILEGES",
    "SHOW SUPPORTED PRIVILEGES",
    "SHOW DATABASES",
    "SHOW DATABASE neo4j",
    "SHOW DEFAULT DATABASE",
    "SHOW HOME DATABASE",
    "SHOW ALIASES FOR DATABASE",
    "SHOW SERVERS",
    "SHOW TRANSACTIONS",
    "SHOW TRANSACTION 'neo4j-transaction-1'",
    "SHOW SETTINGS",
    "SHOW SETTING 'server.bolt.listen_address'",
    "SHOW TRANSACTIONS YIELD transactionId AS t TERMINATE TRANSACTION t YIELD message RETURN message",
    "TERMINATE TRANSACTION 'neo4j-transaction-1'",
    "TERMINATE TRANSACTIONS 'neo4j-transaction-1', 'neo4j-transaction-2'",
    "USE system SHOW USERS",
    "USE system CALL dbms.components() YIELD name RETURN name",
    "USE system MATCH (n) RETURN n",
    "USE graph.byName('system') MATCH (n) RETURN n",
    "CALL dbms.listConfig",
    "CALL dbms.showCurrentUser()",
    "CALL dbms.upgradeStatus()",
    "CALL dbms.queryJmx('*:*')",
    "CALL dbms.routing.getRoutingTable({})",
    "CALL tx.getMetaData()",
    "PROFILE MATCH (n) RETURN n",
    "PROFILE CREATE (n:Hostile)",
    "EXPLAIN CREATE (n:Hostile)",
    "EXPLAIN MATCH (n) RETURN n",
    "CYPHER 25 PROFILE MATCH (n) SET n.x = 1",
    "CYPHER runtime=slotted EXPLAIN MATCH (n) RETURN n",
    "RETURN 1; CREATE (n:Hostile)",
    "RETURN '\\u0027 AS x CREATE (n:Hostile) //",
    "RETURN 1 AS x //\\u000a CREATE (n:Hostile)",
    "RETURN 1 AS x //\\u2028 LOAD CSV FROM 'file:///x' AS l",
    "RETURN [x IN [1] | COLLECT { LOAD\u00a0CSV FROM 'file:///etc/passwd' AS l RETURN l }] AS y",
    "RETURN [x IN [1] | COLLECT { LOAD\u200bCSV FROM 'file:///etc/passwd' AS l RETURN l }] AS y",
    "RETURN [x IN [1] | COLLECT { LOAD\vCSV FROM 'file:///etc/passwd' AS l RETURN l }] AS y",
    "RETURN [x IN [1] | COLLECT { LOAD\rCSV FROM 'file:///etc/passwd' AS l RETURN l }] AS y",
    "RETURN 1 AS x // \u2028 '\n, [each IN [1] | COLLECT { LOAD CSV FROM 'file:///x' AS l RETURN l }] AS y // '",
    "RETURN 1 AS x // \r '\n, [each IN [1] | COLLECT { LOAD CSV FROM 'file:///x' AS l RETURN l }] AS y // '",
    "RETURN [each IN [1] | COLLECT { USE system MATCH (n) RETURN n }] AS y",
    "RETURN [each IN [1] | COLLECT { MATCH (n) RETURN n AS x UNION USE system MATCH (n) RETURN n AS x }] AS y",
    "RETURN [each IN [1] | COLLECT { USE graph.byName('system') MATCH (n) RETURN n }] AS y",
]


def hostile() -> Iterator[str]:
    """Every statement that must not run."""
    for text in (*WRITES, *SCHEMA_AND_ADMINISTRATION):
        yield text
        if not text.startswith(("CYPHER", "PROFILE", "EXPLAIN")):
            for dialect in DIALECTS[1:3]:
                yield dialect + text
    for disguise in DISGUISES.values():
        for query in READING_BUT_HOSTILE.values():
            for place in PLACES.values():
                yield place.format(query=disguise(query))
        for query in COMPOSED.values():
            for place in PLACES.values():
                yield "CYPHER 25 " + place.format(query=disguise(query))
    for dialect in DIALECTS[1:]:
        for query in READING_BUT_HOSTILE.values():
            yield dialect + PLACES["in a comprehension"].format(query=query)


# Queries that only read, each answering a column x.
READS = {
    "constant": "RETURN 1 AS x",
    "nodes": "MATCH (n:Airline) RETURN n.name AS x",
    "nodes by property": "MATCH (n:Airport {faa: 'JFK'}) RETURN n.name AS x",
    "paths": "MATCH (a:Airport)-[r:ROUTE]->(b) WHERE r.flights > 100 RETURN b.faa AS x",
    "long paths": "MATCH (a:Airport {faa: 'JFK'})-[:ROUTE*1..2]-(b) RETURN DISTINCT b.faa AS x LIMIT 5",
    "quantified": "MATCH (a:Airport {faa: 'JFK'})((n)-[:ROUTE]->(m)){1,2}(b) RETURN b.faa AS x LIMIT 5",
    "shortest": (
        "MATCH p = SHORTEST 1 (a:Airport {faa: 'LEX'})-[:ROUTE]-+(b:Airport {faa: 'PSP'}) RETURN length(p) AS x"
    ),
    "shortest of old": (
        "MATCH p = shortestPath((a:Airport {faa: 'LEX'})-[:ROUTE*]-(b:Airport {faa: 'PSP'})) RETURN length(p) AS x"
    ),
    "optional": "MATCH (a:Airline) OPTIONAL MATCH (a)-[:SERVES]->(b) RETURN count(b) AS x",
    "aggregate": "MATCH (n:Airport) RETURN n.timezone AS x, count(*) AS c ORDER BY c DESC SKIP 1 LIMIT 3",
    "distinct": "MATCH (n:Plane) RETURN DISTINCT n.year AS x",
    "unwind": "UNWIND [3, 1, 2] AS i WITH i ORDER BY i RETURN i AS x",
    "functions": "RETURN point.distance(point({x: 1, y: 2}), point({x: 3, y: 4})) AS x",
    "temporal": "RETURN date.truncate('month', date()) + duration.between(date(), date()) AS x",
    "functions in odd spelling": "RETURN Date . /* of */ `truncate`('month', date()) AS x",
    "exists": "MATCH (a:Airport) WHERE EXISTS { (a)-[:ROUTE]->() } RETURN a.faa AS x",
    "not exists": "MATCH (a:Airport) WHERE NOT EXISTS { (a)<-[:ROUTE]-() } RETURN count(a) AS x",
    "count": "MATCH (a:Airline) RETURN COUNT { (a)-[:SERVES]->() } AS x",
    "collect": "MATCH (a:Airline) RETURN COLLECT { MATCH (a)-[:SERVES]->(p) RETURN p.faa LIMIT 3 } AS x",
    "collect within": "RETURN [i IN [1, 2] | COLLECT { MATCH (a:Airline) RETURN a.name LIMIT 1 }] AS x",
    "pattern comprehension": "MATCH (a:Airline) RETURN [(a)-[:SERVES]->(p) WHERE p.faa = 'JFK' | p.name] AS x",
    "case": "MATCH (a:Airline) RETURN CASE a.carrier WHEN 'AA' THEN 'a' ELSE 'b' END AS x",
    "reduce": "RETURN reduce(s = 0, i IN range(1, 3) | s + i) AS x",
    "map": "MATCH (a:Airline) RETURN a {.name, .carrier, more: 1} AS x",
    "fulltext": "CALL db.index.fulltext.queryNodes('names', 'kennedy') YIELD node RETURN node.name AS x",
    "labels": "CALL db.labels() YIELD label RETURN label AS x",
    "types": "CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType AS x",
    "keys": "CALL db.propertyKeys() YIELD propertyKey RETURN propertyKey AS x",
    "schema": "CALL db.schema.visualization() YIELD nodes RETURN size(nodes) AS x",
    "properties": "CALL db.schema.nodeTypeProperties() YIELD nodeType RETURN nodeType AS x",
    "components": "CALL dbms.components() YIELD name RETURN name AS x",
    "info": "CALL db.info() YIELD name RETURN name AS x",
    "words in strings": "RETURN 'LOAD CSV FROM x; CREATE (n) SHOW USERS // /* apoc.load.json(' AS x",
    "words in comments": "RETURN 1 /* CREATE (n) LOAD CSV */ AS x // apoc.cypher.run('x')\n",
    "names like commands": "MATCH (load:Airline) WITH load.name AS csv, load AS show RETURN csv AS x, show AS y",
    "terminate as a name": "WITH 1 AS terminate, 2 AS use, 3 AS create RETURN terminate + use + create AS x",
    "properties like commands": "MATCH (n) WHERE n.show = 1 OR n.load = 2 RETURN n.set AS x LIMIT 1",
    "labels like commands": "MATCH (n:SHOW|LOAD|Airline) RETURN n AS x LIMIT 1",
    "quoted names": "MATCH (`create`:Airline) RETURN `create`.name AS `x`",
    "accents": "MATCH (größe:Airline) RETURN größe.name AS x",
    "escapes": "RETURN 'gr\\u00fc\\u00df \\' dich' AS x",
    "union": "MATCH (a:Airline) RETURN a.name AS x UNION ALL MATCH (a:Airport) RETURN a.name AS x LIMIT 5",
    "spatial": (
        "MATCH (a:Airport) WHERE point.withinBBox(a.location, point({longitude: -75, latitude: 40}), "
        "point({longitude: -73, latitude: 41})) RETURN a.faa AS x"
    ),
    "join": "MATCH (a:Airport), (b:Airline) WHERE a.name = b.name RETURN count(*) AS x",
    "ids": "MATCH (a:Airline) WITH a LIMIT 1 MATCH (b) WHERE elementId(b) = elementId(a) RETURN b.name AS x",
    "dynamic labels": "MATCH (n:$('Airline')) RETURN n.name AS x",
    "text predicates": (
        "MATCH (a:Airport) WHERE a.name STARTS WITH 'J' OR a.name CONTAINS 'La' OR a.name =~ '.*Intl' RETURN a.faa AS x"
    ),
    "types of values": "MATCH (a:Airport) RETURN a.location IS :: POINT AS x LIMIT 1",
    "relationships": "MATCH ()-[r:ROUTE]->() RETURN max(r.flights) AS x",
    "all": "MATCH (n) RETURN count(n) AS x",
    "all relationships": "MATCH ()-[r]->() RETURN count(r) AS x",
    "percentiles": "MATCH ()-[r:ROUTE]->() RETURN percentileCont(r.flights, 0.5) AS x",
    "parameters": "UNWIND $list AS i RETURN i AS x",
}

READS_OF_CYPHER_25 = {
    "let": "LET y = 1 RETURN y AS x",
    "filter": "UNWIND [1, 2] AS i FILTER i > 1 RETURN i AS x",
    "when": "WHEN true THEN RETURN 1 AS x ELSE RETURN 2 AS x",
    "next": "RETURN 1 AS a NEXT RETURN a AS x",
    "collections": "RETURN coll.sort([2, 1]) AS x",
    "show in a subquery": "CALL () { SHOW INDEXES YIELD name RETURN name AS x } RETURN x",
    "vector search": "MATCH (n) SEARCH n IN (VECTOR INDEX airport_rhythm FOR $vector LIMIT 2) RETURN n.faa AS x",
}

TOP_LEVEL_READS = [
    "SHOW INDEXES",
    "SHOW ALL INDEXES YIELD name, type RETURN name",
    "SHOW FULLTEXT INDEXES",
    "SHOW VECTOR INDEXES",
    "SHOW CONSTRAINTS",
    "SHOW CONSTRAINTS YIELD * RETURN count(*)",
    "SHOW PROCEDURES",
    "SHOW PROCEDURES EXECUTABLE YIELD name RETURN name",
    "SHOW FUNCTIONS",
    "SHOW BUILT IN FUNCTIONS",
    "SHOW USER DEFINED FUNCTIONS",
    "show indexes",
    "FINISH",
    "MATCH (n:Airline) FINISH",
    "USE neo4j MATCH (n:Airline) RETURN n.name",
    "MATCH (n:Airline) RETURN n.name;",
    "CALL db.labels",
]

HARMLESS_PLACES = ("in the open", "in a subquery", "in a comprehension", "in a case", "in a reduction", "existing")


def harmless() -> Iterator[str]:
    """Every statement that must run. Its parameters are `PARAMETERS`."""
    yield from TOP_LEVEL_READS
    for query in READS.values():
        single = ", " not in query.partition(" RETURN ")[2].partition(" ORDER ")[0] or query.startswith("RETURN")
        for name in HARMLESS_PLACES:
            if name in ("in the open", "in a subquery", "existing") or single:
                yield PLACES[name].format(query=query.removesuffix("\n") + "\n")
        for dialect in DIALECTS[1:4]:
            yield dialect + query
    for query in READS_OF_CYPHER_25.values():
        yield "CYPHER 25 " + query


PARAMETERS = {"list": [1, 2], "vector": [0.1] * 24, "url": "file:///etc/passwd", "key": "x", "p": "hostile-hostile"}
