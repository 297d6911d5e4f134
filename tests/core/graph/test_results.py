"""Rows that are counted together have the limits of rows that are counted one by one."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from neo4j._codec.packstream.v1 import Packer

from core.graph.results import _MOST_FOR_ONE, Limits, RowCollector
from core.values.exact_values import _EXACT

LEAST, MOST = -(2**63), 2**63 - 1
integers = st.one_of(st.integers(-16, 127), st.integers(LEAST, MOST))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text('\x00\x01"\\', max_size=20)
scalars = st.one_of(st.none(), st.booleans(), integers, st.floats(), texts)
rows_of_values = st.lists(st.lists(scalars | st.lists(scalars, max_size=120), max_size=4), max_size=12)

EXACT: dict[bytes, st.SearchStrategy[tuple[Any, ...]]] = {
    b"D": st.tuples(st.integers(-365_243_219_162, 365_241_780_471)),
    b"T": st.tuples(st.integers(0, 86_399_999_999_999)),
    b"t": st.tuples(st.integers(0, 86_399_999_999_999), st.integers(-64_800, 64_800)),
    b"I": st.tuples(st.integers(-(10**13), 10**13), st.integers(0, 999_999_999), st.integers(-64_800, 64_800)),
    b"i": st.tuples(st.integers(-(10**10), 10**10), st.integers(0, 999_999_999), st.sampled_from(["Asia/Dili", "UTC"])),
    b"d": st.tuples(st.integers(-(10**13), 10**13), st.integers(0, 999_999_999)),
    b"E": st.tuples(integers, integers, integers, st.integers(0, 999_999_999)),
    b"X": st.tuples(st.sampled_from([4326, 7203]), st.floats(), st.floats()),
    b"Y": st.tuples(st.sampled_from([4979, 9157]), st.floats(), st.floats(), st.floats()),
}


def carried(tag: bytes, fields: list[Any]) -> int:
    """The bytes of a structure of Bolt."""
    buffer = Packer.new_packable_buffer()
    Packer(buffer).pack_struct(tag, fields)
    return len(buffer.data)


def outcome(collector: RowCollector) -> str:
    return repr((collector.rows, collector.cut_by, collector.elided, collector.size, collector.rest_of_page(50)))


@given(
    rows=rows_of_values,
    most=st.integers(0, 3_000),
    count=st.integers(0, 14),
    whole=st.booleans(),
    as_text=st.booleans(),
)
def test_what_a_record_was_carried_in_changes_nothing_of_the_outcome(
    rows: list[list[Any]], most: int, count: int, whole: bool, as_text: bool
) -> None:
    limits = Limits(rows=count, bytes=most, whole_lists=whole, integers_as_text=as_text)
    together, one_by_one = RowCollector(limits), RowCollector(limits)
    assert [together.add(row, carried(b"q", [row])) for row in rows] == [one_by_one.add(row) for row in rows]
    assert outcome(together) == outcome(one_by_one)
    assert one_by_one.size == sum(
        len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()) + 1 for row in one_by_one.rows
    )


def test_small_rows_are_not_written_to_be_counted() -> None:
    collector = RowCollector(Limits(rows=10, bytes=10_000))
    for number in range(10):
        assert collector.add([number, "text"], 12)
    assert collector._measured == 0
    assert collector.size == 10 * len('[0,"text"],')
    assert collector._measured == 10


@given(st.lists(scalars, max_size=5))
@example(["\x01" * 1000])
@example([None] * 5)
@example([False] * 5)
def test_no_row_of_scalars_has_more_bytes_than_it_was_thought_to(row: list[Any]) -> None:
    collector = RowCollector(Limits(rows=1, bytes=10**6, integers_as_text=True))
    collector.add(row)
    assert collector.size <= _MOST_FOR_ONE * carried(b"q", [row])


@given(st.sampled_from(sorted(EXACT)).flatmap(lambda tag: st.tuples(st.just(tag), EXACT[tag])))
@example((b"I", (0, 1, 127)))
@example((b"d", (0, 1)))
@example((b"t", (1, 1)))
@example((b"Y", (4979, -1.7976931348623157e308, math.nan, -2.2250738585072014e-308)))
def test_no_exact_value_has_more_bytes_than_it_was_thought_to(value: tuple[bytes, tuple[Any, ...]]) -> None:
    tag, fields = value
    collector = RowCollector(Limits(rows=1, bytes=10**6))
    collector.add([_EXACT[tag](*fields)])
    assert collector.size <= _MOST_FOR_ONE * carried(tag, list(fields))


def test_every_exact_value_is_tried() -> None:
    assert set(EXACT) == set(_EXACT)
