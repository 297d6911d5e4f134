"""What each of Azure's tools packs of this repository.

azd asks the Go library denormal/go-gitignore, which ``main.go`` asks here as well. Azure Functions Core Tools have a
reader of their own, in C#, which no registry that serves this project has. It says of itself that it is a version of
the npm package gitignore-parser, which ``core_tools.js`` runs; `packed_by_core_tools` differs from that package where
the C# source does: it ends every pattern at the end of a word, and it replaces every ``*`` of one.

Source: https://github.com/Azure/azure-functions-core-tools , GitIgnoreParser.cs and FileSystemHelpers.cs.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["AZD", "LYING_AROUND", "ROOT", "checkout", "packed_by_azd", "packed_by_core_tools", "rules", "tracked_files"]

ROOT = Path(__file__).parents[2]

AZD = ROOT / ".venv-go/azd"


@functools.cache
def tracked_files() -> list[str]:
    """The files of a fresh clone, and those that wait to be added."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.splitlines()


LYING_AROUND = [
    ".env",
    ".vscode/settings.json",
    ".azure/flights/.env",
    "keys.json",
    "key.txt",
    "neo4j-credentials.txt",
    ".venv/bin/python",
    ".git/config",
    "node_modules/x/index.js",
    "infra/azure/flights.bicepparam",
    "Neo4j-0a1b2c3d-Created-2026-11-24.txt",
]
"""What a developer's folder may hold besides what git knows."""

_NEVER = {".funcignore", ".gitignore", "local.settings.json", "project.lock.json"}
_NEVER_BELOW = {".git", ".vscode"}


def rules() -> list[str]:
    return (ROOT / ".funcignore").read_text().splitlines()


def checkout(folder: Path, *more: str) -> Path:
    """A clone of this repository in ``folder``, with what lies around in it and ``more`` empty files."""
    for name in tracked_files():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    for name in (*LYING_AROUND, *more):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("canary-of-a-developer-77d1\n")
    return folder


def packed_by_azd(folder: Path) -> set[str]:
    """The paths below ``folder`` that azd packs of it."""
    assert AZD.exists(), "azd's library is not built: make azure-package does that"
    said = subprocess.run([AZD, "pack", folder], capture_output=True, text=True, check=True).stdout
    return set(json.loads(said))


def packed_by_core_tools(paths: list[str]) -> set[str]:
    """Of ``paths``, those that Core Tools pack."""

    def begins(patterns: list[str]) -> re.Pattern[str]:
        forms = (
            re.escape(pattern.removeprefix("/")).replace(r"\*\*", "(.+)").replace(r"\*", "([^/]+)")
            for pattern in patterns
        )
        return re.compile("^(" + "|".join(f"({form})" for form in forms) + r")\b", re.ASCII)

    lines = [line.strip() for line in rules() if line.strip() and not line.startswith("#")]
    excepted = begins([line[1:] for line in lines if line.startswith("!")])
    ignored = begins([line for line in lines if not line.startswith("!")])
    looked_at = [
        path for path in paths if Path(path).name not in _NEVER and not _NEVER_BELOW & set(Path(path).parts[:-1])
    ]
    return {path for path in looked_at if excepted.match(path) or not ignored.match(path)}
