"""``keys create``, ``keys list``, ``keys revoke``: the key ring as a file on this machine.

These commands print on stdout the key that was made, once, or a table without secrets; sentences for people go to
stderr. The file is replaced as a whole, under a lock: so two commands at once lose nothing, and a reader never
sees half of it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from cli.output import say
from cli.settings import CommandLineSettings
from core.errors import LocalError
from core.identity.api_keys import new_key
from core.identity.key_ring import ApiKey, KeyRing, parse_key_ring, render_key_ring
from local.files import write_atomically
from local.locks import FileLock, LockMode

__all__ = ["create_key", "duration", "list_keys", "matching", "own_ring", "read_ring", "revoke_key", "ring_file"]

_SECONDS_FOR_THE_LOCK = 10.0

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_LONGEST = timedelta(days=3650)


def duration(text: str) -> timedelta | None:
    """A duration such as ``90d`` or ``12h``; None for ``never``. Raises ``ArgumentTypeError``."""
    if text == "never":
        return None
    parts = re.fullmatch(r"([1-9][0-9]{0,6})([mhdw])", text)
    if parts is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration: write a number and m, h, d or w, such as 90d, or never"
        )
    span = timedelta(**{_UNITS[parts[2]]: int(parts[1])})
    if span > _LONGEST:
        raise argparse.ArgumentTypeError(f"{text} is more than ten years: if you mean that, write never")
    return span


def matching(pattern: str, what: str) -> Callable[[str], str]:
    """A check that a text is ``what``, by ``pattern``. It raises ``ArgumentTypeError``, which quotes nothing."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise argparse.ArgumentTypeError(f"this cannot be {what}: it takes letters, digits and . _ @ : / -")
        return text

    return check


def ring_file(given: str | None, settings: CommandLineSettings) -> Path:
    """The file of the key ring: the given one, or the setting's, or the user's own, whose directory is created.

    Raises:
        LocalError: The directory for it does not exist.
    """
    if given:
        path = Path(given).expanduser().absolute()
    elif settings.keys_file is not None:
        path = settings.keys_file
    else:
        path = own_ring()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LocalError(f"The directory {path.parent} cannot be made: {error.strerror}.") from None
    if not path.parent.is_dir():
        raise LocalError(f"There is no directory {path.parent} for the key ring. Create it first.")
    return path.resolve()


def own_ring() -> Path:
    """Where the key ring of this machine's user is, if no other is named. It need not exist."""
    import platformdirs

    return platformdirs.user_data_path("neo4j-m2m") / "keys.json"


def create_key(
    path: Path,
    *,
    name: str,
    expires: timedelta | None,
    roles: list[str],
    tenant: str,
    as_json: bool,
) -> None:
    """Add a key to the ring at ``path``, which is created if necessary, and print it on stdout.

    Raises:
        LocalError: The ring cannot be read or written, or the key could not be printed.
        KeyRingError: The ring does not parse.
    """
    made = new_key()
    now = datetime.now(UTC).replace(microsecond=0)
    entry = ApiKey(
        id=made.id,
        name=name,
        hash=made.hash,
        created=now,
        expires=None if expires is None else now + expires,
        roles=tuple(dict.fromkeys(roles)),
        tenant=tenant,
    )
    with _locked(path):
        ring = read_ring(path) if path.exists() else KeyRing(keys=())
        namesakes = sum(key.name == name and key.state(time.time()) == "valid" for key in ring.keys)
        _write(path, KeyRing(keys=(*ring.keys, entry)))
    _print_once(_as_json(entry, made.text) if as_json else made.text.get_secret_value(), entry.id)
    say(f"Key {entry.id} proves {name}{_until(entry)}. It is shown only now: only its hash is in {path}.")
    if namesakes:
        say(f"{namesakes} other valid key(s) prove {name} too. Revoke them once nobody uses them.")


