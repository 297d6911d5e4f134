from __future__ import annotations

import json
from typing import Any

import neo4j
import pytest
from neo4j.exceptions import BrokenRecordError
from neo4j.spatial import CartesianPoint
from neo4j.time import Date, DateTime, Duration, Time
from neo4j.types import UnsupportedType
from neo4j.vector import Vector

from core.errors import StatementError
from core.values.exact_values import keep_exact_values
from core.values.iso import datetime_text, float_text
from core.values.plain_json import MAX_DEPTH, to_json
from tests.core.values.json_rows import json_column, json_rows
from tests.core.values.value_table import PAGE, with_tables


def read(driver: neo4j.Driver, expression: str, **parameters: Any) -> Any:
    (value,) = json_column(driver, f"RETURN {expression}", **parameters)
    return value


def test_the_tables_in_the_documentation_are_what_the_database_answers(empty_neo4j_driver: neo4j.Driver) -> None:
    text = PAGE.read_text()
    assert text == with_tables(text, empty_neo4j_driver)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("null", None),
        ("true", True),
        ("9223372036854775807", 9223372036854775807),
        ("-9223372036854775808", -9223372036854775808),
        ("1.0", 1.0),
        ("[0.0 / 0.0, {a: 1.0 / 0.0}]", ["NaN", {"a": "Infinity"}]),
        ("'Zürich 🚆 \\n \"'", 'Zürich 🚆 \n "'),
        ("[1, 'a', null, [2.5], date('2013-07-04')]", [1, "a", None, [2.5], "2013-07-04"]),
        ("{a: 1, b: {c: [true]}}", {"a": 1, "b": {"c": [True]}}),
        # As the Query API, the fraction has no zeros at its end.
        ("localtime('21:40:32.120')", "21:40:32.12"),
        ("localdatetime('2013-07-04T21:40:32.5')", "2013-07-04T21:40:32.5"),
        # What the driver's own types cannot hold: years, seconds of an offset, zones before and after pytz's tables.
        ("date('-999999999-01-01')", "-999999999-01-01"),
        ("date('0000-02-29')", "0000-02-29"),
        ("date('+10000-01-01')", "+10000-01-01"),
        ("time('12:00:00+17:59:59')", "12:00:00+17:59:59"),
        ("time('12:00:00-00:00:01')", "12:00:00-00:00:01"),
        ("datetime('2013-07-04T21:40:32+05:30:15')", "2013-07-04T21:40:32+05:30:15"),
        ("datetime('1880-07-04T21:40:32[Europe/Paris]')", "1880-07-04T21:40:32+00:09:21[Europe/Paris]"),
        ("datetime('2050-07-04T21:40:32[Europe/Paris]')", "2050-07-04T21:40:32+02:00[Europe/Paris]"),
        ("datetime('+99999-07-04T21:40:32[Europe/Paris]')", "+99999-07-04T21:40:32+02:00[Europe/Paris]"),
        ("datetime('-0044-03-15T12:00[Europe/Paris]')", "-0044-03-15T12:00:00+00:09:21[Europe/Paris]"),
        # An offset of zero and the zone UTC are two things.
        ("datetime('2013-07-04T21:40:32Z')", "2013-07-04T21:40:32Z"),
        ("datetime('2013-07-04T21:40:32[UTC]')", "2013-07-04T21:40:32Z[UTC]"),
        # The hour that a night in autumn has twice.
        ("datetime('2013-10-27T02:30+02:00[Europe/Paris]')", "2013-10-27T02:30:00+02:00[Europe/Paris]"),
        ("datetime('2013-10-27T02:30+01:00[Europe/Paris]')", "2013-10-27T02:30:00+01:00[Europe/Paris]"),
        ("duration({months: -13, days: 1, seconds: -60, nanoseconds: -5})", "P-1Y-1M1DT-1M-0.000000005S"),
        ("duration({days: 0})", "PT0S"),
        ("duration({seconds: 9223372036854775807})", "PT2562047788015215H30M7S"),
        ("point({x: 1e300, y: -0.0001, z: 12345678.5})", "SRID=9157;POINT Z (1.0E300 -1.0E-4 1.23456785E7)"),
        ("vector([0.1, 1e-7, 16777216], 3, FLOAT32)", [0.1, 1e-7, 16777216.0]),
        ("uuid('F81D4FAE-7dec-11d0-a765-00a0c91e6bf6')", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
    ],
)
def test_each_value_has_its_plain_json_form(neo4j_driver: neo4j.Driver, expression: str, expected: Any) -> None:
    value = read(neo4j_driver, expression)
    assert json.dumps(value) == json.dumps(expected)


def test_bytes_become_base64(neo4j_driver: neo4j.Driver) -> None:
    assert read(neo4j_driver, "$data", data=b"\x00\xffneo4j") == "AP9uZW80ag=="


