"""Creates the folder that is uploaded as the app: ``python3 -m databricks_app.snapshot FOLDER``.

An app is a folder with ``app.yaml`` and ``requirements.txt`` at its top. The root of this repository cannot be that
folder, since its ``requirements.txt`` is for another platform. A wheel of ``core`` cannot be in a list of requirements
whose other lines have hashes. So the sources themselves are copied beside the app's two files. The bundle calls this
before it uploads; it needs only Python's standard library.

Source: https://docs.databricks.com/aws/en/dev-tools/databricks-apps/app-development .
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["PACKAGES", "lay_out"]

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = ("core", "databricks_app", "page")
"""The folders that the app runs from, at the root of this repository and of its snapshot."""

_TOP = ("app.yaml", "requirements.txt")
_SUFFIXES = (".py", ".typed", ".html", ".css", ".js", ".svg", ".txt")


def lay_out(folder: Path) -> list[Path]:
    """Make ``folder`` hold the app's snapshot and otherwise only a ``.gitignore``; returns its files, relative to it.

    Raises:
        FileExistsError: The folder exists and holds something that is not a snapshot.
        FileNotFoundError: One of ``PACKAGES`` is not in this checkout.
    """
    for package in PACKAGES:
        if not (ROOT / package).is_dir():
            raise FileNotFoundError(f"{package} is missing in {ROOT}. Run this in a whole checkout of the repository.")
    folder.mkdir(parents=True, exist_ok=True)
    there = [path for path in folder.iterdir() if path.name != ".gitignore"]
    strangers = [path for path in there if path.name not in (*PACKAGES, *_TOP, "__pycache__")]
    if strangers:
        raise FileExistsError(
            f"{folder} holds {strangers[0].name}, which is not part of the app's snapshot. Choose another folder."
        )
    for path in there:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    copied = []
    for name in _TOP:
        copied.append(Path(name))
        shutil.copyfile(ROOT / "databricks_app" / name, folder / name)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            relative = path.relative_to(ROOT)
            if path.is_file() and path.suffix in _SUFFIXES:
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / relative)
                copied.append(relative)
    return copied


def main(argv: Sequence[str]) -> int:
    """Create the snapshot in the folder that ``argv`` names."""
    if len(argv) != 1:
        print("usage: python3 -m databricks_app.snapshot FOLDER", file=sys.stderr)
        return 2
    try:
        files = lay_out(Path(argv[0]))
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(files)} files in {argv[0]}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
