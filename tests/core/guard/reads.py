"""Queries that a reading tool must run, on the sample graph."""

from __future__ import annotations

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
    "slices": "MATCH (a:Airport) WITH a.name AS n RETURN split(n, ' ')[0..size(split(n, ' '))] AS x LIMIT 3",
    "slices by parameters": "RETURN range(1, 9)[$list[0]..$list[1]] AS x",
    "ends of lists": "RETURN [1, 2, 3][..2] + [1, 2, 3][1..] + [1, 2, 3][-1..] AS x",
    "remainders": "WITH 5 AS show, 3 AS use RETURN 7 % show + use % 2 AS x",
    "any label": "MATCH (n:%) WHERE n:% AND NOT n:Airport RETURN count(n) AS x",
    "label expressions": "MATCH (n:!Airport&(Airline|Plane)) RETURN count(n) AS x",
    "paths with backslashes": "RETURN 'C:\\\\users\\\\x' AS x",
    "escaped quotes": "RETURN 'it\\'s \"fine\" // here' AS x",
    "pairs of escapes": "RETURN '\\ud83d\\ude00' AS x",
    "maps in lists": "RETURN {a: 1} IN [{a: 1}] AS x",
    "a variable named transactions": "WITH [1] AS transactions RETURN 1 IN transactions AS x",
    "variables named like clauses": "WITH 1 AS call, 2 AS define, 3 AS in_ RETURN call + define + in_ AS x",
    "variables named like commands": "WITH 1 AS show, 2 AS terminate, 3 AS load RETURN show IN [terminate, load] AS x",
    "comments everywhere": "/* a */ RETURN // b\r\n 1 /**/ AS /* ' */ x // \"",
    "numbers": "RETURN 1e3 + 1.5e-3 + 0x1F + 0o17 + .5 + 1_000 AS x",
    "parameters in backticks": "UNWIND $`list` AS i RETURN i AS x",
    "dynamic properties": "MATCH (a:Airline) RETURN a['na' + 'me'] AS x",
    "nested maps": "RETURN {a: {b: [{c: 1}]}}.a.b[0].c AS x",
    "quantifiers": "MATCH (a:Airport) WHERE any(i IN [a.faa] WHERE i = 'JFK') RETURN a.name AS x",
    "all shortest paths": (
        "MATCH p = ALL SHORTEST (a:Airport {faa: 'LEX'})-[:ROUTE]-+(b:Airport {faa: 'PSP'}) RETURN count(p) AS x"
    ),
    "length of text": "MATCH (a:Airport) WHERE size(a.name) > 30 RETURN a.name AS x",
    "dates": "RETURN date('2013-01-01') + duration('P1D') AS x",
    "points": "RETURN point({latitude: 40.6, longitude: -73.8}).srid AS x",
    "conversions": "RETURN toInteger('1') + toFloat('2.5') AS x",
    "extremes": "MATCH (p:Plane) RETURN min(p.year) AS x",
    "standard deviations": "MATCH (p:Plane) RETURN stDev(p.seats) AS x",
    "an if": "MATCH (a:Airport) RETURN coalesce(a.tzone, 'none') AS x LIMIT 2",
    "list predicates": "RETURN none(i IN [1, 2] WHERE i > 2) AS x",
    "importing with": (
        "MATCH (a:Airline) CALL { WITH a MATCH (a)-[:SERVES]->(p) RETURN count(p) AS n } RETURN max(n) AS x"
    ),
    "subquery with scope": (
        "MATCH (a:Airline) CALL (a) { MATCH (a)-[:SERVES]->(p) RETURN count(p) AS n } RETURN max(n) AS x"
    ),
    "properties of nodes": "MATCH (a:Airline) RETURN properties(a) AS x LIMIT 2",
    "keys of nodes": "MATCH (a:Airline) UNWIND keys(a) AS k RETURN DISTINCT k AS x",
    "no rows": "MATCH (a:NoSuchLabel) RETURN a.name AS x",
    "type predicates": "MATCH (a:Airline) WHERE a.name IS :: STRING NOT NULL RETURN a.name AS x",
    "variable length with a type": "MATCH (a:Airport {faa: 'JFK'})-[:ROUTE*2..2]->(b) RETURN count(DISTINCT b) AS x",
    "repeated patterns": (
        "MATCH (a:Airline {carrier: 'AA'})((n)-[:SERVES]->(m)<-[:SERVES]-(o)){1,2}(b) RETURN count(b) AS x"
    ),
    "repeated patterns between two": (
        "MATCH (a:Airline {carrier: 'AA'})((n)-[:SERVES]->(m)<-[:SERVES]-(o)){1,2}(b:Airline {carrier: 'DL'}) "
        "RETURN count(b) AS x"
    ),
    "several shortest": (
        "MATCH p = SHORTEST 2 (a:Airport {faa: 'LEX'})-[:ROUTE]-+(b:Airport) RETURN length(p) AS x LIMIT 3"
    ),
    "inline where": "MATCH (a:Airport WHERE a.faa = 'JFK')-[r:ROUTE WHERE r.flights > 10]->(b) RETURN b.faa AS x",
}

