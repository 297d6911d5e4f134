"""Provides every jar of the committed list, verified, in a directory of the user's cache.

Every jar's SHA-256 sum is computed at every start, which costs less than a JVM needs to say hello. A download goes
into a temporary directory first and is moved into place only after its sum was checked, so a jar under its final name
is never incomplete.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local.locks import FileLock, LockMode
from local.neo4j.download import Downloader
from local.neo4j.errors import CacheUnusable, DiskFull, JarMismatch
from local.neo4j.jars import NEO4J_VERSION, Jar, locked_jars

if TYPE_CHECKING:
    from local.console import Console

__all__ = ["default_cache_dir", "ensure_jars", "jars_directory"]

_HASHING_THREADS = 4
_DOWNLOADS_AT_ONCE = 8
_SCRATCH_PREFIX = ".download-"
_SPARE_BYTES = 50_000_000
_OTHER_DOWNLOAD_SECONDS = 900.0
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def default_cache_dir() -> Path:
    """The default directory for this user's jars."""
    import platformdirs

    return platformdirs.user_cache_path("neo4j-m2m")


def jars_directory(cache_dir: Path) -> Path:
    """The directory, under ``cache_dir``, that keeps the jars."""
    return cache_dir.absolute() / "jars"


def ensure_jars(console: Console, cache_dir: Path, jars: Sequence[Jar] | None = None) -> None:
    """Make sure that all ``jars`` (default: the committed list) are in ``cache_dir``: verified, or else downloaded.

    A jar whose sum differs is named on ``console``, deleted and downloaded once more. The network is not used if all
    are there and right.

    Raises ``JarMismatch``, ``DownloadFailed``, ``DiskFull`` or ``CacheUnusable``.
    """
    wanted = locked_jars() if jars is None else tuple(jars)
    directory = jars_directory(cache_dir)
    try:
        if _unverified(wanted, directory):
            directory.mkdir(parents=True, exist_ok=True)
            with _one_writer(directory, console):
                _mend(wanted, directory, console)
    except OSError as error:
        raise _storage_error(error, directory) from error


def _mend(wanted: Sequence[Jar], directory: Path, console: Console) -> None:
    """Download what is missing or wrong in ``directory``. Must run in one process at a time."""
    for leftover in directory.glob(f"{_SCRATCH_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    missing = _unverified(wanted, directory)  # again: another process may just have put them there
    for jar in missing:
        path = directory / jar.relative_path
        if path.exists():
            console.say(f"{path} is damaged (its SHA-256 sum differs): deleted, downloading it again.")
            path.unlink()
    if missing:
        _download(missing, directory, console)


def _download(jars: Sequence[Jar], directory: Path, console: Console) -> None:
    total = sum(jar.size for jar in jars)
    free = shutil.disk_usage(directory).free
    if free < total + _SPARE_BYTES:
        raise DiskFull(
            f"Neo4j's jars need {(total + _SPARE_BYTES) // 1_000_000} MB in {directory}, and {free // 1_000_000} MB "
            "are free. Free some space, or set NEO4J_M2M_CACHE_DIR to a directory on another disk."
        )
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=directory))
    description = f"Downloading Neo4j {NEO4J_VERSION} ({len(jars)} jar{'s' if len(jars) > 1 else ''})"
    try:
        with console.progress(description, total, "bytes") as advance:
            downloader = Downloader(scratch, advance)
            with closing(downloader), ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
                # The largest first, so that nothing waits for one of them at the end.
                ordered = sorted(jars, key=lambda jar: -jar.size)
                futures = [pool.submit(_place, downloader, jar, directory, console) for jar in ordered]
                try:
                    for future in as_completed(futures):
                        future.result()
                except BaseException:
                    downloader.cancel()
                    pool.shutdown(cancel_futures=True)
                    raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _place(downloader: Downloader, jar: Jar, directory: Path, console: Console) -> None:
    """Download ``jar``, verify it, and move it to its place; once more if its sum differs."""
    file, sha256 = downloader.fetch(jar)
    if sha256 != jar.sha256:
        console.say(f"{jar.coordinate} arrived with a wrong SHA-256 sum: deleted, downloading it again.")
        downloader.discard(file, jar)
        file, sha256 = downloader.fetch(jar)
        if sha256 != jar.sha256:
            raise JarMismatch(
                f"{jar.coordinate} does not have the SHA-256 sum {jar.sha256}, twice in a row: it was not used. "
                "Something between this machine and the Maven repository changes files (a mirror, a proxy that "
                "inspects traffic): try another network, and report it if this stays."
            )
    path = directory / jar.relative_path
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file, path)


def _unverified(jars: Sequence[Jar], directory: Path) -> list[Jar]:
    """Those of ``jars`` that are missing from ``directory`` or differ from the list."""
    with ThreadPoolExecutor(_HASHING_THREADS) as pool:
        verdicts = pool.map(lambda jar: _is(jar, directory / jar.relative_path), jars)
        return [jar for jar, good in zip(jars, verdicts, strict=True) if not good]


def _is(jar: Jar, path: Path) -> bool:
    """Whether the file at ``path`` exists and is ``jar``, by its size and SHA-256 sum."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != jar.size:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


@contextmanager
def _one_writer(directory: Path, console: Console) -> Iterator[None]:
    """Hold the lock of ``directory``: of several processes that miss jars, one downloads and the others wait."""
    lock = FileLock(directory / ".lock")
    try:
        if not lock.acquire(LockMode.EXCLUSIVE):
            console.say("Another command is downloading Neo4j's jars; waiting for it …")
            if not lock.acquire(LockMode.EXCLUSIVE, timeout=_OTHER_DOWNLOAD_SECONDS):
                raise CacheUnusable(
                    f"Another command has been downloading into {directory} for {_OTHER_DOWNLOAD_SECONDS:.0f} s. "
                    "End it, then run this one again."
                )
        yield
    finally:
        lock.close()


def _storage_error(error: OSError, directory: Path) -> CacheUnusable | DiskFull:
    """The error to raise for ``error``, which happened while writing jars to ``directory`` or reading them."""
    if error.errno in _NO_ROOM:
        return DiskFull(
            f"No room left for Neo4j's jars in {directory}: {error.strerror}. Free some space (about 200 MB are needed)"
            " and run the command again; finished downloads are kept."
        )
    return CacheUnusable(
        f"The cache for Neo4j's jars, {directory}, cannot be used: {error.strerror or error}. Make sure that "
        "you may write to it, or set NEO4J_M2M_CACHE_DIR to another directory."
    )
