"""Bolt's messages on the wire: the handshake, the chunks, and the few messages that concern a login.

Source: https://neo4j.com/docs/bolt/current/bolt/ (handshake, message encoding) and …/message/ .
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from neo4j._codec.packstream.v1 import PackableBuffer, Packer, UnpackableBuffer, Unpacker

__all__ = [
    "FAILURE",
    "GOODBYE",
    "HELLO",
    "IGNORED",
    "INVALID",
    "LOGOFF",
    "LOGON",
    "NOOP",
    "OLDEST",
    "RECORD",
    "RESET",
    "SUCCESS",
    "TOKEN_EXPIRED",
    "UNAUTHORIZED",
    "BadMessage",
    "Message",
    "failure",
    "fields_of",
    "handshake",
    "ignored",
    "logon",
    "read_message",
]

HELLO, GOODBYE, RESET, LOGON, LOGOFF = 0x01, 0x02, 0x0F, 0x6A, 0x6B
SUCCESS, RECORD, IGNORED, FAILURE = 0x70, 0x71, 0x7E, 0x7F
NOOP = -1
"""No message, but two zero bytes that show that a connection lives."""

OLDEST = (5, 1)
"""Logins are messages of their own since Bolt 5.1."""

INVALID = "Neo.ClientError.Request.Invalid"
UNAUTHORIZED = "Neo.ClientError.Security.Unauthorized"
TOKEN_EXPIRED = "Neo.ClientError.Security.TokenExpired"

_STATUS = {
    INVALID: ("08N06", "error: connection exception - protocol error. General network protocol error."),
    UNAUTHORIZED: (
        "42NFF",
        "error: syntax error or access rule violation - permission/access denied. Access denied, see the security logs "
        "for details.",
    ),
    TOKEN_EXPIRED: (
        "42NFE",
        "error: syntax error or access rule violation - auth info expired. Authentication and/or authorization info "
        "expired.",
    ),
}
"""The GQL status of each failure: https://neo4j.com/docs/status-codes/current/errors/gql-errors/ ."""

_MAGIC = b"\x60\x60\xb0\x17"
_MANIFEST = b"\x00\x00\x01\xff"
_LONGEST_VARINT = 10
_LONGEST_CHUNK = 0xFFFF


class BadMessage(Exception):
    """What came is not Bolt, or is more than is taken."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its signature, and all of its bytes as they came, chunk headers included."""

    signature: int
    raw: bytes


async def handshake(
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    backend: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> tuple[int, int]:
    """Let the two agree on a version of Bolt; returns it as (major, minor), `OLDEST` or newer.

    If a client knows only older ones, the answer is the same as from any server, no common version: four zero bytes.

    Raises:
        BadMessage: They do not agree, or the client speaks something else.
        asyncio.IncompleteReadError: One of them went away.
    """
    offer = await client[0].readexactly(20)
    if offer[:4] != _MAGIC:
        raise BadMessage("no Bolt")
    await _send(backend[1], offer)
    answer = await backend[0].readexactly(4)
    if answer != _MANIFEST:
        version = answer[3], answer[2]
        await _send(client[1], answer if version >= OLDEST else bytes(4))
        return _new_enough(version)
    count, raw = await _varint(backend[0])
    manifest = answer + raw + await backend[0].readexactly(4 * count)
    await _send(client[1], manifest + (await _varint(backend[0]))[1])
    choice = await client[0].readexactly(4)
    await _send(backend[1], choice + (await _varint(client[0]))[1])
    return _new_enough((choice[3], choice[2]))


def _new_enough(version: tuple[int, int]) -> tuple[int, int]:
    if version < OLDEST:
        raise BadMessage("no version in common")
    return version


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _varint(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    value, raw = 0, b""
    while len(raw) < _LONGEST_VARINT:
        byte = await reader.readexactly(1)
        value |= (byte[0] & 0x7F) << (7 * len(raw))
        raw += byte
        if not byte[0] & 0x80:
            return value, raw
    raise BadMessage("no number")


async def read_message(reader: asyncio.StreamReader, *, limit: int | None = None) -> Message:
    """The next message, or `NOOP`.

    ``limit`` is in bytes of the message itself, without the headers of its chunks.

    Raises:
        BadMessage: It is not a structure, or is longer than ``limit``.
        asyncio.IncompleteReadError: The other side went away.
    """
    raw, first, size = bytearray(), b"", 0
    while length := int.from_bytes(head := await reader.readexactly(2), "big"):
        size += length
        if limit is not None and size > limit:
            raise BadMessage("too long")
        chunk = await reader.readexactly(length)
        if len(first) < 2:  # the first chunk may be shorter than what tells a message
            first += chunk[: 2 - len(first)]
        raw += head
        raw += chunk
    raw += head
    if not size:
        return Message(NOOP, bytes(raw))
    if len(first) < 2 or first[0] >> 4 != 0xB:
        raise BadMessage("no message")
    return Message(first[1], bytes(raw))


def fields_of(message: Message) -> list[Any]:
    """The fields of ``message``.

    Raises:
        BadMessage: They cannot be read.
    """
    data, at = bytearray(), 0
    while length := int.from_bytes(message.raw[at : at + 2], "big"):
        data += message.raw[at + 2 : at + 2 + length]
        at += 2 + length
    try:
        unpacker = Unpacker(UnpackableBuffer(bytes(data)))
        size, _ = unpacker.unpack_structure_header()
        return [unpacker.unpack() for _ in range(size)]
    except Exception:
        raise BadMessage("no message") from None


def _message(signature: int, *fields: Any) -> bytes:
    buffer = PackableBuffer()
    Packer(buffer).pack_struct(bytes([signature]), fields)
    data = bytes(buffer.data)
    chunks = (data[at : at + _LONGEST_CHUNK] for at in range(0, len(data), _LONGEST_CHUNK))
    return b"".join(len(chunk).to_bytes(2, "big") + chunk for chunk in chunks) + b"\x00\x00"


def logon(username: str, password: str) -> bytes:
    """A LOGON by user name and password."""
    return _message(LOGON, {"scheme": "basic", "principal": username, "credentials": password})


def ignored() -> bytes:
    """The answer to a message that comes after a failure."""
    return _message(IGNORED)


def failure(code: str, text: str, version: tuple[int, int]) -> bytes:
    """The answer to a message that is refused; since Bolt 5.7 it has a GQL status, too."""
    if version < (5, 7):
        return _message(FAILURE, {"code": code, "message": text})
    gql_status, description = _STATUS[code]
    return _message(
        FAILURE,
        {
            "neo4j_code": code,
            "message": text,
            "gql_status": gql_status,
            "description": description,
            "diagnostic_record": {"_classification": "CLIENT_ERROR"},
        },
    )
