"""What goes in comes out: parameters are refused before the driver sees them, or survive the database."""

from __future__ import annotations

import base64
import json
import re
import struct
from datetime import timedelta, timezone
from typing import Any
from uuid import UUID

import neo4j
import pytest
import pytz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neo4j.spatial import CartesianPoint, WGS84Point
from neo4j.time import Date, DateTime, Duration, Time
from neo4j.vector import Vector

from core.errors import InvalidArguments
from core.values.parameters import check_parameters, check_statement
from core.values.plain_json import MAX_DEPTH, to_json
from tests.core.values.json_rows import json_column, json_rows
from tests.core.values.test_plain_json import nested

# Each example is a list of values, sent in one statement.
many = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | INT64 | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NANOSECOND = st.sampled_from([0, 1, 100_000_000, 120_000_000, 999_999_999]) | st.integers(0, 999_999_999)
YEAR = st.integers(1, 9999)
ANY_YEAR = YEAR | st.integers(-999_999_999, 999_999_999)
# In minutes for the driver's types, which refuse more; the database knows seconds.
OFFSET = st.integers(-18 * 60, 18 * 60)
ANY_OFFSET = st.builds(
    lambda sign, seconds: f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}",
    st.sampled_from("+-"),
    st.sampled_from([0, 1, 64_799, 64_800]) | st.integers(0, 64_800),
)
CLOCK = st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), NANOSECOND)
DAY = st.tuples(st.integers(1, 12), st.integers(1, 28))
# Zones whose rules the databases of Java and Python agree on, with half hours, seconds and no summer time among them.
ZONE = st.sampled_from(
    "Europe/Paris Europe/Amsterdam America/New_York Asia/Kolkata Australia/Lord_Howe Africa/Monrovia Asia/Tokyo "
    "Pacific/Apia America/St_Johns Etc/GMT+5 UTC".split()
)
DURATION = st.tuples(
    st.integers(-(2**30), 2**30),
    st.integers(-(2**30), 2**30),
    st.integers(-(2**40), 2**40),
    st.integers(-(10**9), 10**9),
)


def batch(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=20)


@many
@given(values=batch(PLAIN))
def test_plain_json_comes_back_as_it_went(neo4j_driver: neo4j.Driver, values: list[Any]) -> None:
    parameters = check_parameters({"values": values})
    ((returned,),) = json_rows(neo4j_driver, "RETURN $values", **parameters)
    assert json.dumps(returned, sort_keys=True) == json.dumps(values, sort_keys=True)


@many
@given(values=batch(st.floats()))
def test_numbers_that_json_lacks_come_back_through_tofloat(neo4j_driver: neo4j.Driver, values: list[float]) -> None:
    texts = json_column(neo4j_driver, "UNWIND $values AS value RETURN value", values=values)
    assert texts == [to_json(value) for value in values]
    again = json_column(neo4j_driver, "UNWIND $texts AS text RETURN toFloat(text)", texts=texts)
    assert json.dumps(again) == json.dumps(texts)


NATIVE: dict[str, st.SearchStrategy[Any]] = {
    "date": st.builds(lambda year, day: Date(year, *day), YEAR, DAY),
    "localtime": st.builds(lambda parts: Time(*parts), CLOCK),
    # The driver sends times with pytz's offsets only.
    "time": st.builds(lambda parts, offset: Time(*parts, tzinfo=pytz.FixedOffset(offset)), CLOCK, OFFSET),
    "localdatetime": st.builds(lambda year, day, parts: DateTime(year, *day, *parts), YEAR, DAY, CLOCK),
    "datetime": st.builds(
        lambda year, day, parts, offset: DateTime(year, *day, *parts, tzinfo=timezone(timedelta(minutes=offset))),
        # An offset may move the instant into a year that the driver cannot send.
        st.integers(2, 9998),
        DAY,
        CLOCK,
        OFFSET,
    ),
    "duration": st.builds(lambda parts: Duration(**dict(zip(PARTS, parts, strict=True))), DURATION),
    "uuid": st.builds(UUID, int=st.integers(0, 2**128 - 1)),
}
PARTS = ("months", "days", "seconds", "nanoseconds")