def test_nodes_relationships_and_paths_keep_all_that_they_have(empty_neo4j_driver: neo4j.Driver) -> None:
    with empty_neo4j_driver.session() as session, session.begin_transaction() as transaction:
        statement = "CREATE p = (a:B:A {name: 'a', at: date('2020-01-02')})-[r:KNOWS {since: 1}]->(b:C)<-[s:IS]-(a)"
        ((a, r, b, s, p, loop, alone),) = json_rows(
            transaction, f"{statement} CREATE (a)-[l:SELF]->(a) WITH * MATCH q = (b) RETURN a, r, b, s, p, l, q"
        )
        transaction.rollback()
    assert a["labels"] == ["A", "B"]
    assert a["properties"] == {"name": "a", "at": "2020-01-02"}
    assert b["properties"] == {}
    assert r == {
        "elementId": r["elementId"],
        "type": "KNOWS",
        "startNodeElementId": a["elementId"],
        "endNodeElementId": b["elementId"],
        "properties": {"since": 1},
    }
    assert loop["startNodeElementId"] == loop["endNodeElementId"] == a["elementId"]
    # The path walks ``s`` against its direction.
    assert (s["startNodeElementId"], s["endNodeElementId"]) == (a["elementId"], b["elementId"])
    assert p == [a, r, b, s, a]
    assert alone == [b]


def nested(depth: int, of: type[list[Any]] | type[dict[str, Any]] = list) -> Any:
    value: Any = of()
    for _ in range(depth - 1):
        value = [value] if of is list else {"a": value}
    return value


@pytest.mark.parametrize("of", [list, dict])
def test_what_is_nested_too_deeply_is_an_error_that_says_what_to_return(of: Any) -> None:
    assert to_json(nested(MAX_DEPTH, of)) == nested(MAX_DEPTH, of)
    with pytest.raises(StatementError, match="toString"):
        to_json(nested(MAX_DEPTH + 1, of))


def test_a_value_of_no_known_type_is_an_error_that_names_the_type() -> None:
    with pytest.raises(TypeError, match="object"):
        to_json(object())


def test_a_type_newer_than_the_driver_is_named() -> None:
    assert "Quaternion" in to_json(UnsupportedType._new("Quaternion", (9, 0), None))


def test_the_driver_still_lets_its_values_be_kept_exact(neo4j_driver: neo4j.Driver) -> None:
    """Where this fails, the driver has changed inside: see `core.values.exact_values`."""
    with neo4j_driver.session() as session:
        result = session.run("RETURN date('-0044-03-15') AS day")
        assert keep_exact_values(result)
        assert result.single(strict=True)["day"] == "-0044-03-15"


def test_the_driver_alone_still_loses_what_keeping_it_exact_is_for(neo4j_driver: neo4j.Driver) -> None:
    """Where this fails, the driver has become better: see whether `core.values.exact_values` is needed any more."""

    def alone(expression: str) -> Any:
        return to_json(neo4j_driver.execute_query(f"RETURN {expression} AS value").records[0]["value"])

    with pytest.raises(BrokenRecordError):
        alone("date('-0044-03-15')")
    assert alone("time('12:00:00+17:59:59')") == "12:00:00+17:59"
    assert alone("datetime('2050-07-04T21:40:32[Europe/Paris]')") == "2050-07-04T20:40:32+01:00[Europe/Paris]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (DateTime(2013, 7, 4, 21, 40, 32, 500), "2013-07-04T21:40:32.0000005"),
        (Date(2013, 7, 4), "2013-07-04"),
        (Time(21, 40, 32, 120_000_000), "21:40:32.12"),
        (Duration(months=-1, days=2, seconds=-3, nanoseconds=-500_000_000), "P-1M2DT-3.5S"),
        (CartesianPoint((1.5, 1e300)), "SRID=7203;POINT (1.5 1.0E300)"),
        (Vector([float("inf"), float("nan"), 0.0, 2.0**-149], "f32"), ["Infinity", "NaN", 0.0, 1.4e-45]),
        (Vector([float("-inf"), 0.1], "f64"), ["-Infinity", 0.1]),
    ],
)
def test_values_of_the_types_of_the_driver_have_the_same_form(value: Any, expected: Any) -> None:
    assert to_json(value) == expected


def test_values_that_the_driver_made_have_the_same_form(neo4j_driver: neo4j.Driver) -> None:
    expressions = [
        "datetime('2013-07-04T21:40:32.5[Europe/Paris]')",
        "datetime('2013-07-04T21:40:32-03:30')",
        "datetime('2013-07-04T21:40:32Z')",
        "localdatetime('2013-07-04T21:40')",
        "time('21:40:32-01:00')",
        "localtime('21:40:32.000001')",
        "duration('P1Y2M3DT4H5M6.7S')",
        "point({longitude: 1, latitude: 2, height: 3})",
    ]
    record = neo4j_driver.execute_query(f"RETURN {', '.join(expressions)}").records[0]
    assert [to_json(value) for value in record.values()] == [read(neo4j_driver, each) for each in expressions]


def test_a_zone_without_rules_leaves_the_instant_in_utc() -> None:
    assert datetime_text(0, 5, "Moon/Tycho") == "1970-01-01T00:00:00.000000005Z[Moon/Tycho]"
    assert datetime_text(0, 0, "../secret") == "1970-01-01T00:00:00Z[../secret]"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.001, "0.001"), (1e7, "1.0E7"), (-0.0, "-0.0"), (5e-324, "4.9E-324"), (1e-323, "9.9E-324"), (2e23, "2.0E23")],
)
def test_coordinates_are_written_as_java_writes_them(number: float, text: str) -> None:
    assert float_text(number) == text
    assert float(text) == number
