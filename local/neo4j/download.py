"""Fetches single jars from the Maven repository that jgo knows, over connections that are kept open.

jgo itself opens two new TLS connections for each jar; for the whole list, that takes forty times as long.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from local.neo4j.errors import DownloadFailed
from local.neo4j.jars import Jar

if TYPE_CHECKING:
    import requests

__all__ = ["DownloadCancelled", "Downloader"]

_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.5
_TIMEOUT_SECONDS = 20
_CHUNK_BYTES = 1 << 16


class DownloadCancelled(Exception):
    """``cancel`` was called during a download."""


class Downloader:
    """Fetches jars, several at once if called from several threads."""

    def __init__(self, directory: Path, advance: Callable[[int], None]) -> None:
        """Files are written into ``directory``.

        ``advance`` is called with the number of bytes that arrived, and with a negative number for wasted bytes.
        """
        self._directory = directory
        self._advance = advance
        self._advancing = threading.Lock()
        self._cancelled = threading.Event()
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def cancel(self) -> None:
        """Make every download, also those that run, raise ``DownloadCancelled`` as soon as possible."""
        self._cancelled.set()

    def close(self) -> None:
        """Close the connections. Call it when no thread is fetching."""
        for session in self._sessions:
            session.close()

    def fetch(self, jar: Jar) -> tuple[Path, str]:
        """Download ``jar`` into a new file; returns the file and the SHA-256 sum that its content has.

        Raises ``DownloadFailed`` when the repository, asked several times, cannot be reached or does not deliver;
        ``OSError`` when the file cannot be written; ``DownloadCancelled``.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._fetch_once(jar)
            except DownloadFailed:
                if attempt == _ATTEMPTS or self._cancelled.wait(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)):
                    raise
        raise AssertionError("unreachable")

    def discard(self, file: Path, jar: Jar) -> None:
        """Delete ``file``, a useless download of ``jar``, and subtract its bytes from the progress."""
        file.unlink()
        self._report(-jar.size)

    def _fetch_once(self, jar: Jar) -> tuple[Path, str]:
        import requests

        arrived = 0
        digest = hashlib.sha256()
        try:
            with (
                self._session().get(_address(jar), stream=True, timeout=_TIMEOUT_SECONDS) as response,
                tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as file,
            ):
                response.raise_for_status()
                for chunk in response.iter_content(_CHUNK_BYTES):
                    if self._cancelled.is_set():
                        raise DownloadCancelled
                    file.write(chunk)
                    digest.update(chunk)
                    arrived += len(chunk)
                    self._report(len(chunk))
        except requests.RequestException as error:
            self._report(-arrived)
            raise DownloadFailed(
                f"Could not download {jar.coordinate}: {_reason(error)}. Check that this machine has a network "
                "(behind a proxy, set HTTPS_PROXY) and run the command again; finished downloads are kept."
            ) from error
        return Path(file.name), digest.hexdigest()

    def _session(self) -> requests.Session:
        """This thread's session."""
        import requests

        if self._cancelled.is_set():
            raise DownloadCancelled
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            self._sessions.append(session)
        return session

    def _report(self, amount: int) -> None:
        with self._advancing:
            self._advance(amount)


def _address(jar: Jar) -> str:
    """The URL of ``jar`` in the first repository that jgo asks."""
    from jgo.maven import MavenContext

    context = MavenContext()
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    repository = next(iter(context.remote_repos.values()))
    return f"{repository}/{component.path_prefix.as_posix()}/{component.artifact(classifier=jar.classifier).filename}"


def _reason(error: requests.RequestException) -> str:
    """One phrase for a network error, without the address that was asked."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the Maven repository answered with HTTP status {error.response.status_code}"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused the connection"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS certificate of the Maven repository could not be verified"
    if isinstance(error, requests.Timeout):
        return "the Maven repository did not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke"
    return "the Maven repository cannot be reached"
