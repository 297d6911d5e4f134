"""The committed list of jars that make up Neo4j: which ones, how large, and with which SHA-256 sum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ["NEO4J_VERSION", "Jar", "format_lock", "locked_jars", "parse_lock"]

NEO4J_VERSION = "2026.09.0"

_LOCK_FILE = Path(__file__).with_name("jars.lock")

_HEADER = f"""\
# The jars of Neo4j Community {NEO4J_VERSION}, each with its SHA-256 sum and size in bytes.
# Written by `python -m local.neo4j.lock`; nothing that differs from this list is ever run.
"""


@dataclass(frozen=True)
class Jar:
    """One jar: its Maven coordinate, and the size and sum of its file."""

    group: str
    artifact: str
    version: str
    classifier: str
    size: int
    sha256: str

    @property
    def coordinate(self) -> str:
        """``group:artifact:version``, with ``:classifier`` after it if it has one."""
        classifier = f":{self.classifier}" if self.classifier else ""
        return f"{self.group}:{self.artifact}:{self.version}{classifier}"

    @property
    def relative_path(self) -> PurePosixPath:
        """Where the jar is kept within the directory of jars."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return PurePosixPath(self.group, f"{self.artifact}-{self.version}{classifier}.jar")


def parse_lock(text: str) -> tuple[Jar, ...]:
    """The jars that ``text`` lists, one per line as ``sha256 size group:artifact:version[:classifier]``.

    Lines that start with ``#`` are comments. Raises ``ValueError`` for any other line that does not parse.
    """
    jars = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        sha256, size, coordinate = line.split(" ")
        group, artifact, version, *classifier = coordinate.split(":")
        jars.append(Jar(group, artifact, version, classifier[0] if classifier else "", int(size), sha256))
    return tuple(jars)


def format_lock(jars: Iterable[Jar]) -> str:
    """The text of the list: a header, then one line per jar, sorted by coordinate."""
    ordered = sorted(jars, key=lambda jar: jar.coordinate)
    return _HEADER + "".join(f"{jar.sha256} {jar.size} {jar.coordinate}\n" for jar in ordered)


def locked_jars() -> tuple[Jar, ...]:
    """The jars of the committed list."""
    return parse_lock(_LOCK_FILE.read_text(encoding="ascii"))
