"""``python -m local.neo4j.lock``: resolve Neo4j's jars again and rewrite the committed list of their sums.

For maintainers, after a change of ``NEO4J_VERSION``. It downloads each jar into a temporary directory, compares its
SHA-1 sum with the one that the repository publishes, and writes its SHA-256 sum to the list.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local.console import Console
from local.neo4j.jars import NEO4J_VERSION, Jar, format_lock

__all__ = ["main"]

_ENDPOINT = f"org.neo4j:neo4j:{NEO4J_VERSION}+org.neo4j.app:neo4j-server:{NEO4J_VERSION}"
_DOWNLOADS_AT_ONCE = 8


class _Mismatches(logging.Handler):
    """Collects jgo's warnings, among them the one about a SHA-1 sum that differs from the published one."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def main() -> None:
    """Rewrite ``jars.lock``. Ends with an error, and does not change the list, if a published sum differs."""
    import jgo
    from jgo.maven import MavenContext

    console = Console()
    warnings = _Mismatches()
    logging.getLogger("jgo").addHandler(warnings)
    console.say(f"Resolving {_ENDPOINT} …")
    artifacts = [artifact for artifact in jgo.resolve(_ENDPOINT) if artifact.packaging == "jar"]
    with (
        tempfile.TemporaryDirectory() as scratch,
        console.progress("Downloading", len(artifacts)) as advance,
        ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool,
    ):
        context = MavenContext(repo_cache=Path(scratch), timeout=60)

        def lock(artifact: Any) -> Jar:
            component = context.project(artifact.groupId, artifact.artifactId).at_version(artifact.version)
            path = component.artifact(classifier=artifact.classifier).resolve()
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            advance(1)
            return Jar(
                group=artifact.groupId,
                artifact=artifact.artifactId,
                version=artifact.version,
                classifier=artifact.classifier,
                size=path.stat().st_size,
                sha256=sha256,
            )

        jars = list(pool.map(lock, artifacts))
    if warnings.messages:
        raise SystemExit("jars.lock was not changed:\n" + "\n".join(warnings.messages))
    Path(__file__).with_name("jars.lock").write_text(format_lock(jars), encoding="ascii")
    console.say(f"jars.lock lists {len(jars)} jars, {sum(jar.size for jar in jars) / 1e6:.0f} MB.")


if __name__ == "__main__":
    main()