READS_OF_CYPHER_25 = {
    "let": "LET y = 1 RETURN y AS x",
    "filter": "UNWIND [1, 2] AS i FILTER i > 1 RETURN i AS x",
    "when": "WHEN true THEN RETURN 1 AS x ELSE RETURN 2 AS x",
    "next": "RETURN 1 AS a NEXT RETURN a AS x",
    "collections": "RETURN coll.sort([2, 1]) AS x",
    "show in a subquery": "CALL () { SHOW INDEXES YIELD name RETURN name AS x } RETURN x",
    "vector search": "MATCH (n) SEARCH n IN (VECTOR INDEX airport_rhythm FOR $vector LIMIT 2) RETURN n.faa AS x",
    "interpolated text": "RETURN s'one {1 + 1} three' AS x",
    "interpolated text in itself": "RETURN s\"a {s'b {1} c'} d\" AS x",
    "interpolated text with braces": "RETURN s'{ {a: 1}.a } and {COUNT { MATCH (a:Airline) }}' AS x",
    "map comprehension": "RETURN {k IN ['a', 'b'] | k: 1} AS x",
    "for": "FOR i IN [1, 2] RETURN i AS x",
    "next and for": "RETURN 1 AS a NEXT FOR i IN [a] RETURN i AS x",
    "show after a match": (
        "MATCH (n:Airline) WITH n LIMIT 1 CALL () { SHOW FUNCTIONS YIELD name RETURN name AS x } RETURN x"
    ),
    "show within": "RETURN [i IN [1] | COLLECT { SHOW INDEXES YIELD name RETURN name }] AS x",
    "repeatable elements": (
        "MATCH REPEATABLE ELEMENTS (a:Airport {faa: 'JFK'})-[r:ROUTE]->{1,2}(b) RETURN count(*) AS x"
    ),
    "walks in lets": "MATCH (a:Airline) LET n = a.name FILTER n STARTS WITH 'A' RETURN n AS x",
    "joined text": "RETURN 'a' || 'b' AS x",
    "braces": "{ RETURN 1 AS x }",
    "offset": "UNWIND [1, 2, 3] AS i RETURN i AS x OFFSET 1 LIMIT 1",
    "text functions": "RETURN string.join(['a', 'b'], ',') AS x",
    "vectors": "RETURN vector_dimension_count(vector([1, 2], 2, INTEGER8)) AS x",
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
    "SHOW INDEX YIELD name",
    "SHOW RANGE INDEXES",
    "SHOW LOOKUP INDEXES WHERE state = 'ONLINE'",
    "SHOW UNIQUE CONSTRAINTS",
    "SHOW ALL FUNCTIONS YIELD name RETURN count(*)",
    "USE GRAPH neo4j RETURN 1",
    "USE `neo4j` MATCH (n:Airline) RETURN n.name",
    "USE neo4j RETURN 1 AS x UNION USE neo4j RETURN 2 AS x",
    "CYPHER runtime=slotted replan=skip RETURN 1",
    "CYPHER 5 CYPHER planner=dp RETURN 1",
    "// a comment first\nRETURN 1",
    "\n\t RETURN 1 ;\n",
]
