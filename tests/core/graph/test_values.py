from __future__ import annotations

import json
from typing import Any

import neo4j
import pytest

from core.graph.values import to_json


def read(driver: neo4j.Driver, expression: str, **parameters: Any) -> Any:
    """The JSON form of a Cypher expression's value, as it came through the real database."""
    records, _, _ = driver.execute_query(f"CYPHER 25 RETURN {expression} AS value", parameters)
    value = to_json(records[0]["value"])
    json.dumps(value, allow_nan=False)
    return value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("null", None),
        ("true", True),
        ("9223372036854775807", 9223372036854775807),
        ("-9223372036854775808", -9223372036854775808),
        ("1.5", 1.5),
        ("0.0 / 0.0", "NaN"),
        ("1.0 / 0.0", "Infinity"),
        ("-1.0 / 0.0", "-Infinity"),
        ("'Zürich 🚆 \\n \"'", 'Zürich 🚆 \n "'),
        ("[1, 'a', null, [2.5]]", [1, "a", None, [2.5]]),
        ("{a: 1, b: {c: [true]}}", {"a": 1, "b": {"c": [True]}}),
        ("date('2013-07-04')", "2013-07-04"),
        ("localtime('21:40:32')", "21:40:32"),
        ("localtime('21:40:32.142')", "21:40:32.142"),
        ("localtime('21:40:32.142000001')", "21:40:32.142000001"),
        ("time('21:40:32.142+01:00')", "21:40:32.142+01:00"),
        ("time('21:40:32Z')", "21:40:32Z"),
        ("localdatetime('2013-07-04T21:40:32.5')", "2013-07-04T21:40:32.500"),
        ("datetime('2013-07-04T21:40:32-03:30')", "2013-07-04T21:40:32-03:30"),
        ("datetime('2013-07-04T21:40:32[Europe/Paris]')", "2013-07-04T21:40:32+02:00[Europe/Paris]"),
        ("datetime('2013-01-04T21:40:32[Europe/Paris]')", "2013-01-04T21:40:32+01:00[Europe/Paris]"),
        ("duration('P14M3DT16H12M')", "P1Y2M3DT16H12M"),
        ("point({x: 1.5, y: -2})", "SRID=7203;POINT (1.5 -2.0)"),
        ("point({x: 1, y: 2, z: 3})", "SRID=9157;POINT Z (1.0 2.0 3.0)"),
        ("point({longitude: 12.99, latitude: 55.6})", "SRID=4326;POINT (12.99 55.6)"),
        ("point({longitude: 12.99, latitude: 55.6, height: 7})", "SRID=4979;POINT Z (12.99 55.6 7.0)"),
        ("vector([1, 2, 3], 3, INTEGER8)", [1, 2, 3]),
        ("vector([0.5, 0.25], 2, FLOAT32)", [0.5, 0.25]),
    ],
)
def test_each_value_has_its_plain_json_form(neo4j_driver: neo4j.Driver, expression: str, expected: Any) -> None:
    value = read(neo4j_driver, expression)
    assert value == expected
    assert type(value) is type(expected)


def test_bytes_become_base64(neo4j_driver: neo4j.Driver) -> None:
    assert read(neo4j_driver, "$data", data=b"\x00\xffneo4j") == "AP9uZW80ag=="


def test_nodes_relationships_and_paths_keep_all_that_they_have(empty_neo4j_driver: neo4j.Driver) -> None:
    with empty_neo4j_driver.session() as session, session.begin_transaction() as transaction:
        record = transaction.run(
            "CREATE p = (a:B:A {name: 'a', at: date('2020-01-02')})-[r:KNOWS {since: 1}]->(b:C) RETURN a, r, b, p"
        ).single(strict=True)
        a, r, b, p = (to_json(value) for value in record.values())
        transaction.rollback()
    assert a["labels"] == ["A", "B"]
    assert a["properties"] == {"name": "a", "at": "2020-01-02"}
    assert r == {
        "elementId": r["elementId"],
        "type": "KNOWS",
        "startNodeElementId": a["elementId"],
        "endNodeElementId": b["elementId"],
        "properties": {"since": 1},
    }
    assert p == [a, r, b]


def test_a_value_of_no_known_type_is_an_error_that_names_the_type() -> None:
    with pytest.raises(TypeError, match="object"):
        to_json(object())
