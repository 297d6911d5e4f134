"""One client's connection: its logins are judged here, all else is handed on to the database behind, and back."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping

from local.bolt_front.messages import (
    FAILURE,
    GOODBYE,
    LOGOFF,
    LOGON,
    RECORD,
    RESET,
    BadMessage,
    Message,
    failure,
    fields_of,
    handshake,
    ignored,
    logon,
    read_message,
)
from local.bolt_front.rules import TOKEN_EXPIRED, UNAUTHORIZED, Backend, FrontRules, LetIn, Logins, Refused, judge

__all__ = ["FrontConnection"]

_HANDSHAKE_SECONDS = 10.0
_LONGEST_BEFORE_LOGIN = 65_536
_OLDEST = (5, 1)
"""Logins are messages of their own since Bolt 5.1."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FrontConnection:
    """Serves one client until one side goes away.

    A client does not wait for one answer before it sends the next message. So what this door answers itself is sent
    only when the database has answered everything that came before.
    """

    def __init__(self, client: Stream, rules: FrontRules, backend: Backend, logins: Logins) -> None:
        self._client = client
        self._rules = rules
        self._backend = backend
        self._logins = logins
        self._version = (0, 0)
        self._unanswered: deque[str] = deque()
        self._settled = asyncio.Event()
        self._settled.set()
        self._login: LetIn | None = None
        self._logged_on = False
        self._failed = False

    async def serve(self) -> None:
        """Never raises: what a client sends cannot hurt anybody else."""
        opened: Stream | None = None
        try:
            async with asyncio.timeout(_HANDSHAKE_SECONDS):
                opened = await asyncio.open_connection(self._backend.host, self._backend.port)
                self._version = await handshake(self._client, opened)
            if self._version >= _OLDEST:
                await self._relay(opened)
        except (BadMessage, OSError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            for stream in (self._client, opened):
                if stream is not None:
                    stream[1].close()

    async def _relay(self, backend: Stream) -> None:
        back = asyncio.ensure_future(self._hand_back(backend))
        try:
            await self._hand_on(backend, back)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)

    async def _hand_on(self, backend: Stream, back: asyncio.Task[None]) -> None:
        while not back.done():
            reading = asyncio.ensure_future(self._read())
            await asyncio.wait({reading, back}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                return
            message = reading.result()
            if message.signature == LOGON:
                if not await self._log_on(message, backend):
                    return
            elif message.signature == RESET:
                self._failed = False
                await self._send(backend, message.raw)
            elif message.signature in (GOODBYE, LOGOFF) and not self._failed:
                await self._send(backend, message.raw, "" if message.signature == GOODBYE else "other")
            elif self._failed:
                await self._answer(ignored())
            elif self._login is not None and time.time() >= self._login.expires_at:
                self._failed = True
                await self._answer(failure(TOKEN_EXPIRED, "Token expired.", self._version))
            else:
                await self._send(backend, message.raw)

    async def _read(self) -> Message:
        return await read_message(self._client[0], limit=None if self._logged_on else _LONGEST_BEFORE_LOGIN)

    async def _log_on(self, message: Message, backend: Stream) -> bool:
        """Answer a LOGON; whether the connection lives on."""
        fields = fields_of(message)
        presented = fields[0] if fields and isinstance(fields[0], Mapping) else {}
        if presented.get("scheme") == "basic" and self._rules.basic:
            self._login, self._logged_on = None, True
            await self._send(backend, message.raw, "basic")
            return True
        verdict = await judge(presented, self._rules, self._backend, self._logins)
        if isinstance(verdict, Refused):
            await self._answer(failure(UNAUTHORIZED, verdict.text, self._version))
            return False
        self._login, self._logged_on = verdict, True
        await self._send(backend, logon(verdict.username, verdict.password.get_secret_value()))
        return True

    async def _send(self, backend: Stream, raw: bytes, what: str = "other") -> None:
        """Hand ``raw`` on; an answer to ``what`` is awaited unless that is empty."""
        if what:
            self._unanswered.append(what)
            self._settled.clear()
        backend[1].write(raw)
        await backend[1].drain()

    async def _answer(self, raw: bytes) -> None:
        await self._settled.wait()
        self._client[1].write(raw)
        await self._client[1].drain()

    async def _hand_back(self, backend: Stream) -> None:
        try:
            while True:
                message = await read_message(backend[0])
                self._client[1].write(message.raw)
                if message.signature != RECORD:
                    self._note(message)
                await self._client[1].drain()
        except (OSError, asyncio.IncompleteReadError, BadMessage):
            self._settled.set()

    def _note(self, message: Message) -> None:
        """The oldest of the messages that were handed on was answered."""
        what = self._unanswered.popleft() if self._unanswered else ""
        if what == "basic":
            with self._logins.lock:
                (self._logins.refused if message.signature == FAILURE else self._logins.accepted)[what] += 1
        if not self._unanswered:
            self._settled.set()
