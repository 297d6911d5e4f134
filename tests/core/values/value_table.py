"""Writes the tables of docs/values.md from a real database's answers: ``python -m tests.core.values.value_table``."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import neo4j

from local.console import Console
from local.neo4j import EmbeddedNeo4j
from tests.core.values.json_rows import json_rows

PAGE = Path(__file__).parents[3] / "docs" / "values.md"


class Row(NamedTuple):
    """A type, an expression that has it, and how a parameter becomes one; ``parameters`` only where JSON has none."""

    type: str
    expression: str
    way_in: str
    parameters: dict[str, Any] | None = None


_FLOAT_IN = "a number with a fraction or an exponent; a whole one with `toFloat($x)`"
_NOT_FINITE_IN = "`toFloat($x)` of this string"
_DATETIME_IN = "`datetime($x)`"
_POINT_IN = "`point({x: $x, y: $y})`, with `z`, `crs` or `srid`"
_WGS_IN = "`point({longitude: $x, latitude: $y})`, with `height`"

SCALARS = [
    Row("NULL", "null", "as it is"),
    Row("BOOLEAN", "true", "as it is"),
    Row("INTEGER", "42", "as it is"),
    Row("INTEGER", "9223372036854775807", "`toInteger($x)` of this string"),
    Row("FLOAT", "0.1", _FLOAT_IN),
    Row("FLOAT", "1.0", _FLOAT_IN),
    Row("FLOAT", "2.0 ^ -61", _FLOAT_IN),
    Row("FLOAT", "0.0 / 0.0", _NOT_FINITE_IN),
    Row("FLOAT", "1.0 / 0.0", _NOT_FINITE_IN),
    Row("FLOAT", "-1.0 / 0.0", _NOT_FINITE_IN),
    Row("STRING", "'Zürich \"🚆\"'", "as it is"),
    Row("UUID", "uuid('f81d4fae-7dec-11d0-a765-00a0c91e6bf6')", "`uuid($x)`"),
    Row("bytes", "$bytes", "no way", {"bytes": b"\x00\xffneo4j"}),
    Row("LIST", "[1, 'a', null, [2.5]]", "as it is"),
    Row("MAP", "{a: 1, b: {c: [true]}}", "as it is"),
]
TEMPORALS = [
    Row("DATE", "date('2013-07-04')", "`date($x)`"),
    Row("DATE", "date('-0044-03-15')", "`date($x)`"),
    Row("DATE", "date('+99999-12-31')", "`date($x)`"),
    Row("LOCAL TIME", "localtime('21:40')", "`localtime($x)`"),
    Row("LOCAL TIME", "localtime('21:40:32.120')", "`localtime($x)`"),
    Row("ZONED TIME", "time('21:40:32.000000001Z')", "`time($x)`"),
    Row("ZONED TIME", "time('21:40:32+17:59:59')", "`time($x)`"),
    Row("LOCAL DATETIME", "localdatetime('2013-07-04T21:40:32')", "`localdatetime($x)`"),
    Row("ZONED DATETIME", "datetime('2013-07-04T21:40:32Z')", _DATETIME_IN),
    Row("ZONED DATETIME", "datetime('2013-07-04T21:40:32-03:30')", _DATETIME_IN),
    Row("ZONED DATETIME", "datetime('2013-07-04T21:40:32[Europe/Paris]')", _DATETIME_IN),
    Row("ZONED DATETIME", "datetime('2050-07-04T21:40:32[Europe/Paris]')", _DATETIME_IN),
    Row("ZONED DATETIME", "datetime('1880-07-04T21:40:32[Europe/Paris]')", _DATETIME_IN),
    Row("ZONED DATETIME", "datetime('2013-10-27T02:30+01:00[Europe/Paris]')", _DATETIME_IN),
    Row("ZONED DATETIME", "datetime('2013-07-04T21:40:32[UTC]')", _DATETIME_IN),
    Row("ZONED DATETIME", "datetime('+10000-01-01T00:00Z')", _DATETIME_IN),
    Row("DURATION", "duration('P14M3DT16H12M')", "`duration($x)`"),
    Row("DURATION", "duration({months: -1, days: 2, seconds: -3})", "`duration($x)`"),
    Row("DURATION", "duration({seconds: -1, nanoseconds: 1})", "`duration($x)`"),
    Row("DURATION", "duration({days: 0})", "`duration($x)`"),
]
POINTS_AND_VECTORS = [
    Row("POINT", "point({x: 1.5, y: -2})", _POINT_IN),
    Row("POINT", "point({x: 1e7, y: 2, z: 3e-9})", _POINT_IN),
    Row("POINT", "point({longitude: 12.99, latitude: 55.6})", _WGS_IN),
    Row("POINT", "point({longitude: 12.99, latitude: 55.6, height: 7})", _WGS_IN),
    *(
        Row(f"`VECTOR<{kind}>`", f"vector([1, -2, {last}], 3, {kind})", f"`vector($x, 3, {kind})`")
        for kind, last in (
            ("INTEGER8", 127),
            ("INTEGER16", 32767),
            ("INTEGER32", 2147483647),
            ("INTEGER64", 9007199254740991),
            ("FLOAT32", 0.1),
            ("FLOAT64", 0.1),
        )
    ),
]
_PATTERN = "CREATE p = (a:Person:Author {born: date('1815-12-10')})-[r:WROTE {year: 1843}]->(b:Note)"
GRAPH = [
    Row("NODE", "a", "`MATCH (n) WHERE elementId(n) = $x`"),
    Row("RELATIONSHIP", "r", "`MATCH ()-[r]->() WHERE elementId(r) = $x`"),
    Row("PATH", "p", "no way: match it again"),
]

SECTIONS = {
    "Values": SCALARS,
    "Dates, times and durations": TEMPORALS,
    "Points and vectors": POINTS_AND_VECTORS,
    "Nodes, relationships and paths": GRAPH,
}


def with_tables(text: str, driver: neo4j.Driver) -> str:
    """``text`` with a new table below each heading. The graph that this needs is removed at once."""
    for title, rows in SECTIONS.items():
        head, found, below = text.partition(f"## {title}\n")
        assert found
        before, _, after = below.partition("\n| type |")
        _, _, rest = after.partition("\n\n")
        text = f"{head}{found}{before}\n{_table(rows, _answers(driver, rows))}\n{rest}"
    return text


def _answers(driver: neo4j.Driver, rows: list[Row]) -> list[Any]:
    if rows is GRAPH:
        with driver.session() as session, session.begin_transaction() as transaction:
            ((*values,),) = json_rows(transaction, f"{_PATTERN} RETURN {', '.join(row.expression for row in rows)}")
            transaction.rollback()
        return values
    # One statement a row: a table that fails should say where.
    answers = [
        json_rows(driver, f"RETURN {row.expression}", integers_as_text=True, **(row.parameters or {})) for row in rows
    ]
    return [value for ((value,),) in answers]


def _table(rows: list[Row], values: list[Any]) -> str:
    lines = ["| type | Cypher | JSON | as a parameter |", "|---|---|---|---|"]
    lines += [
        f"| {row.type} | `{row.expression}` | `{_short(json.dumps(value, ensure_ascii=False))}` | {row.way_in} |"
        for row, value in zip(rows, values, strict=True)
    ]
    return "\n".join(lines) + "\n"


def _short(text: str) -> str:
    """Element ids, which differ in each database, cut to their kind and number by order."""
    found: dict[str, str] = {}
    for element_id in re.findall(r"\d:[0-9a-f-]{36}:\d+", text):
        kind = element_id[0]
        found.setdefault(element_id, f"{kind}:…:{sum(known[0] == kind for known in found)}")
    for element_id, short in found.items():
        text = text.replace(f'"{element_id}"', f'"{short}"')
    return text


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedNeo4j(data_dir=Path(folder), console=Console()) as database:
        auth = (database.username, database.password.get_secret_value())
        with neo4j.GraphDatabase.driver(database.uri, auth=auth) as driver:
            PAGE.write_text(with_tables(PAGE.read_text(), driver))


if __name__ == "__main__":
    main()
