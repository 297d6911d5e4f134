"""What the logs of a database that did not start say about the reason."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

from local.neo4j.data_directory import ELSEWHERE
from local.neo4j.state import Failure

__all__ = ["LogReader", "diagnose", "rotate", "storage_failure"]

_TAIL_LINES = 15
_TAIL_BYTES = 64_000
_LINE_CHARACTERS = 400
_LARGE_LOG_BYTES = 1_000_000
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LogReader:
    """What is written to a set of log files from now on."""

    def __init__(self, logs: Iterable[Path]) -> None:
        self._offsets = {log: _size(log) for log in logs}

    def text(self) -> str:
        """What was written; only its end if it is long."""
        parts = []
        for log, offset in self._offsets.items():
            size = _size(log)
            start = max(offset if size >= offset else 0, size - _TAIL_BYTES)
            if size > start:
                with log.open("rb") as file:
                    file.seek(start)
                    parts.append(file.read().decode("utf-8", "replace"))
        return "\n".join(part.strip("\n") for part in parts)

    def tail(self) -> str:
        """The last lines of what was written, long ones cut."""
        lines = [line for line in self.text().splitlines() if line.strip()]
        return "\n".join(line[:_LINE_CHARACTERS] for line in lines[-_TAIL_LINES:])


def diagnose(log: LogReader, what_happened: str, data_dir: Path, port: int) -> Failure:
    """The failure that the log shows, or, if it shows no known one, ``what_happened`` and the log's end."""
    text = log.text()
    if "store_lock" in text and "locked by another process" in text.lower():
        return Failure(
            "locked",
            f"Another Neo4j uses the data directory {data_dir}. Stop it first. {ELSEWHERE}",
        )
    if "Address already in use" in text or "is already bound" in text or "PortBindException" in text:
        return Failure(
            "port",
            f"Port {port} of this machine is taken. Stop what listens there, or give another one with --port.",
        )
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return Failure("disk_full", _no_room(data_dir))
    tail = log.tail() or "(it wrote nothing)"
    return Failure("start", f"{what_happened} The last lines of its logs, in {data_dir / 'logs'}:\n{tail}")


def storage_failure(error: OSError, data_dir: Path) -> Failure:
    """The failure for ``error``, which happened when the supervisor itself read or wrote the data directory."""
    if error.errno in _NO_ROOM:
        return Failure("disk_full", _no_room(data_dir))
    return Failure(
        "unusable",
        f"The data directory {data_dir} cannot be used: {error.strerror or error}. Make it one that you may write. "
        f"{ELSEWHERE}",
    )


def rotate(log: Path) -> None:
    """Set ``log`` aside, as ``….1``, when it is large."""
    if _size(log) > _LARGE_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def _no_room(data_dir: Path) -> str:
    return f"No room left for the database's data in {data_dir}. Free some space and run the command again."


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