@pytest.mark.parametrize("function", NATIVE)
@many
@given(data=st.data())
def test_values_of_the_driver_come_back_as_their_own_text_and_again_from_it(
    neo4j_driver: neo4j.Driver, function: str, data: st.DataObject
) -> None:
    values = data.draw(batch(NATIVE[function]))
    rows = json_rows(
        neo4j_driver,
        "UNWIND range(0, size($values) - 1) AS i "
        f"RETURN $values[i], {function}($texts[i]), $values[i] = {function}($texts[i])",
        values=values,
        texts=[to_json(value) for value in values],
    )
    assert rows == [[to_json(value), to_json(value), True] for value in values]


# What only the database can make: years and zones of all kinds, written as maps of components.
ONLY_IN_CYPHER: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    function: st.fixed_dictionaries({
        name: strategy
        for name, strategy in {
            "year": ANY_YEAR, "month": st.integers(1, 12), "day": st.integers(1, 28),
            "hour": st.integers(0, 23), "minute": st.integers(0, 59), "second": st.integers(0, 59),
            "nanosecond": NANOSECOND, "timezone": ZONE | ANY_OFFSET,
        }.items()
        if name in names
    })
    for function, names in {
        "date": ("year", "month", "day"),
        "localdatetime": ("year", "month", "day", "hour", "minute", "second", "nanosecond"),
        "time": ("hour", "minute", "second", "nanosecond", "timezone"),
        "datetime": ("year", "month", "day", "hour", "minute", "second", "nanosecond", "timezone"),
    }.items()
}  # fmt: skip
ONLY_IN_CYPHER["duration"] = DURATION.map(lambda parts: dict(zip(PARTS, parts, strict=True)))


@pytest.mark.parametrize("function", ONLY_IN_CYPHER)
@many
@given(data=st.data())
def test_the_text_of_any_year_zone_and_duration_is_the_same_value_again(
    neo4j_driver: neo4j.Driver, function: str, data: st.DataObject
) -> None:
    components = data.draw(batch(ONLY_IN_CYPHER[function]))
    texts = json_column(neo4j_driver, f"UNWIND $all AS each RETURN {function}(each)", all=components)
    rows = json_rows(
        neo4j_driver,
        f"UNWIND range(0, size($all) - 1) AS i WITH {function}($all[i]) AS value, {function}($texts[i]) AS again "
        "RETURN again, value = again AND toString(value) = toString(again)",
        all=components,
        texts=texts,
    )
    assert rows == [[text, True] for text in texts]


POINT = st.one_of(
    st.builds(lambda *xs: CartesianPoint(xs), FINITE, FINITE),
    st.builds(lambda *xs: CartesianPoint(xs), FINITE, FINITE, FINITE),
    st.builds(lambda *xs: WGS84Point(xs), st.floats(-180, 180), st.floats(-90, 90)),
    st.builds(lambda *xs: WGS84Point(xs), st.floats(-180, 180), st.floats(-90, 90), FINITE),
)


@many
@given(points=batch(POINT))
def test_points_come_back_as_text_with_every_digit(neo4j_driver: neo4j.Driver, points: list[Any]) -> None:
    texts = json_column(neo4j_driver, "UNWIND $points AS point RETURN point", points=points)
    for text, point in zip(texts, points, strict=True):
        srid, coordinates = re.fullmatch(r"SRID=(\d+);POINT(?: Z)? \((.*)\)", text).groups()  # type: ignore[union-attr]
        assert int(srid) == point.srid
        assert [float(number) for number in coordinates.split()] == list(point)
    maps = [{"srid": point.srid, **dict(zip("xyz", point, strict=False))} for point in points]
    assert json_column(neo4j_driver, "UNWIND $maps AS map RETURN point(map)", maps=maps) == texts


@many
@given(values=batch(st.binary(max_size=40)))
def test_bytes_come_back_as_base64(neo4j_driver: neo4j.Driver, values: list[bytes]) -> None:
    texts = json_column(neo4j_driver, "UNWIND $values AS value RETURN value", values=values)
    assert [base64.b64decode(text, validate=True) for text in texts] == values


