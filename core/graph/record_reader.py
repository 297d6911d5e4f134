"""Reads the records of a result in large pieces, each record within a limit, and never long at a time.

The driver (6.4) waits on the event loop twice for each record, reads a record of any size whole, and decodes it while
every other call of this process waits. It has no public way to read otherwise, so this module takes the place of a
connection's inbox: private names, in one function. Where a later driver does not have them, records go the driver's
way again, and a test of this project says so.

Source of the framing: https://neo4j.com/docs/bolt/current/bolt/message/#_chunking (a message is one or more chunks,
each after its length in two bytes, and ends with an empty chunk; an empty chunk between messages says nothing).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from neo4j.exceptions import DriverError

__all__ = ["MessageTooLarge", "RecordReader", "RecordTooLarge", "record_reader"]

logger = logging.getLogger(__name__)

_RECORD = b"\x71"
"""The tag of a record; source: https://neo4j.com/docs/bolt/current/bolt/message/#messages-record ."""

_PIECE = 32 * 1024
"""Bytes that are read at once. One piece is decoded in some ten milliseconds; then other calls have their turn."""

_LONG_PIECE = 2 * 1024
"""Other calls have their turn before a piece of so many bytes is decoded; a shorter one takes under a millisecond."""

_DECODED_ASIDE = 32 * 1024
"""Bytes from which on a message is decoded in a thread, so that other calls go on meanwhile."""

_LONGEST_ERROR = 16 * 1024 * 1024
"""Bytes of an error: the database quotes values in it, several times over."""

Take = Callable[[Sequence[Any], int], bool]
"""Takes the values of one record, and how many bytes carried it.

False leaves the record to the driver, which ends the reading.
"""


class RecordTooLarge(DriverError):
    """A record has more bytes than it may have. It was not read, and its connection cannot be used again."""


class MessageTooLarge(DriverError):
    """An answer other than a record, most likely an error, has more bytes than are read. As for `RecordTooLarge`."""


class RecordReader:
    """Stands in place of the inbox of one connection. Between `taking` and `release` it takes records itself."""

    def __init__(self, inbox: Any) -> None:
        self._socket = inbox._socket
        self._buffer = inbox._buffer
        self._unpacker = inbox._unpacker
        self._failed = inbox.on_error
        self._arrived = bytearray()
        self._at = 0
        self._given_up = False
        self._take: Take | None = None
        self._largest: int | None = None

    def taking(self, take: Take, *, largest: int) -> None:
        """Give the values of records to ``take`` from now on; a message has at most ``largest`` bytes."""
        self._take, self._largest = take, largest

    def release(self) -> None:
        """Leave records to the driver again, of any size."""
        self._take = self._largest = None

    async def pop(self, hydration_hooks: Any) -> tuple[bytes, list[Any]]:
        """The next message that is not a record which was taken: its tag and its fields. As the driver's inbox.

        Raises:
            RecordTooLarge, MessageTooLarge: It has more bytes than it may have.
        """
        while True:
            message = await self._message()
            if len(message) < _DECODED_ASIDE:
                tag, fields, taken = self._decoded(message, hydration_hooks)
            else:
                tag, fields, taken = await asyncio.to_thread(self._decoded, message, hydration_hooks)
            if not taken:
                return tag, fields

    def _decoded(self, message: bytes, hydration_hooks: Any) -> tuple[bytes, list[Any], bool]:
        buffer, unpacker = self._buffer, self._unpacker
        buffer.data, buffer.used, buffer.p = bytearray(message), len(message), 0
        try:
            size, tag = unpacker.unpack_structure_header()
            fields = [unpacker.unpack(hydration_hooks) for _ in range(size)]
        finally:
            unpacker.reset()
        # What the driver could not read is not a list of values: it says so itself.
        if self._take is None or tag != _RECORD or type(fields[0]) is not list:
            return tag, fields, False
        return tag, fields, self._take(fields[0], len(message))

    async def _message(self) -> bytes:
        """The bytes of the next message, its chunks joined."""
        if self._given_up:
            await self._failed(OSError("a record was not read to its end"))
        whole = bytearray()
        while True:
            size = int.from_bytes(await self._next(2))
            if size:
                whole += await self._next(size)
                if self._largest is not None and len(whole) > self._most(whole):
                    self._given_up = True
                    if whole[1:2] == _RECORD:
                        raise RecordTooLarge("a record exceeds the limit of an answer")
                    raise MessageTooLarge("an error exceeds the limit of an error")
            elif whole:
                return bytes(whole)

    def _most(self, message: bytearray) -> int:
        """How many bytes ``message``, which is arriving, may have: an error may quote more than a record may hold."""
        largest = self._largest or 0
        return largest if message[1:2] == _RECORD else max(largest, _LONGEST_ERROR)

    async def _next(self, size: int) -> bytearray:
        while len(self._arrived) - self._at < size:
            await self._receive()
        start, self._at = self._at, self._at + size
        return self._arrived[start : self._at]

    async def _receive(self) -> None:
        del self._arrived[: self._at]
        self._at = 0
        try:
            piece = await self._socket.recv(_PIECE)
        except (OSError, RuntimeError, asyncio.CancelledError) as error:
            # The driver closes the connection, and says in its own words what that means.
            await self._failed(error)
            raise
        if not piece:
            await self._failed(OSError("the connection was closed"))
        self._arrived += piece
        if len(piece) >= _LONG_PIECE:
            await asyncio.sleep(0)


def record_reader(result: object) -> RecordReader | None:
    """The reader of the connection that ``result`` (a driver's result, no record of it read yet) comes from.

    None where this driver does not let it be replaced.
    """
    connection: Any = getattr(result, "_connection", None)
    inbox = getattr(connection, "inbox", None)
    if isinstance(inbox, RecordReader):
        return inbox
    if not all(hasattr(inbox, name) for name in ("_socket", "_buffer", "_unpacker", "on_error", "pop")):
        logger.error("this driver hides how it reads records: long answers take longer, and their limits hold later")
        return None
    reader = connection.inbox = RecordReader(inbox)
    return reader
