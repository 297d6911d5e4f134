"""Rotation of a database credential in four steps: create, set, test, finish. Each may be repeated after a crash.

*Two users in turn*: two database users with the same rights take turns. The idle one gets a new password, logs in with
it, and is published; the former stays as it is until the next turn, so that no caller is refused at any moment. The
two are called NAME and NAME_alternate.

*Single user*: the user that is in use gets a new password, which is then published. In between, a server that has to
log in waits for the secret, within its caller's time.

A step reads the store and the database again, so that each can run in a process of its own, as AWS has it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from core.credentials.credential import PasswordLogin
from core.credentials.database_users import (
    DatabaseUser,
    DatabaseUsers,
    UserRefused,
    change_own_password,
    database_users,
    log_in,
    members,
)
from core.credentials.rotated_secret import RotatedSecret
from core.credentials.rotation_errors import RotationInterrupted, RotationRefused, RotationUnderWay
from core.credentials.rotation_turn import Administrator, AdministratorLogin, RotationMode, RotationTurns, Turn
from core.deadline import Deadline

__all__ = ["NO_ROLES", "Rotation", "RotationReport"]

logger = logging.getLogger(__name__)

NO_ROLES = (
    "This database has no roles: every user may do everything there, and only the server's guard and READ access keep "
    "a caller from writing."
)

_RUN_SECONDS = 100.0
"""For all four steps together: less than the lease of `core.credentials.rotated_secret.PairedSecrets`."""

_REFUSED_PAUSES = (1.0, 6.0)
"""Seconds between logins of a user whose new password a member of a cluster may not know yet.

Three wrong logins in a row lock a user out for five seconds, so that the third comes when that would be over.
"""

_LOCKED_PAUSE = 0.5
_LOCKED_SECONDS = 45.0
"""How often, and for how long, a user who is locked out is tried.