def list_keys(path: Path) -> None:
    """Print a table of the ring at ``path`` on stdout. Raises as `read_ring`."""
    ring = read_ring(path)
    now = time.time()
    rows = [("ID", "NAME", "CREATED", "EXPIRES", "STATE", "ROLES", "TENANT")]
    rows += [
        (
            key.id,
            key.name,
            _day(key.created),
            _day(key.expires) if key.expires else "never",
            key.state(now),
            ",".join(key.roles) or "-",
            key.tenant or "-",
        )
        for key in ring.keys
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    say(f"{len(ring.keys)} key(s) in {path}")


def revoke_key(path: Path, *, key_id: str) -> None:
    """Mark a key of the ring at ``path`` as revoked. A second time changes nothing.

    Raises:
        LocalError: The ring cannot be read or written, or has no such key.
        KeyRingError: The ring does not parse.
    """
    if not path.exists():
        raise _no_ring(path)
    with _locked(path):
        ring = read_ring(path)
        key = next((key for key in ring.keys if key.id == key_id), None)
        if key is None:
            raise LocalError(
                f"No key in {path} has that id. `neo4j-m2m keys list` shows the ids; in a key, it is the middle part."
            )
        if key.revoked is not None:
            say(f"Key {key.id} of {key.name} was already revoked, at {_day(key.revoked)}.")
            return
        revoked = key.model_copy(update={"revoked": datetime.now(UTC).replace(microsecond=0)})
        _write(path, KeyRing(keys=tuple(revoked if other is key else other for other in ring.keys)))
    say(f"Key {key.id} of {key.name} is revoked. A server that reads {path} refuses it within a minute.")


def read_ring(path: Path) -> KeyRing:
    """The ring at ``path``.

    Raises:
        LocalError: It does not exist, cannot be read, or users other than its owner may read or write it.
        KeyRingError: It does not parse.
    """
    try:
        with path.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid():
                raise LocalError(f"The key ring {path} belongs to another user.")
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise LocalError(f"The key ring {path} can be read or written by others: chmod 600 it first.")
            text = file.read()
    except FileNotFoundError:
        raise _no_ring(path) from None
    except UnicodeDecodeError:
        raise LocalError(f"The key ring {path} is not text.") from None
    except OSError as error:
        raise LocalError(f"The key ring {path} cannot be read: {error.strerror}.") from None
    return parse_key_ring(text, str(path))


def _no_ring(path: Path) -> LocalError:
    return LocalError(f"There is no key ring {path}. `neo4j-m2m keys create` makes one.")


def _write(path: Path, ring: KeyRing) -> None:
    try:
        write_atomically(path, render_key_ring(ring))
    except OSError as error:
        raise LocalError(f"The key ring {path} cannot be written: {error.strerror}.") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of the ring at ``path``: a file beside it, since the ring itself is replaced."""
    try:
        lock = FileLock(path.with_name(f".{path.name}.lock"))
    except OSError as error:
        raise LocalError(f"The key ring {path} cannot be locked: {error.strerror}.") from None
    with lock:
        if not lock.acquire(LockMode.EXCLUSIVE, timeout=_SECONDS_FOR_THE_LOCK):
            raise LocalError(f"Another command has locked the key ring {path} for too long. Try again.")
        yield


def _print_once(text: str, key_id: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        # The unwritten text stays in the buffer, and the interpreter would try to write it again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise LocalError(
            f"The key was made but could not be printed: {error.strerror}. Revoke it: neo4j-m2m keys revoke {key_id}"
        ) from None


def _as_json(entry: ApiKey, text: SecretStr) -> str:
    expires = None if entry.expires is None else _day(entry.expires)
    return json.dumps({"id": entry.id, "name": entry.name, "key": text.get_secret_value(), "expires": expires})


def _until(entry: ApiKey) -> str:
    return " and never expires" if entry.expires is None else f" until {_day(entry.expires)}"


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
