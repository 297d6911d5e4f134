"""What to write instead of names that Neo4j has renamed or removed, or that come from other query languages.

Models learnt from texts of all times and of all databases. Sources: the lists of removals,
https://neo4j.com/docs/cypher-manual/current/deprecations-additions-removals-compatibility/ and
https://neo4j.com/docs/operations-manual/current/procedures/ .
"""

from __future__ import annotations

import re

__all__ = ["instead_of_call", "instead_of_unknown"]

_SCHEMA = "call the tool get-schema"

_CALLS = {
    "db.indexes": "write SHOW INDEXES",
    "db.indexdetails": "write SHOW INDEXES YIELD *",
    "db.constraints": "write SHOW CONSTRAINTS",
    "db.schema": f"write CALL db.schema.visualization(), or {_SCHEMA}",
    "db.index.fulltext.querynodesv2": "write CALL db.index.fulltext.queryNodes(…)",
    "dbms.procedures": "write SHOW PROCEDURES, or call the tool list-procedures",
    "dbms.functions": "write SHOW FUNCTIONS, or call the tool list-procedures",
    "apoc.meta.schema": _SCHEMA,
    "apoc.meta.data": _SCHEMA,
    "apoc.meta.graph": _SCHEMA,
    "apoc.meta.graphsample": _SCHEMA,
    "apoc.meta.subgraph": _SCHEMA,
    "apoc.meta.stats": _SCHEMA,
    "apoc.meta.nodetypeproperties": f"write CALL db.schema.nodeTypeProperties(), or {_SCHEMA}",
    "apoc.meta.reltypeproperties": f"write CALL db.schema.relTypeProperties(), or {_SCHEMA}",
    "apoc.help": "call the tool list-procedures",
    "gds.similarity.cosine": "write vector.similarity.cosine(a, b)",
    "gds.similarity.euclidean": "write vector.similarity.euclidean(a, b)",
    "algo.similarity.cosine": "write vector.similarity.cosine(a, b)",
    "apoc.date.format": "write toString(x), or the components of a temporal value, such as x.year",
    "apoc.date.parse": "write date(…) or datetime(…)",
    "apoc.temporal.format": "write toString(x), or the components of a temporal value, such as x.year",
    "apoc.coll.sum": "write reduce(total = 0, x IN list | total + x)",
    "apoc.coll.toset": "UNWIND the list, and collect(DISTINCT x)",
    "apoc.coll.max": "UNWIND the list, and write max(x)",
    "apoc.coll.min": "UNWIND the list, and write min(x)",
    "apoc.text.join": "write reduce(text = '', x IN list | text + x)",
    "apoc.path.expand": "write a pattern with a quantifier, such as (a)-[:TYPE*1..3]->(b)",
    "apoc.path.subgraphnodes": "write a pattern with a quantifier, such as (a)-[:TYPE*1..3]->(b)",
    "apoc.algo.dijkstra": "write shortestPath((a)-[:TYPE*]->(b)), which counts relationships",
}
"""By the name in lower case: the rest of a sentence that begins with "Instead,"."""

_FUNCTIONS = {
    "toint": "toInteger(x)",
    "rels": "relationships(path)",
    "has": "n.property IS NOT NULL",
    "isnull": "x IS NULL",
    "isnotnull": "x IS NOT NULL",
    "extract": "[x IN list | expression]",
    "filter": "[x IN list WHERE condition]",
    "str": "toString(x)",
    "string": "toString(x)",
    "int": "toInteger(x)",
    "float": "toFloat(x)",
    "cast": "toInteger(x), toFloat(x) or toString(x)",
    "len": "size(x)",
    "array_length": "size(x)",
    "cardinality": "size(x)",
    "ifnull": "coalesce(a, b)",
    "nvl": "coalesce(a, b)",
    "concat": "a + b",
    "group_concat": "collect(x)",
    "string_agg": "collect(x)",
    "array_agg": "collect(x)",
    "collect_list": "collect(x)",
    "listagg": "collect(x)",
    "mean": "avg(x)",
    "average": "avg(x)",
    "median": "percentileCont(x, 0.5)",
    "percentile": "percentileCont(x, 0.9)",
    "stddev": "stDev(x)",
    "variance": "stDev(x) ^ 2",
    "pow": "a ^ b",
    "power": "a ^ b",
    "mod": "a % b",
    "truncate": "toInteger(x)",
    "ceiling": "ceil(x)",
    "now": "datetime()",
    "today": "date()",
    "current_date": "date()",
    "current_timestamp": "datetime()",
    "getdate": "datetime()",
    "to_date": "date('2013-07-04')",
    "todate": "date('2013-07-04')",
    "year": "x.year",
    "month": "x.month",
    "day": "x.day",
    "hour": "x.hour",
    "minute": "x.minute",
    "dayofweek": "x.dayOfWeek",
    "week": "x.week",
    "quarter": "x.quarter",
    "datediff": "duration.between(a, b), or duration.inDays(a, b).days",
    "date_diff": "duration.between(a, b), or duration.inDays(a, b).days",
    "timestampdiff": "duration.inSeconds(a, b).seconds",
    "dateadd": "x + duration({days: 1})",
    "date_add": "x + duration({days: 1})",
    "date_format": "toString(x), or x.year and so on",
    "strftime": "toString(x), or x.year and so on",
    "date_trunc": "date.truncate('month', x)",
    "substr": "substring(text, start, length)",
    "instr": "text CONTAINS part",
    "contains": "text CONTAINS part",
    "startswith": "text STARTS WITH part",
    "endswith": "text ENDS WITH part",
    "regexp_like": "text =~ 'pattern'",
    "iif": "CASE WHEN condition THEN a ELSE b END",
    "if": "CASE WHEN condition THEN a ELSE b END",
    "indegree": "COUNT { (n)<--() }",
    "outdegree": "COUNT { (n)-->() }",
    "degree": "COUNT { (n)--() }",
    "cosine_similarity": "vector.similarity.cosine(a, b)",
    "distance": "point.distance(a, b)",
    "row_number": "a list: collect the rows in order and UNWIND range(0, size(rows) - 1)",
}
"""By the name in lower case, what to write."""

_UNKNOWN_FUNCTION = re.compile(r"Unknown function '([A-Za-z_][\w.]{0,60})'")


def instead_of_call(name: str) -> str | None:
    """What to do instead of a call of ``name``, a procedure or function with a namespace; None if nothing is known."""
    instead = _CALLS.get(name.lower())
    return None if instead is None else f"Instead, {instead}."


def instead_of_unknown(message: str) -> str | None:
    """What to write instead of the function that the database's ``message`` says is unknown, if it is a known one."""
    found = _UNKNOWN_FUNCTION.search(message)
    instead = _FUNCTIONS.get(found[1].lower()) if found else None
    return None if found is None or instead is None else f"Instead of {found[1]}(), write {instead}."