Each server that tries the former password locks the user out again when the lockout is over, and learns thereby that it
is the former. A try with the right password does not prolong the lockout, and succeeds in the gap.
"""


@dataclass(frozen=True)
class RotationReport:
    """What a rotation did, or would do where ``done`` is False. Nothing in it is secret.

    ``resumed`` if an earlier rotation had begun it. ``notes`` are sentences for the operator: what this database does
    not let a rotation do.
    """

    secret: str
    mode: RotationMode
    former_user: str
    user: str
    done: bool
    resumed: bool
    edition: str
    notes: tuple[str, ...] = ()


class Rotation:
    """The rotation of one secret.

    ``administrator`` may be None in single-user mode: every user may change their own password. ``settle`` is for how
    many seconds after a turn the next is refused: by then every server has read the secret, and nobody logs in as the
    former user any more. Every method raises:

        RotationRefused: An operator has to look at something; the text says at what.
        RotationUnderWay: Another rotation of the same secret runs.
        RotationInterrupted: The database does not answer, or takes no changes.
        SecretError: The store does not answer, or refuses.
    """

    def __init__(
        self,
        secret: RotatedSecret,
        administrator: Administrator | None,
        *,
        mode: RotationMode = "two_users",
        settle: float = 0.0,
        refused_pauses: tuple[float, ...] = _REFUSED_PAUSES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if administrator is None and mode == "two_users":
            raise RotationRefused(
                "Two users in turn need an administrator, who sets the idle one's password: name the secret with the "
                "administrator's credential, or rotate a single user."
            )
        self._secret = secret
        self._mode: RotationMode = mode
        self._pauses = refused_pauses
        self._turns = RotationTurns(secret, administrator, mode=mode, settle=settle, clock=clock)
        self._text: SecretStr | None = None
        self._resumed = False

    async def run(self) -> RotationReport:
        """All four steps; what an earlier rotation left behind is finished."""
        try:
            async with asyncio.timeout(_RUN_SECONDS):
                resumed = await self.create()
                turn = await self._begun()
                edition, notes = await self.set()
                await self.test()
                await self.finish()
        except TimeoutError:
            raise RotationInterrupted(
                f"The rotation of {self._secret.name} took longer than {_RUN_SECONDS:g} seconds. Rotate again later: "
                "that finishes what was begun."
            ) from None
        return self._report(turn, done=True, resumed=resumed, edition=edition, notes=notes)

    async def plan(self) -> RotationReport:
        """What `run` would do. Nothing is changed."""
        proposed = await self._turns.proposed()
        turn = proposed or await self._turns.following()
        await self._prove(turn)
        edition, notes = "unknown", []
        if turn.administrator is not None:
            async with database_users(turn.administrator.uri, turn.administrator.login) as users:
                edition = await users.edition()
                former = await users.find(turn.former.username)
                self._compare(turn, former, await users.find(turn.candidate.username))
                notes = [NO_ROLES] if former is None or former.roles is None else []
        return self._report(turn, done=False, resumed=proposed is not None, edition=edition, notes=tuple(notes))

    async def create(self) -> bool:
        """Write the candidate down, unless there is one already; True if there was."""
        proposed = await self._turns.proposed()
        if proposed is not None:
            self._text, self._resumed = proposed.text, True
            return True
        turn = await self._turns.following()
        await self._secret.propose(turn.text)
        self._text = turn.text
        logger.info("rotation of %s: the next user is %s", self._secret.name, turn.candidate.username)
        return False

    async def _begun(self) -> Turn:
        """The turn that was begun: always the one that this instance has met first.

        While this process stood still another rotation may have proposed a candidate that nobody has tested yet.
        """
        turn = await self._turns.begun()
        if self._text is not None and turn.text != self._text:
            raise RotationUnderWay(
                f"Another rotation of {self._secret.name} has taken over; this one gives way, and published nothing."
            )
        self._text = turn.text
        return turn

    async def set(self) -> tuple[str, tuple[str, ...]]:
        """Give the candidate its password in the database. Returns the edition, and notes for the operator."""
        turn = await self._begun()
        if turn.administrator is None:
            await self._set_own(turn)
            return "unknown", ()
        await self._prove(turn)
        async with database_users(turn.administrator.uri, turn.administrator.login) as users:
            edition, notes = await self._set_by(users, turn, turn.administrator)
        logger.info("rotation of %s: %s has its new password", self._secret.name, turn.candidate.username)
        return edition, notes

    async def _set_by(
        self, users: DatabaseUsers, turn: Turn, administrator: AdministratorLogin
    ) -> tuple[str, tuple[str, ...]]:
        name = turn.candidate.username
        former = await users.find(turn.former.username)
        self._compare(turn, former, await users.find(name))
        await users.set_password(turn.candidate)
        notes = []
        if former is None or former.roles is None:
            notes.append(NO_ROLES)
        elif self._mode == "two_users":
            for role in sorted(former.roles - {"PUBLIC"}):
                if not await users.execute("GRANT ROLE $role TO $name", role=role, name=name):
                    notes.append(f"The role {role} could not be given to {name}: this database does not allow it.")
            if former.home is not None and not await users.execute(
                "ALTER USER $name SET HOME DATABASE $home", name=name, home=former.home
            ):
                notes.append(f"The home database of {name} could not be set: name the database in the secret.")
        for member in await members(administrator.uri, administrator.login, turn.current.database):
            await users.wait_at(member, administrator.login)
        return await users.edition(), tuple(notes)

    def _compare(self, turn: Turn, former: DatabaseUser | None, there: DatabaseUser | None) -> None:
        """Nobody gets more rights by a rotation than the user in use has."""
        if self._mode == "single_user" or former is None or former.roles is None:
            return
        if turn.administrator is not None and former.name == turn.administrator.login.username:
            raise RotationRefused(
                f"The secret {self._secret.name} holds the administrator's own login, whose rights no second user "
                "should have. Create users with the least rights first: neo4j-m2m bootstrap."
            )
        extra = (there.roles or frozenset()) - former.roles if there is not None else frozenset()
        if there is not None and extra:
            raise RotationRefused(
                f"The user {there.name} has roles that {former.name} does not have ({', '.join(sorted(extra))}), so it "
                "cannot be the second user of that pair. Revoke them, or drop that user."
            )

    async def test(self) -> None:
        """Log in as the candidate, at every server that a driver is sent to."""
        turn = await self._begun()
        uri, login, database = turn.current.uri, turn.candidate, turn.current.database
        await self._log_in(uri, login, database)
        for member in await members(uri, login, database):
            await self._log_in(member, login, database)
        logger.info("rotation of %s: %s can log in", self._secret.name, login.username)

    async def prove(self) -> None:
        """Log in as the user in use."""
        await self._prove(await self._turns.following())

    async def finish(self) -> None:
        """Publish the candidate."""
        turn = await self._begun()
        await self._secret.publish(turn.text)
        logger.info("rotation of %s: servers log in as %s from now on", self._secret.name, turn.candidate.username)

    async def _prove(self, turn: Turn) -> None:
        """That whoever wrote the secret knows the password of the user in it: else it could name anybody.

        A single user has the candidate's password already if an earlier rotation got that far. Then servers may be
        trying the former one now, and three wrong logins in a row lock the user out: so the candidate's comes first if
        an earlier rotation is known to have begun, and there is never a third login.
        """
        logins = [turn.former]
        if self._mode == "single_user":
            logins.insert(0 if self._resumed else 1, turn.candidate)
        for login in logins:
            if await self._lets_in(turn, login):
                return
        raise RotationRefused(
            f"The database refuses the login in the secret {self._secret.name}, so the rotation cannot trust that "
            "secret. Write a login that works into it; then rotate."
        )

    async def _set_own(self, turn: Turn) -> None:
        if self._resumed and await self._lets_in(turn, turn.candidate):
            return
        try:
            await change_own_password(turn.current.uri, turn.former, turn.candidate)
        except UserRefused:
            if self._resumed:
                await asyncio.sleep(sum(self._pauses))  # the next login may be the third wrong one in a row
            await self._log_in(turn.current.uri, turn.candidate, turn.current.database)

    async def _lets_in(self, turn: Turn, login: PasswordLogin) -> bool:
        try:
            await _logged_in(turn.current.uri, login, turn.current.database, Deadline.after(_LOCKED_SECONDS))
        except UserRefused as error:
            if error.locked:
                raise RotationInterrupted(f"{error} Rotate again in some seconds.") from None
            return False
        return True

    async def _log_in(self, uri: str, login: PasswordLogin, database: str | None) -> None:
        until = Deadline.after(_LOCKED_SECONDS)
        for pause in (*self._pauses, None):
            try:
                await _logged_in(uri, login, database, until)
            except UserRefused:
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return
        raise RotationInterrupted(
            f"The database does not let {login.username} in with the new password. Nothing was published. Rotate "
            "again: that sets it again."
        )

    def _report(self, turn: Turn, *, done: bool, resumed: bool, edition: str, notes: tuple[str, ...]) -> RotationReport:
        users = (turn.former.username, turn.candidate.username)
        return RotationReport(self._secret.name, self._mode, *users, done, resumed, edition, notes)


async def _logged_in(uri: str, login: PasswordLogin, database: str | None, until: Deadline) -> None:
    """Log in; again and again ``until`` a time while the database locks the user out, which others cause."""
    while True:
        try:
            return await log_in(uri, login, database=database)
        except UserRefused as error:
            if not error.locked or until.remaining() < _LOCKED_PAUSE:
                raise
        await asyncio.sleep(_LOCKED_PAUSE)