VECTORS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "INTEGER8": ("i8", st.integers(-(2**7), 2**7 - 1)),
    "INTEGER16": ("i16", st.integers(-(2**15), 2**15 - 1)),
    "INTEGER32": ("i32", st.integers(-(2**31), 2**31 - 1)),
    "INTEGER64": ("i64", INT64),
    "FLOAT32": ("f32", st.floats(width=32, allow_nan=False, allow_infinity=False)),
    "FLOAT64": ("f64", FINITE),
}


@pytest.mark.parametrize("kind", VECTORS)
@many
@given(data=st.data())
def test_vectors_come_back_as_numbers_and_again_from_these(
    neo4j_driver: neo4j.Driver, kind: str, data: st.DataObject
) -> None:
    dtype, elements = VECTORS[kind]
    values = data.draw(batch(st.lists(elements, min_size=8, max_size=8)))
    vectors = [Vector(value, dtype) for value in values]
    lists = json_column(neo4j_driver, "UNWIND $vectors AS vector RETURN vector", vectors=vectors)
    if kind == "FLOAT32":
        assert [struct.pack(">8f", *numbers) for numbers in lists] == [vector.raw() for vector in vectors]
    else:
        assert json.dumps(lists) == json.dumps(values)
    rows = json_rows(
        neo4j_driver,
        "UNWIND range(0, size($lists) - 1) AS i "
        f"WITH i, vector($lists[i], 8, {kind}) AS again RETURN again, again = $vectors[i]",
        lists=check_parameters({"lists": lists})["lists"],
        vectors=vectors,
    )
    assert json.dumps(rows) == json.dumps([[numbers, True] for numbers in lists])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('{"x": 9223372036854775808}', r"\$x is an integer beyond 64 bits.*string.*toFloat"),
        ('{"x": {"list": [1, -9223372036854775809]}}', r"\$x\.list\[1\] is an integer"),
        ('{"x": NaN}', r"\$x is not a finite number.*'NaN'"),
        ('{"x": [Infinity]}', r"\$x\[0\] is not a finite"),
        ('{"x": -1e999}', r"\$x is not a finite"),
        (r'{"x": "a\ud800"}', r"\$x holds half of a surrogate pair"),
        (r'{"x": {"\udc00": 1}}', r"\$x has a key that holds half"),
        (r'{"\ud800": 1}', "name of a parameter holds half"),
        (json.dumps({"x": nested(MAX_DEPTH + 1)}), r"\$x nests lists or maps more than 100 deep"),
        (json.dumps({"x": nested(MAX_DEPTH + 1, dict)}), r"\$x nests lists or maps more than 100 deep"),
        (json.dumps({"x" * 500: [2**80]}), r"\$x{59}… is an integer"),
    ],
)
def test_what_neo4j_cannot_hold_is_refused_with_its_place_and_a_way_out(arguments: str, message: str) -> None:
    with pytest.raises(InvalidArguments, match=message) as refused:
        check_parameters(json.loads(arguments))
    assert str(refused.value).encode()


@pytest.mark.parametrize("parameters", [{1: 2}, {"x": {1: 2}}, {"x": b"bytes"}, {"x": [object()]}])
def test_what_is_no_json_is_refused(parameters: Any) -> None:
    with pytest.raises(InvalidArguments):
        check_parameters(parameters)


def test_the_deepest_allowed_and_the_largest_integers_pass(neo4j_driver: neo4j.Driver) -> None:
    parameters = {
        "a": nested(MAX_DEPTH),
        "b": nested(MAX_DEPTH, dict),
        "c": 2**63 - 1,
        "d": -(2**63),
        "e": "\U0001f686\0",
    }
    (row,) = json_rows(neo4j_driver, "RETURN $a, $b, $c, $d, $e", **check_parameters(parameters))
    assert row == list(parameters.values())


def test_a_statement_that_is_not_unicode_is_refused() -> None:
    assert check_statement("RETURN '🚆'") == "RETURN '🚆'"
    with pytest.raises(InvalidArguments, match="statement"):
        check_statement("RETURN '\ud800'")
