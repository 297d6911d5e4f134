"""Records as they arrive on the wire, and what one of them may cost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import Any

import neo4j
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neo4j._codec.packstream.v1 import Packer, Unpacker

from core.deadline import Deadline
from core.errors import StatementError
from core.graph.database import Database
from core.graph.record_reader import RecordReader, RecordTooLarge, record_reader
from core.graph.results import Limits
from core.settings import Settings

SUCCESS, RECORD = b"\x70", b"\x71"


def packed(tag: bytes, field: Any) -> bytes:
    buffer = Packer.new_packable_buffer()
    Packer(buffer).pack_struct(tag, [field])
    return bytes(buffer.data)


def framed(message: bytes, chunk: int) -> bytes:
    """``message`` in chunks of so many bytes."""
    parts = [message[at : at + chunk] for at in range(0, len(message), chunk)]
    return b"".join(len(part).to_bytes(2) + part for part in parts) + b"\0\0"


class Socket:
    """Gives what arrives in pieces; after the last one the connection is closed."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = list(pieces)

    async def recv(self, size: int) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if len(piece) > size:
            self.pieces.insert(0, piece[size:])
        return piece[:size]


class Inbox:
    """What the driver's own inbox has."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._socket = Socket(pieces)
        self._buffer = Unpacker.new_unpackable_buffer()
        self._unpacker = Unpacker(self._buffer)

    async def on_error(self, error: BaseException) -> None:
        raise error


def reader(*pieces: bytes) -> RecordReader:
    return RecordReader(Inbox(pieces))


def cut(stream: bytes, seed: int) -> list[bytes]:
    """``stream`` in pieces as a network might give it."""
    chance, pieces = random.Random(seed), []
    while stream:
        size = chance.choice((1, 2, 3, 7, 100, 5000))
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


@given(
    rows=st.lists(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(), st.none(), st.floats(width=64)))),
    chunk=st.integers(1, 300),
    noops=st.integers(0, 3),
    seed=st.integers(0, 2**32),
)
def test_however_the_bytes_arrive_every_record_is_read_once_and_in_order(
    rows: list[list[Any]], chunk: int, noops: int, seed: int
) -> None:
    stream = b"".join(b"\0\0" * noops + framed(packed(RECORD, row), chunk) for row in rows)
    stream += framed(packed(SUCCESS, {"has_more": False}), chunk)
    found: list[Sequence[Any]] = []
    reading = reader(*cut(stream, seed))
    reading.taking(lambda values, carried: found.append(values) is None, largest=10**6)
    assert asyncio.run(reading.pop({})) == (SUCCESS, [{"has_more": False}])
    assert repr(found) == repr(rows)


async def test_a_record_that_is_not_taken_goes_the_drivers_way() -> None:
    stream = b"".join(framed(packed(RECORD, [number]), 100) for number in range(5))
    found: list[Any] = []

    def two(values: Sequence[Any], carried: int) -> bool:
        found.extend(values)
        return len(found) < 3

    reading = reader(stream)
    reading.taking(two, largest=100)
    assert await reading.pop({}) == (RECORD, [[2]])
    reading.release()
    assert await reading.pop({}) == (RECORD, [[3]])
    assert found == [0, 1, 2]


async def test_a_record_that_is_too_large_is_given_up_before_it_has_arrived() -> None:
    stream = framed(packed(RECORD, ["x" * 1_000_000]), 16_384)
    inbox = Inbox(cut(stream, 1))
    reading = RecordReader(inbox)
    reading.taking(lambda values, carried: True, largest=100_000)
    with pytest.raises(RecordTooLarge):
        await reading.pop({})
    assert sum(map(len, inbox._socket.pieces)) > 800_000


async def test_a_connection_that_is_closed_is_the_drivers_to_explain() -> None:
    with pytest.raises(OSError, match="closed"):
        await reader(framed(packed(RECORD, [1]), 100)[:-1]).pop({})


async def test_this_driver_lets_its_records_be_read_so(settings: Settings) -> None:
    assert settings.neo4j_uri is not None
    assert settings.neo4j_password is not None
    auth = (settings.neo4j_username, settings.neo4j_password.get_secret_value())
    async with (
        neo4j.AsyncGraphDatabase.driver(settings.neo4j_uri, auth=auth, telemetry_disabled=True) as driver,
        driver.session() as session,
    ):
        result = await session.run("RETURN 1 AS one")
        first = record_reader(result)
        assert first is not None
        assert [record.values() async for record in result] == [[1]]
        assert record_reader(await session.run("RETURN 2")) is first


def test_a_driver_that_hides_how_it_reads_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert record_reader(object()) is None
    assert "hides how it reads records" in caplog.text


async def test_a_row_far_beyond_the_limit_is_cut_and_the_next_read_goes_on(graph: Database) -> None:
    limits = Limits(rows=10, bytes=4096)
    wide = await graph.read("RETURN range(1, 5000000) AS r", {}, limits=limits, deadline=Deadline.after(30))
    assert (wide.rows, wide.cut_by, wide.columns) == ([], "bytes", ["r"])
    mixed = "UNWIND [1, 2, 3000000, 4] AS n RETURN range(1, n) AS r"
    some = await graph.read(mixed, {}, limits=limits, deadline=Deadline.after(30))
    assert (some.rows, some.cut_by) == ([[[1]], [[1, 2]]], "bytes")
    small = await graph.read("RETURN 1", {}, limits=limits, deadline=Deadline.after(30))
    assert small.rows == [[1]]


async def test_a_write_whose_row_is_far_too_wide_changes_nothing(scratch_settings: Settings) -> None:
    database = Database(scratch_settings)
    limits = Limits(rows=10, bytes=4096)
    with pytest.raises(StatementError, match="nothing was changed"):
        await database.write(
            "CREATE (:TooWide) RETURN range(1, 3000000) AS r", {}, limits=limits, deadline=Deadline.after(30)
        )
    count = await database.read("MATCH (n:TooWide) RETURN count(n)", {}, limits=limits, deadline=Deadline.after(30))
    assert count.rows == [[0]]
    await database.close()
