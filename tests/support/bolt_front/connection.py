"""One client's connection: its logins are judged here, all else is handed on to the database behind, and back."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

from tests.support.bolt_front.messages import (
    FAILURE,
    GOODBYE,
    INVALID,
    LOGOFF,
    LOGON,
    NOOP,
    RECORD,
    RESET,
    SUCCESS,
    TOKEN_EXPIRED,
    UNAUTHORIZED,
    BadMessage,
    Message,
    failure,
    fields_of,
    handshake,
    ignored,
    logon,
    read_message,
)
from tests.support.bolt_front.rules import Backend, FrontRules, LetIn, Logins, PassedOn, Refused, judge, scheme_of

__all__ = ["FrontConnection"]

_HANDSHAKE_SECONDS = 10.0
_LONGEST_BEFORE_LOGIN = 65_536

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FrontConnection:
    """Serves one client until one side goes away.

    A client does not wait for one answer before it sends the next message. So what this door answers itself is sent
    only when the database has answered everything that came before, and nothing is handed on behind a login before
    there is a verdict.

    Refusals are those of Neo4j Community 2026.09, measured: one FAILURE, then the end of the connection, with no answer
    to what came behind; LOGON or LOGOFF after a failure is such a refusal, too. That after TokenExpired a connection
    lives on, as after the failure of a statement, and its words are assumed: Enterprise was not at hand. A client that
    never logs in is cut off by the database behind.
    """

    def __init__(self, client: Stream, rules: FrontRules, backend: Backend, logins: Logins) -> None:
        self._client = client
        self._rules = rules
        self._backend = backend
        self._logins = logins
        self._version = (0, 0)
        self._unanswered: deque[Callable[[int], None] | None] = deque()
        self._settled = asyncio.Event()
        self._settled.set()
        self._login: LetIn | PassedOn | None = None
        self._failed_here = False
        self._failed_behind = False

    async def serve(self) -> None:
        """Ends without an error whatever the client or the database sends."""
        opened: Stream | None = None
        try:
            async with asyncio.timeout(_HANDSHAKE_SECONDS):
                opened = await asyncio.open_connection(self._backend.host, self._backend.port)
                self._version = await handshake(self._client, opened)
            await self._relay(opened)
        except (BadMessage, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for stream in (self._client, opened):
                if stream is not None:
                    stream[1].close()

    async def _relay(self, backend: Stream) -> None:
        """Hand on and back until one of the two ends."""
        both = [asyncio.ensure_future(way) for way in (self._hand_on(backend[1]), self._hand_back(backend[0]))]
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in both:
                way.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        for way in done:
            way.result()

    async def _hand_on(self, backend: asyncio.StreamWriter) -> None:
        while True:
            limit = _LONGEST_BEFORE_LOGIN if self._login is None else None
            message = await read_message(self._client[0], limit=limit)
            if message.signature in (GOODBYE, NOOP):
                backend.write(message.raw)
            elif message.signature == RESET:
                self._failed_here = False
                await self._send(backend, message.raw, self._reset)
            elif message.signature in (LOGON, LOGOFF):
                if not await self._change_login(message, backend):
                    return
            elif self._failed_here:
                await self._answer(ignored())
            elif self._login is not None and time.time() >= self._login.expires_at:
                await self._tell_expired()
            else:
                await self._send(backend, message.raw)

    async def _change_login(self, message: Message, backend: asyncio.StreamWriter) -> bool:
        """Answer a LOGON or LOGOFF; whether the connection lives on."""
        await self._settled.wait()
        if self._failed_here or self._failed_behind:
            name = "LogonMessage" if message.signature == LOGON else "LogoffMessage"
            text = f"Message of type {name} cannot be handled by a session in the FAILED state."
            await self._answer(failure(INVALID, text, self._version))
            return False
        if message.signature == LOGOFF:
            await self._send(backend, message.raw, self._logged_off)
        else:
            fields = fields_of(message)
            if len(fields) != 1 or not isinstance(fields[0], Mapping):
                raise BadMessage("no login")
            verdict = await judge(fields[0], self._rules, self._backend)
            scheme = scheme_of(fields[0], self._rules)
            if isinstance(verdict, Refused):
                self._logins.count(scheme, None)
                await self._answer(failure(UNAUTHORIZED, verdict.text, self._version))
                return False
            raw = message.raw
            if isinstance(verdict, LetIn):
                raw = logon(verdict.username, verdict.password.get_secret_value())
            await self._send(backend, raw, partial(self._logged_on, scheme, verdict))
        await self._settled.wait()
        return True

    def _logged_on(self, scheme: str, verdict: LetIn | PassedOn, answer: int) -> None:
        if answer == SUCCESS:
            self._login = verdict
        self._logins.count(scheme, verdict if answer == SUCCESS else None)

    def _logged_off(self, answer: int) -> None:
        if answer == SUCCESS:
            self._login = None

    def _reset(self, answer: int) -> None:
        if answer == SUCCESS:
            self._failed_behind = False

    async def _tell_expired(self) -> None:
        await self._settled.wait()
        if self._failed_behind:
            await self._answer(ignored())
        else:
            self._failed_here = True
            await self._answer(failure(TOKEN_EXPIRED, "The auth provider token has expired", self._version))

    async def _send(
        self, backend: asyncio.StreamWriter, raw: bytes, answered: Callable[[int], None] | None = None
    ) -> None:
        """Hand ``raw`` on; ``answered`` is called with the signature of the answer before the client gets that."""
        self._unanswered.append(answered)
        self._settled.clear()
        backend.write(raw)
        await backend.drain()

    async def _answer(self, raw: bytes) -> None:
        """Tell the client; whoever calls this has seen to it that nothing is unanswered."""
        self._client[1].write(raw)
        await self._client[1].drain()

    async def _hand_back(self, backend: asyncio.StreamReader) -> None:
        while True:
            message = await read_message(backend)
            if message.signature not in (RECORD, NOOP):
                self._note(message.signature)
            self._client[1].write(message.raw)
            await self._client[1].drain()

    def _note(self, answer: int) -> None:
        """The oldest of the messages that were handed on gets ``answer``."""
        if answer == FAILURE:
            self._failed_behind = True
        answered = self._unanswered.popleft() if self._unanswered else None
        if answered is not None:
            answered(answer)
        if not self._unanswered:
            # Whoever waits for this runs only after the answer was written.
            self._settled.set()
