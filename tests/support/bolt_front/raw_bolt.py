"""Bolt by hand: what no driver would send, and answers as they come."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Self

from neo4j._codec.packstream.v1 import PackableBuffer, Packer, UnpackableBuffer, Unpacker

__all__ = ["HELLO", "LOGOFF", "PULL", "RESET", "RawBolt", "logon", "message", "run"]

_NAMES = {0x70: "SUCCESS", 0x71: "RECORD", 0x7E: "IGNORED", 0x7F: "FAILURE"}

Answer = tuple[str, Any]


def message(signature: int, *fields: Any) -> bytes:
    """One message in chunks of the greatest length."""
    buffer = PackableBuffer()
    Packer(buffer).pack_struct(bytes([signature]), fields)
    data = bytes(buffer.data)
    chunks = [data[at : at + 0xFFFF] for at in range(0, len(data), 0xFFFF)]
    return b"".join(len(chunk).to_bytes(2, "big") + chunk for chunk in chunks) + b"\x00\x00"


def logon(**token: Any) -> bytes:
    return message(0x6A, token)


def run(statement: str) -> bytes:
    return message(0x10, statement, {}, {})


HELLO = message(0x01, {"user_agent": "test/1", "bolt_agent": {"product": "test/1"}})
LOGOFF, RESET, PULL = message(0x6B), message(0x0F), message(0x3F, {"n": -1})


class RawBolt:
    """A connection to ``port`` that has offered one version of Bolt; ``answer`` is the one that the server chose."""

    def __init__(self, port: int, version: tuple[int, int] = (5, 8)) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.send(b"\x60\x60\xb0\x17", bytes([0, 0, version[1], version[0]]), bytes(12))
        try:
            self.answer = self._exactly(4)
        except (EOFError, OSError):
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *parts: bytes) -> None:
        """All at once, so that nothing waits for an answer."""
        self._socket.sendall(b"".join(parts))

    def read(self, count: int) -> list[Answer]:
        return [self._read() for _ in range(count)]

    def read_to_end(self) -> list[Answer]:
        """All answers until the server closes the connection."""
        return list(self._answers())

    def raw(self, size: int) -> bytes:
        return self._exactly(size)

    def _answers(self) -> Iterator[Answer]:
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                yield self._read()

    def _read(self) -> Answer:
        data = b""
        while (length := int.from_bytes(self._exactly(2), "big")) or not data:
            data += self._exactly(length)
        unpacker = Unpacker(UnpackableBuffer(data))
        size, tag = unpacker.unpack_structure_header()
        fields = [unpacker.unpack() for _ in range(size)]
        return _NAMES[tag[0] if isinstance(tag, bytes) else tag], fields[0] if fields else None

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data
